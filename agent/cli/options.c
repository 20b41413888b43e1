/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "podfence-config.h"

int cli_config(int argc, char **argv, struct config **ret_config)
{
	const char *path = PODFENCE_SYSCONFDIR "/podfence.yaml";
	struct report report;

	if (argc == 3 && !strcmp(argv[1], "--config"))
		path = argv[2];
	else if (argc != 1)
		return cli_usage(argv[0]);
	report_init(&report);
	int r = config_read(path, &report, ret_config);
	report_print(&report, stderr);
	report_done(&report);
	return r ? 2 : 0;
}
