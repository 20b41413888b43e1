/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

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
