/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

/* The commands of `podfence`, one file each. A command gets its own name and arguments and returns
 * the exit status: 0 good, 1 it said no, 2 bad usage or input, 3 the agent is not reachable. */
struct command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *summary;
	int (*run)(int argc, char **argv);
};

extern const struct command commands[]; /* podfence.c; ends with a name of NULL */

int cli_check(int argc, char **argv);
int cli_show_config(int argc, char **argv);
int cli_render(int argc, char **argv);
int cli_uninstall(int argc, char **argv);

/* "Usage: podfence NAME ARGUMENTS" on stderr; returns 2. */
int cli_usage(const char *name);
