/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"

/* Objects of one kind as a list and a watch of the API tell of them, one after the other. */
struct object_store;

enum {
	OBJECT_STORE_E_REFUSED = 1, /* the report says what is wrong with it */
	OBJECT_STORE_E_NOT_WANTED,  /* as good as gone */
};

/* What a kind can do. Values are never changed once they are made, so they can be shared. */
struct object_store_kind {
	const char *kind, *api_version;
	/* 0, OBJECT_STORE_E_* or -ENOMEM. `place` stands before every message. */
	int (*parse)(struct json_object *object, const char *place, const void *context,
		     struct report *report, void **ret_value);
	/* The name of what may be such an object, to find what is known of it. */
	bool (*peek)(struct json_object *object, const char **ret_namespace, const char **ret_name);
	void (*name)(const void *value, const char **ret_namespace, const char **ret_name);
	bool (*is_equal)(const void *a, const void *b);
	void (*release)(void *value);
};

/* `context` is handed to parse(); kind and context outlive the store. */
PF_MUST_CHECK int object_store_new(const struct object_store_kind *kind, const void *context,
				   struct object_store **ret_store);
struct object_store *object_store_free(struct object_store *store);

/* From here to object_store_end() all objects are named; those that are not are gone then. Without the end
 * nobody is. */
void object_store_begin(struct object_store *store);
/* What is no such object, or not wholly one, is named in the report, and what was known of it
 * stays. 0 or -ENOMEM. */
PF_MUST_CHECK int object_store_put(struct object_store *store, struct json_object *object,
				   const char *place, struct report *report);
/* A value that is made already; it is taken over, also when this fails. */
PF_MUST_CHECK int object_store_take(struct object_store *store, void *value);
void object_store_remove(struct object_store *store, struct json_object *object);
void object_store_end(struct object_store *store);

/* Sorted by namespace, name. */
size_t object_store_count(const struct object_store *store);
void *object_store_at(const struct object_store *store, size_t i);
/* Grows with every change; what says the same as before is none. */
uint64_t object_store_version(const struct object_store *store);
/* A list was complete once. */
bool object_store_is_whole(const struct object_store *store);
