/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What --help says of a command: its row of the table, broken into lines a terminal holds. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define WIDTH	80
#define OPTIONS 8  /* column of what follows the first line of the usage */
#define HELP	30 /* column of what an option means */

/* Words, with a space between two, from column `indent` on. */
struct lines {
	FILE *stream;
	size_t indent, column; /* column 0: nothing of the line is written */
};

static void put(struct lines *lines, const char *word, size_t length)
{
	bool is_first = lines->column <= lines->indent;

	if (!is_first && lines->column + 1 + length > WIDTH) {
		fputc('\n', lines->stream);
		lines->column = 0;
		is_first = true;
	}
	size_t spaces = is_first ? lines->indent - lines->column : 1;
	fprintf(lines->stream, "%*s%.*s", (int)spaces, "", (int)length, word);
	lines->column += spaces + length;
}

static void put_text(struct lines *lines, const char *text)
{
	for (size_t length; *(text += strspn(text, " ")); text += length) {
		length = strcspn(text, " ");
		put(lines, text, length);
	}
	fputc('\n', lines->stream);
	lines->column = 0;
}

static void usage_print(const struct command *command, FILE *stream)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	struct lines lines = {.stream = stream, .indent = OPTIONS};
	size_t n = cli_options(command, options);

	lines.column = (size_t)fprintf(stream, "Usage: podfence %s", command->name);
	for (size_t i = 0; i < n; i++) {
		const char *argument = options[i]->argument;
		char word[64];
		int length = options[i]->letter
				     ? snprintf(word, sizeof(word), "[-%c", options[i]->letter)
				     : snprintf(word, sizeof(word), "[--%s", options[i]->name);
		length += snprintf(word + length, sizeof(word) - (size_t)length, "%s%s]",
				   argument ? " " : "", argument ? argument : "");
		put(&lines, word, (size_t)length);
	}
	put_text(&lines, command->arguments);
}

int cli_usage(const struct command *command)
{
	usage_print(command, stderr);
	return 2;
}

void cli_help(const struct command *command)
{
	const struct cli_option *options[CLI_OPTIONS_MAX];
	struct lines lines = {.stream = stdout};
	size_t n = cli_options(command, options);

	usage_print(command, stdout);
	putchar('\n');
	put_text(&lines, command->text);
	if (n)
		putchar('\n');
	lines.indent = HELP;
	for (size_t i = 0; i < n; i++) {
		const struct cli_option *option = options[i];
		char letter[4] = {'-', option->letter, ',', '\0'};
		lines.column = (size_t)printf("  %3s --%s%s%s", option->letter ? letter : "",
					      option->name, option->argument ? " " : "",
					      option->argument ? option->argument : "");
		if (lines.column + 2 > HELP) {
			putchar('\n');
			lines.column = 0;
		}
		put_text(&lines, option->help);
	}
}
