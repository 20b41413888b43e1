/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

struct json;
struct json_object;
struct object_reader;

/* Labels of an object, sorted by key. */
struct label {
	char *key, *value;
};

struct label_list {
	struct label *labels;
	size_t n_labels;
};

bool label_is_key(const char *text);
bool label_is_value(const char *text);

/* Those of metadata.labels; one that is no label is named and left out. */
void label_list_parse(struct object_reader *reader, struct json_object *metadata,
		      struct label_list *list);
void label_list_done(struct label_list *list);
bool label_list_is_equal(const struct label_list *a, const struct label_list *b);
/* Its value; NULL where there is none. */
const char *label_list_find(const struct label_list *list, const char *key);
/* Adds it, or gives it another value. 0 or -ENOMEM. */
PF_MUST_CHECK int label_list_put(struct label_list *list, const char *key, const char *value);
/* As member "labels"; nothing where there are none. */
void label_list_write(struct json *json, const struct label_list *list);
