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

void object_complain(struct object_reader *reader, const char *path, const char *format, ...)
{
	char text[256], *place;
	va_list arguments;

	reader->n_wrong++;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (asprintf(&place, "%s: %s", reader->place, path) < 0) {
		reader->error = -ENOMEM;
		return;
	}
	report_add(reader->report, place, "%s", text);
	free(place);
}

static const char *type_name(enum json_type type)
{
	switch (type) {
	case json_type_object: return "an object";
	case json_type_array: return "a list";
	case json_type_string: return "a text";
	case json_type_boolean: return "true or false";
	case json_type_null: return "null";
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
