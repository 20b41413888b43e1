/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Prints podfence(8) in mdoc(7): what there is of commands and options comes from their table. It runs at
 * build time and is not installed. */
#include <stdio.h>

#include "cli/cli.h"
#include "mdoc.h"

static const char head[] = ".\\\" SPDX-License-Identifier: GPL-2.0-or-later\n"
			   ".\\\" SPDX-FileCopyrightText: podfence authors\n"
			   ".Dd November 26, 2026\n"
			   ".Dt PODFENCE 8\n"
			   ".Os\n"
			   ".Sh NAME\n"
			   ".Nm podfence\n"
			   ".Nd see, understand and change what podfenced does on this node\n"
			   ".Sh SYNOPSIS\n";

static const char description[] =
	".Nm\n"
	".Fl -version | Fl -help\n"
	".Sh DESCRIPTION\n"
	"The commands ask\n"
	".Xr podfenced 8\n"
	"by its control socket, which is there with the API server up or down.\n"
	"Root may ask and change, members of group\n"
	".Dq podfence\n"
	"may ask.\n"
	"Installed as\n"
	".Nm kubectl-podfence\n"
	"too, the command is\n"
	".Ql kubectl podfence ,\n"
	"and a name without a namespace is one in namespace\n"
	".Dq default ;\n"
	"otherwise it is looked for in all namespaces.\n"
	".Bl -tag -width Ds\n";

static const char tail[] =
	".El\n"
	".Sh ENVIRONMENT\n"
	".Bl -tag -width Ds\n"
	".It Ev PODFENCE_SOCKET\n"
	"The agent's control socket.\n"
	".It Ev NO_COLOR\n"
	"If set, no colours; there are none where the output is no terminal either.\n"
	".El\n"
	".Sh FILES\n"
	".Bl -tag -width Ds\n"
	".It Pa /etc/podfence/podfence.yaml\n"
	"The configuration.\n"
	".It Pa /run/podfence/podfenced.sock\n"
	"The control socket; it speaks varlink, interface\n"
	".Ql io.podfence.Agent .\n"
	".El\n"
	".Sh EXIT STATUS\n"
	".Bl -tag -width Ds\n"
	".It 0\n"
	"Good.\n"
	".It 1\n"
	"It said no, or failed.\n"
	".It 2\n"
	"The usage or an input is wrong.\n"
	".It 3\n"
	"The agent is not reachable.\n"
	".El\n"
	".Sh EXAMPLES\n"
	"Begin with a configuration that says everything:\n"
	".Pp\n"
	".Dl podfence config > /etc/podfence/podfence.yaml\n"
	".Pp\n"
	"See what a change of the configuration would do to the rules:\n"
	".Pp\n"
	".Dl podfence render --config new.yaml | diff <(podfence render) -\n"
	".Pp\n"
	"Who is not covered, for a program:\n"
	".Pp\n"
	".Dl podfence pods --unresolved -o jsonl\n"
	".Sh SEE ALSO\n"
	".Xr podfence.yaml 5 ,\n"
	".Xr nft 8 ,\n"
	".Xr podfenced 8\n";

static void print_flag(const struct cli_option *option)
{
	if (option->letter)
		printf("Fl %c", option->letter);
	else
		printf("Fl -%s", option->name);
	if (option->argument)
		printf(" Ar %s", option->argument);
}

static void print_synopsis(const struct command *command)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	size_t n = cli_options(command, options);

	printf(".Nm\n.Cm %s\n", command->name);
	for (size_t i = 0; i < n; i++) {
		fputs(".Op ", stdout);
		print_flag(options[i]);
		putchar('\n');
	}
	if (command->arguments[0])
		printf(".Ar %s\n", command->arguments);
}

static void print_command(const struct command *command)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	size_t n = cli_options(command, options);

	printf(".It Cm %s%s%s\n", command->name, command->arguments[0] ? " Ar " : "",
	       command->arguments);
	mdoc_print_text(command->text);
	if (!n)
		return;
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < n; i++) {
		fputs(".It ", stdout);
		print_flag(options[i]);
		if (options[i]->letter)
			printf(" , Fl -%s", options[i]->name);
		putchar('\n');
		mdoc_print_text(options[i]->help);
	}
	puts(".El");
}

int main(void)
{
	fputs(head, stdout);
	for (const struct command *command = commands; command->name; command++)
		print_synopsis(command);
	fputs(description, stdout);
	for (const struct command *command = commands; command->name; command++)
		print_command(command);
	fputs(tail, stdout);
	return fflush(stdout) != 0;
}
