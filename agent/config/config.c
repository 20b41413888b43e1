/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From YAML events to struct config, led by the schema. libyaml's events keep their line, so every
 * message has its place, and all that is wrong with a file is said at once.
 *
 * A small part of YAML: one document of mappings, lists and scalars. Anchors, aliases and tags are
 * refused: nobody needs them here, and an alias can make a small file large. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "config/schema.h"

#define FILE_MAX      (1u << 20)
#define PATH_MAX_TEXT 160

struct reader {
	const char *name;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	struct report *report;
	struct config *config;
	bool seen[64]; /* by place in the schema */
	bool is_refused;
	int error; /* negative errno, or CONFIG_E_INVALID where the rest cannot be read */
};

static void say(struct reader *reader, size_t line, const char *path, const char *text)
{
	char place[PATH_MAX_TEXT + 128];

	snprintf(place, sizeof(place), path[0] ? "%s:%zu: %.*s" : "%s:%zu", reader->name, line,
		 PATH_MAX_TEXT, path);
	report_add(reader->report, place, "%s", text);
	reader->is_refused = true;
}

static size_t event_line(const struct reader *reader)
{
	return reader->event.start_mark.line + 1;
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
		if (reader->parser.error == YAML_MEMORY_ERROR) {
			reader->error = -ENOMEM;
			return false;
		}
		say(reader, reader->parser.problem_mark.line + 1, "",
		    reader->parser.problem ? reader->parser.problem : "this is no YAML");
		reader->error = CONFIG_E_INVALID;
		return false;
	}
	reader->has_event = true;
	const yaml_event_t *event = &reader->event;
	bool is_odd = event->type == YAML_ALIAS_EVENT ||
		      (event->type == YAML_SCALAR_EVENT &&
		       (event->data.scalar.anchor || event->data.scalar.tag)) ||
		      (event->type == YAML_MAPPING_START_EVENT &&
		       (event->data.mapping_start.anchor || event->data.mapping_start.tag)) ||
		      (event->type == YAML_SEQUENCE_START_EVENT &&
		       (event->data.sequence_start.anchor || event->data.sequence_start.tag));
	if (is_odd) {
		say(reader, event_line(reader), "", "anchors, aliases and tags are not understood");
		reader->error = CONFIG_E_INVALID;
	}
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

/* The scalar's text; NULL with a message where it holds a NUL byte. */
static const char *scalar(struct reader *reader, const char *path)
{
	const char *text = (const char *)reader->event.data.scalar.value;

	if (strlen(text) == reader->event.data.scalar.length)
		return text;
	say(reader, event_line(reader), path, "holds a NUL byte");
	return NULL;
}

static bool scalar_is_null(const struct reader *reader)
{
	const char *text = (const char *)reader->event.data.scalar.value;

	return reader->event.data.scalar.plain_implicit &&
	       (!text[0] || !strcmp(text, "~") || !strcmp(text, "null"));
}

static void store(struct reader *reader, const struct schema_key *key, const char *path)
{
	const char *text = scalar(reader, path);
	char place[PATH_MAX_TEXT + 128];

	if (!text)
		return;
	snprintf(place, sizeof(place), "%s:%zu: %s", reader->name, event_line(reader), path);
	int r = schema_store(key, text, reader->config, place, reader->report);
	if (r == CONFIG_E_INVALID)
		reader->is_refused = true;
	else if (r < 0)
		reader->error = r;
}

static void read_list(struct reader *reader, const struct schema_key *key)
{
	char path[PATH_MAX_TEXT];

	schema_list_clear(key, reader->config);
	if (reader->event.type == YAML_SCALAR_EVENT && scalar_is_null(reader))
		return;
	if (reader->event.type != YAML_SEQUENCE_START_EVENT) {
		say(reader, event_line(reader), key->path, "must be a list");
		skip(reader);
		return;
	}
	for (size_t i = 0; next(reader) && reader->event.type != YAML_SEQUENCE_END_EVENT; i++) {
		snprintf(path, sizeof(path), "%s[%zu]", key->path, i);
		if (reader->event.type != YAML_SCALAR_EVENT) {
			say(reader, event_line(reader), path, "must be one value");
			skip(reader);
		} else if (key->type != SCHEMA_NUMBER_LIST && i >= key->maximum) {
			say(reader, event_line(reader), path, "is one too many");
		} else {
			store(reader, key, path);
		}
	}
}

static void read_value(struct reader *reader, const struct schema_key *key)
{
	bool *seen = &reader->seen[key - schema];

	if (*seen) {
		say(reader, event_line(reader), key->path, "stands twice");
		skip(reader);
		return;
	}
	*seen = true;
	if (schema_is_list(key)) {
		read_list(reader, key);
	} else if (reader->event.type != YAML_SCALAR_EVENT) {
		say(reader, event_line(reader), key->path, "must be one value");
		skip(reader);
	} else if (!scalar_is_null(reader) || key->type == SCHEMA_STRING ||
		   key->type == SCHEMA_PATH) {
		store(reader, key, key->path);
	}
}

