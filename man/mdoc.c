/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * mdoc wants each sentence on a line of its own, and no line of text to begin with a dot or an
 * apostrophe, which would make it a request. */
#include "mdoc.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void print_word(const char *word, bool is_first)
{
	if (is_first && (*word == '.' || *word == '\''))
		fputs("\\&", stdout);
	if (*word == '-')
		putchar('\\');
	for (; *word; word++)
		fputs(*word == '\\' ? "\\e" : (char[]){*word, '\0'}, stdout);
}

static bool ends_sentence(const char *word)
{
	size_t n = strlen(word);

	return n >= 2 && word[n - 1] == '.' && word[n - 2] != '.';
}

void mdoc_print_text(const char *text)
{
	enum { COLUMNS = 78 };
	char copy[2048];
	size_t column = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *rest = copy, *word; (word = strsep(&rest, " "));) {
		bool is_first = !column || column + 1 + strlen(word) > COLUMNS;
		if (is_first && column)
			putchar('\n');
		else if (!is_first)
			putchar(' ');
		print_word(word, is_first);
		column = is_first ? strlen(word) : column + 1 + strlen(word);
		if (ends_sentence(word) && rest) {
			putchar('\n');
			column = 0;
		}
	}
	putchar('\n');
}
