/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"

/* Looking into a json-c tree that somebody else made: a member that has another type than it should
 * is named in the report and then as good as absent, and so is a text with a NUL byte in it. */
struct object_reader {
	char *place; /* of the object, "pods.json: items[3] (default/web-1)" */
	struct report *report;
	unsigned n_wrong; /* complaints so far */
	int error;	  /* -ENOMEM once memory was short */
};

/* For an object of this kind; its place names the object where it has a name. 0; 1 after a complaint
 * that it is no such object, then it is not to be looked into; -ENOMEM. To be done in any case. */
PF_MUST_CHECK int object_reader_init(struct object_reader *reader, struct json_object *object,
				     const char *place, const char *kind, struct report *report,
				     struct json_object **ret_metadata);
void object_reader_done(struct object_reader *reader);
/* A text of metadata for a message or for finding what is known; NULL where there is none. */
const char *object_peek(struct json_object *object, const char *key);

/* A text of an object; "" where it is none, or none is there. Nothing is said of it. */
const char *object_find_text(struct json_object *object, const char *key);

/* Into the report, without a judgement. */
PF_PRINTF(3, 0)
void object_say(struct object_reader *reader, const char *path, const char *format,
		va_list arguments);
PF_PRINTF(3, 4)
void object_complain(struct object_reader *reader, const char *path, const char *format, ...);

/* NULL where absent or null. `object` may be NULL. */
struct json_object *object_member(struct object_reader *reader, struct json_object *object,
				  const char *key, enum json_type type, const char *path);
/* "" where absent or null. */
const char *object_text(struct object_reader *reader, struct json_object *object, const char *key,
			const char *path);
/* A copy to own; NULL after remembering that there is no memory. */
char *object_copy(struct object_reader *reader, const char *text, size_t length);