static void say_unknown(struct reader *reader, size_t line, const char *path)
{
	char text[256] = "is no known key";
	const char *nearest = schema_nearest(path);

	if (nearest)
		snprintf(text, sizeof(text), "is no known key; did you mean %s?", nearest);
	say(reader, line, path, text);
}

static void read_mapping(struct reader *reader, const char *prefix);

static void read_entry(struct reader *reader, const char *path, size_t line)
{
	const struct schema_key *key = schema_find(path);

	if (key) {
		read_value(reader, key);
	} else if (!schema_is_section(path)) {
		say_unknown(reader, line, path);
		skip(reader);
	} else if (reader->event.type == YAML_MAPPING_START_EVENT) {
		read_mapping(reader, path);
	} else if (reader->event.type != YAML_SCALAR_EVENT || !scalar_is_null(reader)) {
		say(reader, event_line(reader), path, "must hold keys");
		skip(reader);
	}
}

/* Sections are at most three deep: an unknown one is passed over, so this does not recurse further.
 */
static void read_mapping(struct reader *reader, const char *prefix)
{
	char path[PATH_MAX_TEXT];
	char sections[16][64];
	size_t n_sections = 0;

	while (next(reader) && reader->event.type != YAML_MAPPING_END_EVENT) {
		size_t line = event_line(reader);
		if (reader->event.type != YAML_SCALAR_EVENT) {
			say(reader, line, prefix, "has a key that is no word");
			skip(reader);
			if (next(reader))
				skip(reader);
			continue;
		}
		const char *word = scalar(reader, prefix);
		snprintf(path, sizeof(path), "%s%s%.64s", prefix, prefix[0] ? "." : "",
			 word ? word : "");
		if (!next(reader))
			return;
		bool is_twice = false;
		if (schema_is_section(path)) {
			for (size_t i = 0; i < n_sections; i++)
				is_twice |= !strcmp(sections[i], path);
			if (!is_twice && n_sections < 16)
				snprintf(sections[n_sections++], sizeof(sections[0]), "%.63s",
					 path);
		}
		if (is_twice) {
			say(reader, line, path, "stands twice");
			skip(reader);
		} else {
			read_entry(reader, path, line);
		}
	}
}

static void read_document(struct reader *reader)
{
	if (!next(reader) || !next(reader)) /* stream start */
		return;
	if (reader->event.type == YAML_STREAM_END_EVENT)
		return;
	if (!next(reader)) /* document start */
		return;
	if (reader->event.type == YAML_MAPPING_START_EVENT) {
		read_mapping(reader, "");
	} else if (reader->event.type != YAML_SCALAR_EVENT || !scalar_is_null(reader)) {
		say(reader, event_line(reader), "", "the file must hold keys");
		skip(reader);
	}
	if (!next(reader) || !next(reader)) /* document end */
		return;
	if (reader->event.type != YAML_STREAM_END_EVENT)
		say(reader, event_line(reader), "", "there is a second document");
}

int config_parse(const char *name, const char *text, size_t length, struct report *report,
		 struct config **ret_config)
{
	struct reader reader = {.name = name, .report = report};

	if (length > FILE_MAX) {
		report_add(report, name, "is larger than 1 MiB");
		return CONFIG_E_INVALID;
	}
	reader.config = calloc(1, sizeof(*reader.config));
	if (!reader.config || !yaml_parser_initialize(&reader.parser)) {
		free(reader.config);
		return -ENOMEM;
	}
	reader.error = schema_defaults(reader.config);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	read_document(&reader);
	if (reader.has_event)
		yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	if (reader.error || reader.is_refused) {
		config_free(reader.config);
		return reader.error < 0 ? reader.error : CONFIG_E_INVALID;
	}
	*ret_config = reader.config;
	return 0;
}

/* At most one byte more than is allowed, so that a file that grows while it is read stays bounded.
 */
static int file_read(const char *path, char **ret_text, size_t *ret_length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	size_t length = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	char *text = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? malloc(FILE_MAX + 2)
									: NULL;
	int r = text ? 0 : S_ISREG(status.st_mode) ? -ENOMEM : -EINVAL;
	while (!r && length <= FILE_MAX && (n = read(fd, text + length, FILE_MAX + 1 - length)) > 0)
		length += (size_t)n;
	if (!r && n < 0)
		r = -errno;
	close(fd);
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_text = text;
	*ret_length = length;
	return 0;
}

int config_read(const char *path, struct report *report, struct config **ret_config)
{
	char *text = NULL;
	size_t length = 0;
	int r = file_read(path, &text, &length);

	if (r < 0) {
		report_add(report, path, "%s", r == -EINVAL ? "is no regular file" : strerror(-r));
		return r;
	}
	r = config_parse(path, text, length, report, ret_config);
	free(text);
	return r;
}
