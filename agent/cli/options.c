/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "podfence-config.h"

static const char default_path[] = PODFENCE_SYSCONFDIR "/podfence.yaml";

static const char *path_of(const struct cli *cli)
{
	const char *path = cli_value(cli, "config");

	return path ? path : default_path;
}

int cli_config(const struct cli *cli, struct config **ret_config)
{
	const char *path = path_of(cli);
	struct report report;

	report_init(&report);
	int r = config_read(path, &report, ret_config);
	report_print(&report, stderr);
	report_done(&report);
	return r ? 2 : 0;
}
