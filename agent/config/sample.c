/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The schema as a configuration file to start from: every key with its help. A line that begins
 * with "#" and a word is an example to be uncommented, "# " begins a sentence. As it is printed the
 * file means exactly the defaults. */
#include <string.h>

#include "config/schema.h"

static unsigned depth_of(const char *path, const char *end)
{
	unsigned depth = 0;

	for (; path < end; path++)
		depth += *path == '.';
	return depth;
}

/* The sections of this key that the key before it was not in. */
static void print_sections(const char *path, const char *before, FILE *stream)
{
	const char *word = path;

	for (const char *dot = strchr(path, '.'); dot; word = dot + 1, dot = strchr(word, '.')) {
		if (!strncmp(before, path, (size_t)(dot - path) + 1))
			continue;
		unsigned depth = depth_of(path, dot);
		fprintf(stream, "%s%*s%.*s:\n", depth ? "" : "\n", 2 * (int)depth, "",
			(int)(dot - word), word);
	}
}

/* Sentences in comments of at most COLUMNS. */
static void print_help(const struct schema_key *key, int indent, FILE *stream)
{
	enum { COLUMNS = 96 };
	char text[512];
	int column = COLUMNS;

	snprintf(text, sizeof(text), "%s", key->help);
	if (key->type == SCHEMA_NUMBER || key->type == SCHEMA_NUMBER_LIST)
		snprintf(text, sizeof(text), "%s %u to %u.", key->help, key->minimum, key->maximum);
	for (char *rest = text, *word; (word = strsep(&rest, " "));) {
		if (column + 1 + (int)strlen(word) > COLUMNS)
			column = fprintf(stream, "%s%*s#", word == text ? "" : "\n", indent, "");
		column += fprintf(stream, " %s", word);
	}
	fputc('\n', stream);
}

static void print_default(const struct schema_key *key, FILE *stream)
{
	if (!schema_is_list(key)) {
		fprintf(stream, "%s\n", key->fallback[0] ? key->fallback : "\"\"");
		return;
	}
	fputc('[', stream);
	for (const char *c = key->fallback; *c; c++)
		fputs(*c == ' ' ? ", " : (char[]){*c, '\0'}, stream);
	fputs("]\n", stream);
}

void config_print_sample(FILE *stream)
{
	const char *before = "";

	fputs("# podfence.yaml: every key with its default. A key that is commented out shows an\n"
	      "# example. podfenced --check --config FILE says what is wrong with a file.\n",
	      stream);
	for (size_t i = 0; i < schema_length; i++) {
		const struct schema_key *key = &schema[i];
		const char *word = strrchr(key->path, '.') + 1;
		int indent = 2 * (int)depth_of(key->path, word);
		print_sections(key->path, before, stream);
		print_help(key, indent, stream);
		fprintf(stream, "%*s%s%s: ", indent, "", key->example ? "#" : "", word);
		if (key->example)
			fprintf(stream, "%s\n", key->example);
		else
			print_default(key, stream);
		before = key->path;
	}
}
