/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * libyaml's events on a stack of open values. libyaml (0.2.5) needs quadratic time for deep
 * nesting, so depth is bounded while it is read. */
#include "base/yaml_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/yaml_event.h"

#define DEPTH_MAX 64

struct level {
	struct json_object *value; /* an object or a list */
	char *key;		   /* of an object: its value comes next */
};

struct builder {
	const char *name;
	struct report *report;
	yaml_parser_t parser;
	struct level levels[DEPTH_MAX];
	unsigned depth;
	struct json_object *root;
	size_t line; /* of the document */
};

PF_PRINTF(3, 4)
static int refuse(struct builder *builder, size_t line, const char *format, ...)
{
	char text[256], *place;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (asprintf(&place, "%s:%zu", builder->name, line + 1) < 0)
		return -ENOMEM;
	report_add(builder->report, place, "%s", text);
	free(place);
	return YAML_JSON_E_INVALID;
}

/* A plain scalar by the core schema of YAML 1.2: neither "no" nor 010 is anything but text. */
static int make_plain(const char *text, struct json_object **ret_value)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	const char *digits = text + (text[0] == '-' || text[0] == '+');
	size_t n = strspn(digits, "0123456789");
	char *end;

	*ret_value = NULL;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!strcmp(text, nulls[i]))
			return 0;
	if (!strcmp(text, "true") || !strcmp(text, "false")) {
		*ret_value = json_object_new_boolean(text[0] == 't');
	} else if (n && n < 19 && !digits[n] && (n == 1 || digits[0] != '0')) {
		*ret_value = json_object_new_int64(strtoimax(text, NULL, 10));
	} else if (n && strspn(digits, "0123456789.eE+-") == strlen(digits) &&
		   (strtod(text, &end), !*end) && (digits[0] != '0' || n == 1)) {
		*ret_value = json_object_new_double_s(strtod(text, NULL), text);
	} else {
		*ret_value = json_object_new_string(text);
	}
	return *ret_value ? 0 : -ENOMEM;
}

/* Puts a finished or just opened value where it belongs; takes it over. */
static int place_value(struct builder *builder, struct json_object *value)
{
	struct level *level = builder->depth ? &builder->levels[builder->depth - 1] : NULL;
	int r;

	if (!level) {
		builder->root = value;
		return 0;
	}
	if (json_object_is_type(level->value, json_type_array)) {
		r = json_object_array_add(level->value, value);
	} else {
		r = json_object_object_add(level->value, level->key, value);
		free(level->key);
		level->key = NULL;
	}
	if (r < 0)
		json_object_put(value);
	return r < 0 ? -ENOMEM : 0;
}

static bool expects_key(const struct builder *builder)
{
	const struct level *level = builder->depth ? &builder->levels[builder->depth - 1] : NULL;

	return level && !level->key && json_object_is_type(level->value, json_type_object);
}

static int take_key(struct builder *builder, const char *text, size_t line)
{
	struct level *level = &builder->levels[builder->depth - 1];

	if (!strcmp(text, "<<"))
		return refuse(builder, line, "merge keys are not allowed");
	if (json_object_object_get_ex(level->value, text, NULL))
		return refuse(builder, line, "\"%.64s\" stands twice", text);
	level->key = strdup(text);
	return level->key ? 0 : -ENOMEM;
}

static int take_scalar(struct builder *builder, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t line = event->start_mark.line;
	struct json_object *value = NULL;

	if (strlen(text) != event->data.scalar.length)
		return refuse(builder, line, "holds a NUL character");
	if (expects_key(builder))
		return take_key(builder, text, line);
	int r = 0;
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		r = make_plain(text, &value);
	else if (!(value = json_object_new_string(text)))
		r = -ENOMEM;
	return r < 0 ? r : place_value(builder, value);
}

static int open_value(struct builder *builder, const yaml_event_t *event)
{
	bool is_object = event->type == YAML_MAPPING_START_EVENT;

	if (expects_key(builder))
		return refuse(builder, event->start_mark.line, "a key has to be a word");
	if (builder->depth == DEPTH_MAX)
		return refuse(builder, event->start_mark.line, "is nested deeper than %d levels",
			      DEPTH_MAX);
	struct json_object *value = is_object ? json_object_new_object() : json_object_new_array();
	if (!value)
		return -ENOMEM;
	int r = place_value(builder, value);
	if (r < 0)
		return r;
	builder->levels[builder->depth++] = (struct level){.value = value};
	return 0;
}

static void reset(struct builder *builder)
{
	for (unsigned i = 0; i < builder->depth; i++)
		free(builder->levels[i].key);
	builder->depth = 0;
	json_object_put(builder->root);
	builder->root = NULL;
}

static int take_event(struct builder *builder, const yaml_event_t *event, yaml_json_fn document,
		      void *userdata)
{
	int r = 0;

	if (yaml_event_is_decorated(event))
		return refuse(builder, event->start_mark.line,
			      "anchors, aliases and tags are not allowed");
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT: builder->line = event->start_mark.line + 1; return 0;
	case YAML_DOCUMENT_END_EVENT:
		if (builder->root)
			r = document(userdata, builder->root, builder->line);
		reset(builder);
		return r;
	case YAML_SCALAR_EVENT: return take_scalar(builder, event);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT: return open_value(builder, event);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT: builder->depth--; return 0;
	default: return 0;
	}
}

static int say_parser_problem(struct builder *builder)
{
	const yaml_parser_t *parser = &builder->parser;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return refuse(builder, parser->problem_mark.line, "no YAML: %s",
		      parser->problem ? parser->problem : "cannot be understood");
}

static int run(struct builder *builder, yaml_json_fn document, void *userdata)
{
	bool is_over = false;
	int r = 0;

	while (!is_over && r == 0) {
		yaml_event_t event;
		if (!yaml_parser_parse(&builder->parser, &event))
			return say_parser_problem(builder);
		is_over = event.type == YAML_STREAM_END_EVENT;
		r = take_event(builder, &event, document, userdata);
		yaml_event_delete(&event);
	}
	return r;
}

int yaml_json_parse(const char *name, const char *text, size_t length, struct report *report,
		    yaml_json_fn document, void *userdata)
{
	struct builder builder = {.name = name, .report = report};

	if (!yaml_parser_initialize(&builder.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, length);
	yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
	int r = run(&builder, document, userdata);
	reset(&builder);
	yaml_parser_delete(&builder.parser);
	return r;
}
