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
static void print_sections(const char *path, const char *before, int indent, const char *sign,
			   FILE *stream)
{
	const char *word = path;

	for (const char *dot = strchr(path, '.'); dot; word = dot + 1, dot = strchr(word, '.')) {
		if (!strncmp(before, path, (size_t)(dot - path) + 1))
			continue;
		int column = indent + 2 * (int)depth_of(path, dot);
		fprintf(stream, "%s%*s%s%.*s:\n", column ? "" : "\n", column, "", sign,
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
		const char *fallback = schema_fallback(key);
		fprintf(stream, "%s\n", fallback[0] ? fallback : "\"\"");
		return;
	}
	fputc('[', stream);
	for (const char *c = key->fallback; *c; c++)
		fputs(*c == ' ' ? ", " : (char[]){*c, '\0'}, stream);
	fputs("]\n", stream);
}

static void print_keys(const struct schema_table *table, int indent, bool is_item, FILE *stream);

static void print_key(const struct schema_key *key, int indent, const char *sign, FILE *stream)
{
	const char *dot = strrchr(key->path, '.'), *word = dot ? dot + 1 : key->path;

	fprintf(stream, "%*s%s%s:", indent, "", sign, word);
	if (key->type == SCHEMA_OBJECT_LIST) {
		fputc('\n', stream);
		print_keys(key->items, indent + 2, true, stream);
		return;
	}
	fputc(' ', stream);
	if (key->example)
		fprintf(stream, "%s\n", key->example);
	else
		print_default(key, stream);
}

/* Of a list of objects one item is shown, commented: its first key comes after a dash. */
static void print_keys(const struct schema_table *table, int indent, bool is_item, FILE *stream)
{
	const char *before = "";

	for (size_t i = 0; i < table->n_keys; i++) {
		const struct schema_key *key = &table->keys[i];
		int depth = (int)depth_of(key->path, key->path + strlen(key->path));
		int column = indent + 2 * depth + (is_item && i ? 2 : 0);
		bool is_shown = is_item || key->example || key->type == SCHEMA_OBJECT_LIST;
		print_sections(key->path, before, column - 2 * depth, is_item ? "#" : "", stream);
		if (!is_item && !depth)
			fputc('\n', stream);
		print_help(key, column, stream);
		print_key(key, column, is_item && !i ? "#- " : is_shown ? "#" : "", stream);
		before = key->path;
	}
}

void config_print_sample(FILE *stream)
{
	fputs("# podfence.yaml: every key with its default. A key that is commented out shows an\n"
	      "# example. podfenced --check --config FILE says what is wrong with a file.\n",
	      stream);
	print_keys(&config_schema, 0, false, stream);
}
