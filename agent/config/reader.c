/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From YAML events to struct config, led by the schema. libyaml's events keep their line, so every
 * message has its place, and everything that is wrong with a file is said at once; only what is no
 * YAML, too deep or a second document ends the reading.
 *
 * A small part of YAML: one document of mappings, lists and scalars. Anchors, aliases and tags are
 * refused: nobody needs them here, and an alias can make a small file large. A section or list
 * without value is as if it were not there (all below it may be commented out); a scalar without
 * value is a mistake. libyaml (0.2.5) needs quadratic time for deep nesting, so depth is bounded
 * here.
 *
 * Each mapping that a table describes is read in a frame of its own: the document, and each item of a list of
 * objects inside it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/yaml_event.h"
#include "config/config.h"
#include "config/schema.h"

#define DEPTH_MAX      16
#define SECTIONS_MAX   16
#define KEY_PATH_MAX   (2 * SCHEMA_PATH_MAX) /* one beside the schema is named by its beginning */
#define FRAME_NAME_MAX 256

struct frame {
	const struct schema_table *table;
	void *object;
	char name[FRAME_NAME_MAX]; /* of an item, "units[1]"; "" for the document */
	size_t line;
	size_t lines[SCHEMA_MAX]; /* where a key stands, by its place in the table; 0: nowhere */
	struct {
		char path[SCHEMA_PATH_MAX];
		size_t line;
	} sections[SECTIONS_MAX];
	size_t n_sections;
};

struct reader {
	const char *name;
	const char *text;
	size_t length;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	unsigned depth;
	struct report *report;
	struct frame *frame;
	bool is_refused;
	int error; /* negative errno, or CONFIG_E_INVALID where the rest cannot be read */
};

/* "FILE:LINE: KEY" or "FILE:LINE"; NULL after recording that there is no memory. */
static char *place_new(struct reader *reader, size_t line, const char *path)
{
	const char *name = reader->frame->name;
	char *place;

	if (asprintf(&place, "%s:%zu%s%s%s%s", reader->name, line, name[0] || path[0] ? ": " : "",
		     name, name[0] && path[0] ? "." : "", path) >= 0)
		return place;
	reader->error = -ENOMEM;
	return NULL;
}

PF_PRINTF(4, 5)
static void say(struct reader *reader, size_t line, const char *path, const char *format, ...)
{
	char *place = place_new(reader, line, path);
	char text[256];
	va_list arguments;

	reader->is_refused = true;
	if (!place)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_add(reader->report, place, "%s", text);
	free(place);
}

static size_t event_line(const struct reader *reader)
{
	return reader->event.start_mark.line + 1;
}

/* libyaml knows the line of a mistake in YAML, but only the offset of one in the bytes. */
static void say_parser_problem(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem ? parser->problem : "cannot be understood";
	size_t line = parser->problem_mark.line + 1;

	if (parser->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < parser->problem_offset && i < reader->length; i++)
			line += reader->text[i] == '\n';
	}
	if (parser->context)
		say(reader, line, "", "no YAML: %s %s", parser->context, problem);
	else
		say(reader, line, "", "no YAML: %s", problem);
}

static void check_event(struct reader *reader)
{
	switch (reader->event.type) {
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT: reader->depth++; break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT: reader->depth--; break;
	default: break;
	}
	if (yaml_event_is_decorated(&reader->event))
		say(reader, event_line(reader), "", "anchors, aliases and tags are not allowed");
	if (reader->depth > DEPTH_MAX) {
		say(reader, event_line(reader), "", "is nested deeper than %u levels", DEPTH_MAX);
		reader->error = CONFIG_E_INVALID;
	}
}

/* The next event, or false where there is none: reader->error is set then. */
static bool next(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
	if (reader->error)
		return false;
	if (!yaml_parser_parse(&reader->parser, &reader->event)) {
		reader->error = CONFIG_E_INVALID;
		if (reader->parser.error == YAML_MEMORY_ERROR)
			reader->error = -ENOMEM;
		else
			say_parser_problem(reader);
		return false;
	}
	reader->has_event = true;
	check_event(reader);
	return !reader->error;
}

/* Passes over the value that the current event begins. */
static void skip(struct reader *reader)
{
	unsigned depth = 0;

	do {
		switch (reader->event.type) {
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT: depth++; break;
		case YAML_MAPPING_END_EVENT:
		case YAML_SEQUENCE_END_EVENT: depth--; break;
		default: break;
		}
	} while (depth && next(reader));
}

