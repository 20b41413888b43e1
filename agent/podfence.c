/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence: the command, and kubectl-podfence, which `kubectl podfence` runs. The commands stand in
 * cli/commands.c. */
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cli/cli.h"
#include "podfence-config.h"

static int help(FILE *stream, int status)
{
	fputs("Usage: podfence COMMAND [OPTIONS] [ARGUMENTS]\n\n", stream);
	for (const struct command *command = commands; command->name; command++)
		fprintf(stream, "  %-11s %s\n", command->name, command->summary);
	fputs("\npodfence COMMAND --help says more of it. Exit status: 0 good, 1 it said no,\n"
	      "2 bad usage or input, 3 agent not reachable.\n",
	      stream);
	return status;
}

static int fail_unknown(const char *name)
{
	const char *nearest = NULL;
	unsigned best = 3;

	for (const struct command *command = commands; command->name; command++) {
		unsigned d = near_distance(name, command->name);
		if (d < best) {
			best = d;
			nearest = command->name;
		}
	}
	if (nearest)
		return cli_fail(2, "no command \"%s\"; %s?", name, nearest);
	cli_fail(2, "no command \"%s\"", name);
	return help(stderr, 2);
}

static bool is_kubectl(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strncmp(slash ? slash + 1 : program, "kubectl", 7);
}

int main(int argc, char **argv)
{
	struct cli cli;
	bool is_help;

	if (argc < 2)
		return help(stderr, 2);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(stdout, 0);
	if (!strcmp(argv[1], "--version")) {
		puts("podfence " PODFENCE_VERSION);
		return 0;
	}
	if (!cli_find(argv[1]))
		return fail_unknown(argv[1]);
	int status = cli_parse(argc - 1, argv + 1, &cli, &is_help);
	if (status != 0 || is_help)
		return status;
	cli.is_kubectl = is_kubectl(argv[0]);
	return cli.command->run(&cli);
}
