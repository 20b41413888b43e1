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

static int config_default(struct config **ret_config)
{
	struct report report;

	report_init(&report);
	int r = config_parse("defaults", "", 0, &report, ret_config);
	report_done(&report);
	return r;
}

int cli_config_or_default(const struct cli *cli, struct config **ret_config)
{
	const char *path = path_of(cli);
	struct report report;

	report_init(&report);
	int r = config_read(path, &report, ret_config);
	bool is_missing = r == -ENOENT;
	if (!is_missing || path != default_path)
		report_print(&report, stderr);
	report_done(&report);
	if (!r)
		return 0;
	if (is_missing && path != default_path)
		return 2;
	r = config_default(ret_config);
	if (r != 0)
		fprintf(stderr, "podfence: no default configuration: %s\n",
			strerror(r < 0 ? -r : EINVAL));
	else if (!is_missing)
		fprintf(stderr, "podfence: going on with the defaults, NFLOG group %u\n",
			(*ret_config)->nflog.group);
	return r ? 1 : 0;
}
