/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence: the command. One table of subcommands; each is a file in cli/. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "podfence-config.h"

const struct command commands[] = {
	{"check", "FILE...", "say what is wrong with configuration files and pod lists", cli_check},
	{"config", "", "print a configuration file with every key, its default and its meaning",
	 cli_show_config},
	{"render", "[--config FILE]",
	 "print the ruleset as nft text; needs no root and asks no kernel", cli_render},
	{"uninstall", "[--config FILE]", "remove all rules of podfence from this kernel",
	 cli_uninstall},
	{NULL, NULL, NULL, NULL},
};

int cli_usage(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			fprintf(stderr, "Usage: podfence %s%s%s\n", command->name,
				command->arguments[0] ? " " : "", command->arguments);
	return 2;
}

static int help(FILE *stream, int status)
{
	fputs("Usage: podfence COMMAND [ARGUMENTS]\n\n", stream);
	for (const struct command *command = commands; command->name; command++)
		fprintf(stream, "  %-10s %-18s %s\n", command->name, command->arguments,
			command->summary);
	fputs("\nExit status: 0 good, 1 it said no, 2 bad usage or input, 3 agent not reachable.\n",
	      stream);
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return help(stderr, 2);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return help(stdout, 0);
	if (!strcmp(argv[1], "--version")) {
		puts("podfence " PODFENCE_VERSION);
		return 0;
	}
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, argv[1]))
			return command->run(argc - 1, argv + 1);
	fprintf(stderr, "podfence: no command \"%s\"\n", argv[1]);
	return help(stderr, 2);
}
