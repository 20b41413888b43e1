/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdio.h>

#include <json-c/json.h>

#include "cli/cli.h"

/* Lists for people and for programs: the same items as a table, as one JSON object, or as an object a
 * line. */

enum table_format { TABLE_TABLE, TABLE_WIDE, TABLE_JSON, TABLE_JSONL };

#define TABLE_CELL_MAX 1024

struct table_column {
	const char *title;
	const char *key; /* of the item, with dots between levels; NULL with make */
	bool is_wide;	 /* only with -o wide */
	/* Instead of the value's own text. */
	void (*make)(struct json_object *item, char text[static TABLE_CELL_MAX]);
	/* Of a text: an SGR parameter such as "31"; NULL: none. */
	const char *(*colour)(const char *text);
};

#define TABLE_COLUMNS_MAX 16

struct table {
	const char *kind; /* "EndpointList", for json */
	const struct table_column *columns;
	size_t n_columns; /* at most TABLE_COLUMNS_MAX */
	/* Of what was printed so far: a list that comes in pieces stays in its columns. */
	size_t widths[TABLE_COLUMNS_MAX];
	enum table_format format;
	bool has_titles;
	bool has_colours;
};

/* From -o, --no-headers and the terminal, without columns yet. 0, or 2 after a message. */
PF_MUST_CHECK int table_init(const struct cli *cli, struct table *table);
/* `items`: an array. 0 or -ENOMEM. */
PF_MUST_CHECK int table_print(struct table *table, struct json_object *items, FILE *stream);
/* A value by its path, NULL: not there; and as text without control characters, "-" where there is none. */
struct json_object *table_value(struct json_object *item, const char *path);
void table_text(struct json_object *value, char text[static TABLE_CELL_MAX]);
/* Times to the second, "2026-11-26T10:00:00Z": of microseconds since 1970 (0 is "-"), and of such a text with a
 * fraction. */
void table_usec(struct json_object *item, const char *path, char text[static TABLE_CELL_MAX]);
void table_second(struct json_object *item, const char *path, char text[static TABLE_CELL_MAX]);
/* Colours are for terminals, and for who wants them (no-color.org). */
bool table_wants_colours(FILE *stream);
