/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/label.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/name.h"
#include "kube/object.h"

#define KEY_MAX	     (NAME_SUBDOMAIN_MAX + 1 + NAME_LABEL_MAX)
#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool label_is_key(const char *text)
{
	return text[0] && name_is_made_of(text, ALPHANUMERIC "-_./", KEY_MAX);
}

bool label_is_value(const char *text)
{
	return name_is_made_of(text, ALPHANUMERIC "-_.", NAME_LABEL_MAX);
}

static int label_compare(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static void add(struct object_reader *reader, struct label_list *list, const char *key,
		struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	if (!label_is_key(key)) {
		object_complain(reader, "metadata.labels", "\"%.80s\" is no label key; left out",
				key);
		return;
	}
	if (!text || strlen(text) != (size_t)json_object_get_string_len(value) ||
	    !label_is_value(text)) {
		object_complain(reader, "metadata.labels",
				"the value of %.80s is no label value; left out", key);
		return;
	}
	struct label *label = &list->labels[list->n_labels++];
	label->key = object_copy(reader, key, strlen(key));
	label->value = object_copy(reader, text, strlen(text));
}

void label_list_parse(struct object_reader *reader, struct json_object *metadata,
		      struct label_list *list)
{
	struct json_object *labels = object_member(reader, metadata, "labels", json_type_object,
						   "metadata.labels");

	if (!labels || !json_object_object_length(labels))
		return;
	list->labels = calloc((size_t)json_object_object_length(labels), sizeof(*list->labels));
	if (!list->labels) {
		reader->error = -ENOMEM;
		return;
	}
	json_object_object_foreach(labels, key, value) add(reader, list, key, value);
	if (!reader->error)
		qsort(list->labels, list->n_labels, sizeof(*list->labels), label_compare);
}

void label_list_done(struct label_list *list)
{
	for (size_t i = 0; i < list->n_labels; i++) {
		free(list->labels[i].key);
		free(list->labels[i].value);
	}
	free(list->labels);
	*list = (struct label_list){};
}

bool label_list_is_equal(const struct label_list *a, const struct label_list *b)
{
	if (a->n_labels != b->n_labels)
		return false;
	for (size_t i = 0; i < a->n_labels; i++)
		if (strcmp(a->labels[i].key, b->labels[i].key) != 0 ||
		    strcmp(a->labels[i].value, b->labels[i].value) != 0)
			return false;
	return true;
}

const char *label_list_find(const struct label_list *list, const char *key)
{
	const struct label wanted = {.key = (char *)(uintptr_t)key};
	const struct label *found = list->n_labels ? bsearch(&wanted, list->labels, list->n_labels,
							     sizeof(wanted), label_compare)
						   : NULL;

	return found ? found->value : NULL;
}

static int change(struct label *label, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(label->value);
	label->value = copy;
	return 0;
}

int label_list_put(struct label_list *list, const char *key, const char *value)
{
	struct label *grown, added;
	size_t at = 0;

	while (at < list->n_labels && strcmp(list->labels[at].key, key) < 0)
		at++;
	if (at < list->n_labels && !strcmp(list->labels[at].key, key))
		return change(&list->labels[at], value);
	grown = reallocarray(list->labels, list->n_labels + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->labels = grown;
	added = (struct label){strdup(key), strdup(value)};
	if (!added.key || !added.value) {
		free(added.key);
		free(added.value);
		return -ENOMEM;
	}
	memmove(&grown[at + 1], &grown[at], (list->n_labels++ - at) * sizeof(*grown));
	grown[at] = added;
	return 0;
}

void label_list_write(struct json *json, const struct label_list *list)
{
	if (!list->n_labels)
		return;
	json_object_begin(json, "labels");
	for (size_t i = 0; i < list->n_labels; i++)
		json_string_keyed(json, list->labels[i].key, list->labels[i].value);
	json_object_end(json);
}
