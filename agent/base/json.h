/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <podfence/address.h>

#include "base/buffer.h"

/* Streaming JSON writer into a buffer: no tree, no allocation but the buffer's. Commas are placed
 * by the writer. Strings are escaped; bytes that are not UTF-8 become U+FFFD, so output is always
 * valid.
 *
 *	json_object_begin(&json, NULL);          {
 *	json_string(&json, "action", "dropped");   "action":"dropped"
 *	json_object_end(&json);                  }
 *
 * key is NULL inside an array and at top level. Keys are literals of ours and are not escaped,
 * except in json_string_keyed(), where the key is foreign. */
struct json {
	struct buffer *buffer;
	bool needs_comma;
};

void json_init(struct json *json, struct buffer *buffer);
void json_object_begin(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *key);
void json_array_end(struct json *json);
void json_string(struct json *json, const char *key, const char *value); /* NULL value: left out */
void json_string_n(struct json *json, const char *key, const char *value, size_t length);
void json_string_keyed(struct json *json, const char *foreign_key, const char *value);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_uint_text(struct json *json, const char *key, uint64_t value); /* "6" */
/* Not json_bool: json-c has a type of that name. */
void json_boolean(struct json *json, const char *key, bool value);
void json_address(struct json *json, const char *key, const struct pf_address *address);
/* Pre-made members ("a":1,"b":{}) or one pre-made value, copied as they are; empty: nothing. */
void json_raw(struct json *json, const char *key, const char *text, size_t length);
