/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From argv to a command with its options: getopt_long(3) driven by the table. Options may stand anywhere,
 * as kubectl users expect. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "base/near.h"
#include "cli/cli.h"

#define FIRST_CODE 256 /* beyond any letter */

static const struct cli_option trait_options[] = {
	{"config", 'c', "FILE", CLI_FILES, "The configuration; /etc/podfence/podfence.yaml."},
	{"socket", 0, "PATH", CLI_FILES,
	 "The agent's control socket; $PODFENCE_SOCKET, else /run/podfence/podfenced.sock."},
	{"output", 'o', "FORMAT", "table wide json jsonl",
	 "table; wide, with more columns; json, one object; jsonl, an object a line."},
	{"no-headers", 0, NULL, NULL, "A table without its titles."},
	{"watch", 'w', NULL, NULL, "Again every two seconds, until interrupted."},
	{"namespace", 'n', "NAMESPACE", NULL, "The namespace of names that have none."},
	{"store", 0, "DIRECTORY", CLI_FILES,
	 "Where podfence-ship keeps events: $PODFENCE_STORE, what its configuration says, or "
	 "/var/lib/podfence/ship."},
};

static const unsigned option_traits[] = {CLI_CONFIG, CLI_AGENT,	    CLI_OUTPUT, CLI_OUTPUT,
					 CLI_WATCH,  CLI_NAMESPACE, CLI_STORE};

size_t cli_options(const struct command *command,
		   const struct cli_option *ret_options[static CLI_OPTIONS_MAX])
{
	size_t n = 0;

	for (const struct cli_option *option = command->options; option && option->name; option++)
		if (n < CLI_OPTIONS_MAX)
			ret_options[n++] = option;
	for (size_t i = 0; i < sizeof(trait_options) / sizeof(trait_options[0]); i++)
		if (command->traits & option_traits[i] && n < CLI_OPTIONS_MAX)
			ret_options[n++] = &trait_options[i];
	return n;
}

const struct command *cli_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

int cli_fail(int status, const char *format, ...)
{
	va_list arguments;

	fputs("podfence: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return status;
}

int cli_finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return errno == EPIPE ? 1 : cli_fail(1, "cannot write: %s", strerror(errno));
}

static int fail_unknown(const struct command *command, const char *given)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	size_t n = cli_options(command, options);
	const char *nearest = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < n; i++) {
		unsigned d = near_distance(given + strspn(given, "-"), options[i]->name);
		if (d < best) {
			best = d;
			nearest = options[i]->name;
		}
	}
	if (nearest)
		cli_fail(2, "%s: \"%s\" is no option of it; --%s?", command->name, given, nearest);
	else
		cli_fail(2, "%s: \"%s\" is no option of it, or lacks its argument", command->name,
			 given);
	return cli_usage(command);
}

/* What getopt_long() wants of the table. Options are known by FIRST_CODE and their place. */
static void describe(const struct cli_option *const *options, size_t n,
		     struct option ret_long[static CLI_OPTIONS_MAX + 2],
		     char ret_letters[static 2 * CLI_OPTIONS_MAX + 4])
{
	char *at = ret_letters;

	*at++ = ':';
	*at++ = 'h';
	for (size_t i = 0; i < n; i++) {
		ret_long[i] = (struct option){
			options[i]->name, options[i]->argument ? required_argument : no_argument,
			NULL, FIRST_CODE + (int)i};
		if (options[i]->letter)
			*at++ = options[i]->letter;
		if (options[i]->letter && options[i]->argument)
			*at++ = ':';
	}
	*at = '\0';
	ret_long[n] = (struct option){"help", no_argument, NULL, 'h'};
	ret_long[n + 1] = (struct option){};
}

static size_t place_of(const struct cli_option *const *options, size_t n, int code)
{
	if (code >= FIRST_CODE)
		return (size_t)(code - FIRST_CODE);
	for (size_t i = 0; i < n; i++)
		if (options[i]->letter == code)
			return i;
	return n;
}

static int parse_options(int argc, char **argv, struct cli *cli, bool *ret_is_help)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	struct option long_options[CLI_OPTIONS_MAX + 2];
	char letters[2 * CLI_OPTIONS_MAX + 4];
	size_t n = cli_options(cli->command, options);

	describe(options, n, long_options, letters);
	opterr = 0;
	optind = 0; /* GNU: begin anew */
	for (int code; (code = getopt_long(argc, argv, letters, long_options, NULL)) != -1;) {
		size_t place = place_of(options, n, code);
		if (code == 'h') {
			cli_help(cli->command);
			*ret_is_help = true;
			return cli_finish();
		}
		if (place >= n)
			return fail_unknown(cli->command, argv[optind - 1]);
		cli->values[place] = options[place]->argument ? optarg : "";
	}
	return 0;
}

int cli_parse(int argc, char **argv, struct cli *ret_cli, bool *ret_is_help)
{
	struct cli cli = {.command = cli_find(argv[0])};

	*ret_is_help = false;
	if (!cli.command)
		return cli_fail(2, "no command \"%s\"", argv[0]);
	int r = parse_options(argc, argv, &cli, ret_is_help);
	if (r != 0 || *ret_is_help)
		return r;
	cli.arguments = argv + optind;
	cli.n_arguments = (size_t)(argc - optind);
	if (cli.n_arguments < cli.command->arguments_min ||
	    cli.n_arguments > cli.command->arguments_max)
		return cli_usage(cli.command);
	*ret_cli = cli;
	return 0;
}

const char *cli_value(const struct cli *cli, const char *option)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	size_t n = cli_options(cli->command, options);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(options[i]->name, option))
			return cli->values[i];
	return NULL;
}

bool cli_has(const struct cli *cli, const char *option)
{
	return cli_value(cli, option) != NULL;
}
