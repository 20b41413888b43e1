/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Columns are as wide as their widest cell, two blanks apart, the last one not padded. A cell holds foreign
 * text (names, reasons, process arguments): control characters and what is not UTF-8 never reach a
 * terminal. */
#include "cli/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/json.h"

static const char *const formats[] = {
	[TABLE_TABLE] = "table",
	[TABLE_WIDE] = "wide",
	[TABLE_JSON] = "json",
	[TABLE_JSONL] = "jsonl",
};

bool table_wants_colours(FILE *stream)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(fileno(stream)) && !(no && no[0]) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

int table_init(const struct cli *cli, struct table *table)
{
	const char *format = cli_value(cli, "output");

	*table = (struct table){
		.format = TABLE_TABLE,
		.has_titles = !cli_has(cli, "no-headers"),
		.has_colours = table_wants_colours(stdout),
	};
	if (!format)
		return 0;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i], format)) {
			table->format = (enum table_format)i;
			return 0;
		}
	return cli_fail(2, "-o %s: one of table, wide, json, jsonl", format);
}

struct json_object *table_value(struct json_object *item, const char *path)
{
	char copy[128];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *rest = copy, *word; item && (word = strsep(&rest, "."));)
		if (!json_object_object_get_ex(item, word, &item))
			return NULL;
	return item;
}

/* Appends as much as fits, in whole characters. */
static void append(char text[static TABLE_CELL_MAX], const char *more)
{
	size_t n = strlen(text), length = strlen(more), room = TABLE_CELL_MAX - 1 - n;

	if (length > room)
		for (length = room; length && ((unsigned char)more[length] & 0xc0) == 0x80;)
			length--;
	for (size_t i = 0; i < length; i++)
		text[n + i] = (unsigned char)more[i] < ' ' || more[i] == 0x7f ? '?' : more[i];
	text[n + length] = '\0';
}

static void append_value(struct json_object *value, char text[static TABLE_CELL_MAX])
{
	size_t n = 0;

	switch (json_object_get_type(value)) {
	case json_type_null: break;
	case json_type_boolean: append(text, json_object_get_boolean(value) ? "yes" : "no"); break;
	case json_type_array:
		for (; n < json_object_array_length(value); n++) {
			if (n)
				append(text, ",");
			append_value(json_object_array_get_idx(value, n), text);
		}
		break;
	case json_type_object: {
		json_object_object_foreach(value, key, member)
		{
			if (n++)
				append(text, ",");
			append(text, key);
			append(text, "=");
			append_value(member, text);
		}
		break;
	}
	default: append(text, json_object_get_string(value));
	}
}

/* JSON's writer makes anything valid UTF-8; C1 controls are left, and a terminal may obey them. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
		    (unsigned char)text[1] < 0xa0)
			text[0] = text[1] = '?';
}

void table_text(struct json_object *value, char text[static TABLE_CELL_MAX])
{
	text[0] = '\0';
	append_value(value, text);
	clean(text);
	if (!text[0])
		strcpy(text, "-");
}

void table_usec(struct json_object *item, const char *path, char text[static TABLE_CELL_MAX])
{
	uint64_t usec = json_object_get_uint64(table_value(item, path));
	time_t seconds = (time_t)(usec / 1000000);
	struct tm calendar;

	if (!usec || !gmtime_r(&seconds, &calendar) ||
	    !strftime(text, TABLE_CELL_MAX, "%Y-%m-%dT%H:%M:%SZ", &calendar))
		strcpy(text, "-");
}

void table_second(struct json_object *item, const char *path, char text[static TABLE_CELL_MAX])
{
	table_text(table_value(item, path), text);
	char *fraction = strchr(text, '.');
	if (fraction)
		strcpy(fraction, "Z");
}

/* Characters, as far as that can be known of a terminal. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void cell_make(const struct table_column *column, struct json_object *item,
		      char text[static TABLE_CELL_MAX])
{
	if (column->make)
		column->make(item, text);
	else
		table_text(table_value(item, column->key), text);
}

static bool is_shown(const struct table *table, const struct table_column *column)
{
	return !column->is_wide || table->format == TABLE_WIDE;
}

static void print_cell(const char *colour, const char *text, size_t width, FILE *stream)
{
	size_t own = width_of(text);

	if (colour)
		fprintf(stream, "\033[%sm%s\033[0m", colour, text);
	else
		fputs(text, stream);
	for (size_t i = own; i < width; i++)
		fputc(' ', stream);
}

static void print_row(const struct table *table, struct json_object *item, FILE *stream)
{
	char text[TABLE_CELL_MAX];
	size_t last = table->n_columns;

	for (size_t i = 0; i < table->n_columns; i++)
		if (is_shown(table, &table->columns[i]))
			last = i;
	for (size_t i = 0; i < table->n_columns; i++) {
		const struct table_column *column = &table->columns[i];
		const char *colour = NULL;
		if (!is_shown(table, column))
			continue;
		if (item)
			cell_make(column, item, text);
		else
			snprintf(text, sizeof(text), "%s", column->title);
		if (item && table->has_colours && column->colour)
			colour = column->colour(text);
		print_cell(colour, text, i == last ? 0 : table->widths[i] + 2, stream);
	}
	fputc('\n', stream);
}

static void widen(size_t *width, const char *text)
{
	size_t own = width_of(text);

	if (own > *width)
		*width = own;
}

static int print_table(struct table *table, struct json_object *items, FILE *stream)
{
	size_t n = json_object_array_length(items);
	char text[TABLE_CELL_MAX];

	for (size_t i = 0; i < table->n_columns; i++) {
		if (table->has_titles)
			widen(&table->widths[i], table->columns[i].title);
		for (size_t k = 0; k < n; k++) {
			cell_make(&table->columns[i], json_object_array_get_idx(items, k), text);
			widen(&table->widths[i], text);
		}
	}
	if (table->has_titles)
		print_row(table, NULL, stream);
	for (size_t k = 0; k < n; k++)
		print_row(table, json_object_array_get_idx(items, k), stream);
	return 0;
}

static const char *json_text(struct json_object *value)
{
	return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE);
}

static int print_json(const struct table *table, struct json_object *items, FILE *stream)
{
	size_t n = json_object_array_length(items);

	fprintf(stream, "{\"apiVersion\":\"podfence.io/v1\",\"kind\":\"%s\",\"items\":[",
		table->kind);
	for (size_t i = 0; i < n; i++)
		fprintf(stream, "%s\n%s", i ? "," : "",
			json_text(json_object_array_get_idx(items, i)));
	fputs("\n]}\n", stream);
	return 0;
}

static int print_lines(struct json_object *items, FILE *stream)
{
	size_t n = json_object_array_length(items);

	for (size_t i = 0; i < n; i++)
		fprintf(stream, "%s\n", json_text(json_object_array_get_idx(items, i)));
	return 0;
}

int table_print(struct table *table, struct json_object *items, FILE *stream)
{
	switch (table->format) {
	case TABLE_JSON: return print_json(table, items, stream);
	case TABLE_JSONL: return print_lines(items, stream);
	default: return print_table(table, items, stream);
	}
}
