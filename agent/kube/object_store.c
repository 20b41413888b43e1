/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A sorted array: a node has hundreds of pods, and moving ten thousand pointers takes microseconds.
 * A list marks what it names with its number; its end sweeps what carries an older one, unless it
 * never comes.
 *
 * The API writes an object every few seconds for reasons of its own; what says the same as before
 * is the same object, so that nothing further on is done for it. */
#include "kube/object_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	void *value;
	uint64_t list; /* the last one that named it */
};

struct object_store {
	const struct object_store_kind *kind;
	const void *context;
	struct entry *entries; /* sorted by namespace, name */
	size_t n, capacity;
	uint64_t list, version;
	bool is_whole;
};

int object_store_new(const struct object_store_kind *kind, const void *context,
		     struct object_store **ret_store)
{
	struct object_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->kind = kind;
	store->context = context;
	*ret_store = store;
	return 0;
}

struct object_store *object_store_free(struct object_store *store)
{
	if (!store)
		return NULL;
	for (size_t i = 0; i < store->n; i++)
		store->kind->release(store->entries[i].value);
	free(store->entries);
	free(store);
	return NULL;
}

/* Where it stands or belongs. */
static size_t place_of(const struct object_store *store, const char *namespace, const char *name,
		       bool *ret_is_there)
{
	size_t low = 0, high = store->n;

	*ret_is_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *middle_namespace, *middle_name;
		store->kind->name(store->entries[middle].value, &middle_namespace, &middle_name);
		int order = strcmp(middle_namespace, namespace);
		if (!order)
			order = strcmp(middle_name, name);
		if (!order) {
			*ret_is_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void remove_at(struct object_store *store, size_t at)
{
	store->kind->release(store->entries[at].value);
	memmove(&store->entries[at], &store->entries[at + 1],
		(--store->n - at) * sizeof(*store->entries));
	store->version++;
}

static int insert_at(struct object_store *store, size_t at, void *value)
{
	if (store->n == store->capacity) {
		size_t capacity = store->capacity ? store->capacity * 2 : 16;
		void *grown = reallocarray(store->entries, capacity, sizeof(*store->entries));
		if (!grown)
			return -ENOMEM;
		store->entries = grown;
		store->capacity = capacity;
	}
	memmove(&store->entries[at + 1], &store->entries[at],
		(store->n++ - at) * sizeof(*store->entries));
	store->entries[at] = (struct entry){value, store->list};
	store->version++;
	return 0;
}

int object_store_take(struct object_store *store, void *value)
{
	const char *namespace, *name;
	bool is_there;

	store->kind->name(value, &namespace, &name);
	size_t at = place_of(store, namespace, name, &is_there);
	if (!is_there) {
		int r = insert_at(store, at, value);
		if (r < 0)
			store->kind->release(value);
		return r;
	}
	struct entry *entry = &store->entries[at];
	entry->list = store->list;
	if (store->kind->is_equal(entry->value, value)) {
		store->kind->release(value);
		return 0;
	}
	store->kind->release(entry->value);
	entry->value = value;
	store->version++;
	return 0;
}

void object_store_begin(struct object_store *store)
{
	store->list++;
}

static bool find_named(const struct object_store *store, struct json_object *object, size_t *ret_at)
{
	const char *namespace, *name;
	bool is_there = false;

	if (store->kind->peek(object, &namespace, &name))
		*ret_at = place_of(store, namespace, name, &is_there);
	return is_there;
}

/* A refused one is there all the same: a list that names it does not sweep it. */
static void keep(struct object_store *store, struct json_object *object)
{
	size_t at;

	if (find_named(store, object, &at))
		store->entries[at].list = store->list;
}

int object_store_put(struct object_store *store, struct json_object *object, const char *place,
		     struct report *report)
{
	void *value;
	int r = store->kind->parse(object, place, store->context, report, &value);

	if (r == 0)
		return object_store_take(store, value);
	if (r == OBJECT_STORE_E_NOT_WANTED)
		object_store_remove(store, object);
	if (r == OBJECT_STORE_E_REFUSED)
		keep(store, object);
	return r < 0 ? r : 0;
}

void object_store_remove(struct object_store *store, struct json_object *object)
{
	size_t at;

	if (find_named(store, object, &at))
		remove_at(store, at);
}

void object_store_end(struct object_store *store)
{
	size_t n = 0;

	for (size_t i = 0; i < store->n; i++) {
		if (store->entries[i].list == store->list)
			store->entries[n++] = store->entries[i];
		else
			store->kind->release(store->entries[i].value);
	}
	if (n != store->n || !store->is_whole)
		store->version++;
	store->n = n;
	store->is_whole = true;
}

size_t object_store_count(const struct object_store *store)
{
	return store->n;
}

void *object_store_at(const struct object_store *store, size_t i)
{
	return store->entries[i].value;
}

uint64_t object_store_version(const struct object_store *store)
{
	return store->version;
}

bool object_store_is_whole(const struct object_store *store)
{
	return store->is_whole;
}
