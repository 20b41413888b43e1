/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence config: the configuration file to start from. */
#include "config/config.h"

#include <stdio.h>

#include "cli/cli.h"

int cli_show_config(const struct cli *cli)
{
	config_print_sample(stdout);
	return cli_finish();
}
