/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence config: the configuration file to start from. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int cli_show_config(int argc, char **argv)
{
	if (argc != 1)
		return cli_usage(argv[0]);
	config_print_sample(stdout);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "podfence: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
