/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence completion: functions for bash and zsh, made of the table of commands. Names of endpoints are
 * asked of the agent when they are wanted; where it does not answer there are none. */
#include <string.h>

#include "cli/cli.h"

/* As shell words: what comes after. */
static void print_bash_words(const char *words)
{
	if (!words)
		printf("COMPREPLY=()");
	else if (!strcmp(words, CLI_FILES))
		printf("compopt -o default; COMPREPLY=()");
	else if (!strcmp(words, CLI_ENDPOINTS))
		printf("COMPREPLY=($(compgen -W \"$(_podfence_endpoints)\" -- \"$word\"))");
	else
		printf("COMPREPLY=($(compgen -W '%s' -- \"$word\"))", words);
}

static void print_bash_command(const struct command *command)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	size_t n = cli_options(command, options);

	printf("\t%s)\n\t\tcase $before in\n", command->name);
	for (size_t i = 0; i < n; i++) {
		if (!options[i]->argument)
			continue;
		printf("\t\t--%s", options[i]->name);
		if (options[i]->letter)
			printf("|-%c", options[i]->letter);
		printf(") ");
		print_bash_words(options[i]->words);
		puts("; return ;;");
	}
	puts("\t\tesac\n\t\tif [[ $word == -* ]]; then");
	printf("\t\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < n; i++)
		printf("--%s ", options[i]->name);
	puts("--help' -- \"$word\"))");
	if (command->words) {
		printf("\t\telse\n\t\t\t");
		print_bash_words(command->words);
		putchar('\n');
	}
	puts("\t\tfi ;;");
}

static void print_endpoints_function(void)
{
	puts("_podfence_endpoints() {\n"
	     "\tpodfence pods --no-headers 2>/dev/null | while read -r namespace name _; do\n"
	     "\t\techo \"$namespace/$name\"\n"
	     "\tdone\n"
	     "}\n");
}

static int print_bash(void)
{
	puts("# bash completion of podfence, made of its table of commands");
	print_endpoints_function();
	puts("_podfence() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tCOMPREPLY=()\n"
	     "\tif ((COMP_CWORD == 1)); then");
	printf("\t\tCOMPREPLY=($(compgen -W '");
	for (const struct command *command = commands; command->name; command++)
		printf("%s ", command->name);
	puts("help --version' -- \"$word\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in");
	for (const struct command *command = commands; command->name; command++)
		print_bash_command(command);
	puts("\tesac\n}\ncomplete -F _podfence podfence kubectl-podfence");
	return cli_finish();
}

/* Inside '...[...]': quotes, brackets and colons mean something. */
static void print_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr("[]:\\", *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static void print_zsh_action(const char *words)
{
	if (!words)
		fputs(" ", stdout);
	else if (!strcmp(words, CLI_FILES))
		fputs("_files", stdout);
	else if (!strcmp(words, CLI_ENDPOINTS))
		fputs("_podfence_names", stdout);
	else
		printf("(%s)", words);
}

static void print_zsh_option(const struct cli_option *option)
{
	if (option->letter)
		printf("\t\t\t'(-%c --%s)'{-%c,--%s}'[", option->letter, option->name,
		       option->letter, option->name);
	else
		printf("\t\t\t'--%s[", option->name);
	print_zsh_text(option->help);
	putchar(']');
	if (option->argument) {
		printf(":%s:", option->argument);
		print_zsh_action(option->words);
	}
	puts("' \\");
}

static void print_zsh_command(const struct command *command)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	size_t n = cli_options(command, options);

	printf("\t%s)\n\t\t_arguments \\\n", command->name);
	for (size_t i = 0; i < n; i++)
		print_zsh_option(options[i]);
	if (command->arguments_max) {
		printf("\t\t\t'%s:argument:", command->arguments_max > 1 ? "*" : "1");
		print_zsh_action(command->words);
		puts("' \\");
	}
	puts("\t\t\t'--help[what it takes]' ;;");
}

static int print_zsh(void)
{
	puts("#compdef podfence kubectl-podfence\n"
	     "# zsh completion of podfence, made of its table of commands");
	print_endpoints_function();
	puts("_podfence_names() { compadd -- $(_podfence_endpoints) }\n\n"
	     "_podfence() {\n"
	     "\tlocal -a commands=(");
	for (const struct command *command = commands; command->name; command++) {
		printf("\t\t'%s:", command->name);
		print_zsh_text(command->summary);
		puts("'");
	}
	puts("\t)\n"
	     "\tif ((CURRENT == 2)); then _describe command commands; return; fi\n"
	     "\tshift words; ((CURRENT--))\n"
	     "\tcase $words[1] in");
	for (const struct command *command = commands; command->name; command++)
		print_zsh_command(command);
	puts("\tesac\n}\n\n_podfence \"$@\"");
	return cli_finish();
}

int cli_completion(const struct cli *cli)
{
	if (!strcmp(cli->arguments[0], "bash"))
		return print_bash();
	if (!strcmp(cli->arguments[0], "zsh"))
		return print_zsh();
	return cli_fail(2, "\"%s\": bash or zsh", cli->arguments[0]);
}
