/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whether a complaint refuses the object is for the caller, who looks at n_wrong at the end of what
 * has to be right. */
#include "kube/object.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void object_say(struct object_reader *reader, const char *path, const char *format,
		va_list arguments)
{
	char text[256], *place;

	vsnprintf(text, sizeof(text), format, arguments);
	if (asprintf(&place, "%s%s%s", reader->place, path[0] ? ": " : "", path) < 0) {
		reader->error = -ENOMEM;
		return;
	}
	report_add(reader->report, place, "%s", text);
	free(place);
}

void object_complain(struct object_reader *reader, const char *path, const char *format, ...)
{
	va_list arguments;

	reader->n_wrong++;
	va_start(arguments, format);
	object_say(reader, path, format, arguments);
	va_end(arguments);
}

static const char *type_name(enum json_type type)
{
	switch (type) {
	case json_type_object: return "an object";
	case json_type_array: return "a list";
	case json_type_string: return "a text";
	case json_type_boolean: return "true or false";
	case json_type_null: return "null";
	case json_type_double: return "a number with a fraction";
	default: return "a number";
	}
}

struct json_object *object_member(struct object_reader *reader, struct json_object *object,
				  const char *key, enum json_type type, const char *path)
{
	struct json_object *value;

	if (!object || !json_object_object_get_ex(object, key, &value) || !value)
		return NULL;
	if (json_object_is_type(value, type))
		return value;
	object_complain(reader, path, "is %s, not %s", type_name(json_object_get_type(value)),
			type_name(type));
	return NULL;
}

const char *object_find_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

const char *object_peek(struct json_object *object, const char *key)
{
	struct json_object *metadata = NULL, *value;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, "metadata", &metadata);
	if (!json_object_is_type(metadata, json_type_object) ||
	    !json_object_object_get_ex(metadata, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static char *place_new(struct json_object *object, const char *place)
{
	const char *namespace = object_peek(object, "namespace"),
		   *name = object_peek(object, "name");
	char *whole;
	int n;

	if (!name)
		return strdup(place);
	if (namespace)
		n = asprintf(&whole, "%s (%.63s/%.253s)", place, namespace, name);
	else
		n = asprintf(&whole, "%s (%.253s)", place, name);
	return n < 0 ? NULL : whole;
}

int object_reader_init(struct object_reader *reader, struct json_object *object, const char *place,
		       const char *kind, struct report *report, struct json_object **ret_metadata)
{
	*reader = (struct object_reader){place_new(object, place), report};
	if (!reader->place)
		return -ENOMEM;
	if (!json_object_is_type(object, json_type_object)) {
		report_add(report, reader->place, "is no object");
		return 1;
	}
	const char *said = object_text(reader, object, "kind", "kind");
	if (said[0] && strcmp(said, kind) != 0)
		object_complain(reader, "kind", "is \"%.64s\", not %s", said, kind);
	*ret_metadata = object_member(reader, object, "metadata", json_type_object, "metadata");
	if (!*ret_metadata && !reader->n_wrong)
		object_complain(reader, "metadata", "missing");
	return reader->n_wrong > 0;
}

void object_reader_done(struct object_reader *reader)
{
	free(reader->place);
}

const char *object_text(struct object_reader *reader, struct json_object *object, const char *key,
			const char *path)
{
	struct json_object *value = object_member(reader, object, key, json_type_string, path);

	if (!value)
		return "";
	const char *text = json_object_get_string(value);
	if (strlen(text) == (size_t)json_object_get_string_len(value))
		return text;
	object_complain(reader, path, "holds a NUL byte");
	return "";
}

char *object_copy(struct object_reader *reader, const char *text, size_t length)
{
	char *copy = strndup(text, length);

	if (!copy)
		reader->error = -ENOMEM;
	return copy;
}