/* Says what stands there instead of what should, and passes over it. */
static void refuse_value(struct reader *reader, const char *path, const char *wanted)
{
	if (reader->event.type == YAML_ALIAS_EVENT)
		return; /* said already */
	say(reader, event_line(reader), path, "is %s, not %s",
	    reader->event.type == YAML_MAPPING_START_EVENT    ? "a mapping"
	    : reader->event.type == YAML_SEQUENCE_START_EVENT ? "a list"
							      : "one value",
	    wanted);
	skip(reader);
}

static bool is_scalar(const struct reader *reader)
{
	return reader->event.type == YAML_SCALAR_EVENT;
}

/* Nothing, ~ or null without quotes. */
static bool is_null(const struct reader *reader)
{
	if (!is_scalar(reader) || reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	const char *text = (const char *)reader->event.data.scalar.value;
	return !text[0] || !strcmp(text, "~") || !strcmp(text, "null");
}

/* The scalar's text; NULL with a message where it holds a NUL byte ("\0" in double quotes). */
static const char *scalar(struct reader *reader, const char *path)
{
	const char *text = (const char *)reader->event.data.scalar.value;

	if (strlen(text) == reader->event.data.scalar.length)
		return text;
	say(reader, event_line(reader), path, "holds a NUL byte");
	return NULL;
}

static void store(struct reader *reader, const struct schema_key *key, const char *path)
{
	if (!is_scalar(reader)) {
		refuse_value(reader, path, "one value");
		return;
	}
	if (is_null(reader)) {
		say(reader, event_line(reader), path, "has no value");
		return;
	}
	const char *text = scalar(reader, path);
	char *place = text ? place_new(reader, event_line(reader), path) : NULL;
	if (!place)
		return;
	const struct schema_value value = {
		place, text, reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE};
	int r = schema_store(key, &value, reader->frame->object, reader->report);
	free(place);
	if (r == CONFIG_E_INVALID)
		reader->is_refused = true;
	else if (r < 0)
		reader->error = r;
}

static void read_mapping(struct reader *reader, const char *prefix);

/* What an item must say, and what no other one may say too. */
static void check_item(struct reader *reader, const struct frame *outer,
		       const struct schema_key *list)
{
	const struct frame *frame = reader->frame;

	for (size_t i = 0; i < frame->table->n_keys; i++) {
		const struct schema_key *key = &frame->table->keys[i];
		if (key->is_required && !frame->lines[i])
			say(reader, frame->line, "", "has no %s", key->path);
		if (key->is_unique && frame->lines[i] &&
		    object_list_has_twin(list, outer->object, key))
			say(reader, frame->lines[i], key->path,
			    "is what another one of %s says too", list->path);
	}
}

static void read_item(struct reader *reader, const struct schema_key *key, const char *path)
{
	struct frame *outer = reader->frame,
		     frame = {.table = key->items, .line = event_line(reader)};

	if (reader->event.type != YAML_MAPPING_START_EVENT) {
		refuse_value(reader, path, "a mapping");
		return;
	}
	snprintf(frame.name, sizeof(frame.name), "%.128s%s%s", outer->name,
		 outer->name[0] ? "." : "", path);
	frame.object = object_list_grow(key, outer->object);
	reader->error = frame.object ? object_defaults(frame.table, frame.object) : -ENOMEM;
	reader->frame = &frame;
	read_mapping(reader, "");
	if (!reader->error)
		check_item(reader, outer, key);
	reader->frame = outer;
}

static void read_list_item(struct reader *reader, const struct schema_key *key, size_t i)
{
	size_t maximum = schema_items_max(key);
	char path[SCHEMA_PATH_MAX + 24];

	snprintf(path, sizeof(path), "%s[%zu]", key->path, i);
	if (i == maximum)
		say(reader, event_line(reader), path, "is too much: at most %zu", maximum);
	if (i >= maximum)
		skip(reader);
	else if (key->type == SCHEMA_OBJECT_LIST)
		read_item(reader, key, path);
	else
		store(reader, key, path);
}

static void read_list(struct reader *reader, const struct schema_key *key)
{
	size_t n = 0, line = event_line(reader);

	if (is_null(reader)) {
		if (key->is_required)
			say(reader, line, key->path, "is empty");
		return;
	}
	if (reader->event.type != YAML_SEQUENCE_START_EVENT) {
		refuse_value(reader, key->path, "a list");
		return;
	}
	object_list_clear(key, reader->frame->object);
	for (; next(reader) && reader->event.type != YAML_SEQUENCE_END_EVENT; n++)
		read_list_item(reader, key, n);
	if (key->is_required && !n && !reader->error)
		say(reader, line, key->path, "is empty");
}

static void read_value(struct reader *reader, const struct schema_key *key, size_t line)
{
	size_t *first = &reader->frame->lines[key - reader->frame->table->keys];

	if (*first) {
		say(reader, line, key->path, "stands twice, first in line %zu", *first);
		skip(reader);
		return;
	}
	*first = line;
	if (schema_is_list(key))
		read_list(reader, key);
	else
		store(reader, key, key->path);
}

/* A full report names nothing more, so nothing is looked for: that would take long. */
static void say_unknown(struct reader *reader, size_t line, const char *path)
{
	const struct frame *frame = reader->frame;
	char nearest[SCHEMA_PATH_MAX];

	if (!reader->report->n_left_out && schema_nearest(frame->table, path, nearest))
		say(reader, line, path, "no such key; did you mean %s%s%s?", frame->name,
		    frame->name[0] ? "." : "", nearest);
	else
		say(reader, line, path, "no such key");
}

static void read_section(struct reader *reader, const char *path, size_t line)
{
	struct frame *frame = reader->frame;

	for (size_t i = 0; i < frame->n_sections; i++) {
		if (strcmp(frame->sections[i].path, path) != 0)
			continue;
		say(reader, line, path, "stands twice, first in line %zu", frame->sections[i].line);
		skip(reader);
		return;
	}
	if (frame->n_sections < SECTIONS_MAX) {
		snprintf(frame->sections[frame->n_sections].path, SCHEMA_PATH_MAX, "%.63s", path);
		frame->sections[frame->n_sections++].line = line;
	}
	if (reader->event.type == YAML_MAPPING_START_EVENT)
		read_mapping(reader, path);
	else if (!is_null(reader))
		refuse_value(reader, path, "a mapping");
}

/* The key of the current event and its value. Sections and lists of objects are at most as deep as the
 * schema's: an unknown one is passed over, so the recursion is bounded. */
static void read_entry(struct reader *reader, const char *prefix)
{
	size_t line = event_line(reader);
	char path[KEY_PATH_MAX];

	if (!is_scalar(reader)) {
		refuse_value(reader, prefix, "a key");
		if (next(reader))
			skip(reader);
		return;
	}
	const char *word = scalar(reader, prefix);
	bool is_nested = word && !strchr(word, '.');
	snprintf(path, sizeof(path), "%s%s%.60s", prefix, prefix[0] ? "." : "", word ? word : "");
	const struct schema_key *key = is_nested ? schema_find(reader->frame->table, path) : NULL;
	bool is_section = is_nested && schema_is_section(reader->frame->table, path);
	if (!next(reader))
		return;
	if (key) {
		read_value(reader, key, line);
	} else if (is_section) {
		read_section(reader, path, line);
	} else {
		if (is_nested)
			say_unknown(reader, line, path);
		else if (word)
			say(reader, line, path, "no such key; keys are nested, not joined by dots");
		skip(reader);
	}
}

static void read_mapping(struct reader *reader, const char *prefix)
{
	while (next(reader) && reader->event.type != YAML_MAPPING_END_EVENT)
		read_entry(reader, prefix);
}

static void read_document(struct reader *reader)
{
	if (!next(reader) || !next(reader)) /* stream start */
		return;
	if (reader->event.type == YAML_STREAM_END_EVENT)
		return;
	if (!next(reader)) /* document start */
		return;
	if (reader->event.type == YAML_MAPPING_START_EVENT)
		read_mapping(reader, "");
	else if (!is_null(reader))
		refuse_value(reader, "", "a mapping of keys");
	if (!next(reader) || !next(reader)) /* document end */
		return;
	if (reader->event.type != YAML_STREAM_END_EVENT)
		say(reader, event_line(reader), "", "a second document begins");
}

int config_fill(const char *name, const char *text, size_t length, struct report *report,
		struct config *config)
{
	struct frame frame = {.table = &config_schema, .object = config};
	struct reader reader = {
		.name = name, .text = text, .length = length, .report = report, .frame = &frame};

	if (!yaml_parser_initialize(&reader.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	read_document(&reader);
	if (reader.has_event)
		yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	if (!reader.error && !reader.is_refused)
		object_inherit(frame.table, config, config);
	return reader.error ? reader.error : reader.is_refused ? CONFIG_E_INVALID : 0;
}
