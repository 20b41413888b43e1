/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A sorted array: a node has hundreds of pods, and moving ten thousand pointers takes microseconds.
 * A list marks what it names with its number; its end sweeps what carries an older one, unless it
 * never comes.
 *
 * The API writes a pod every few seconds for reasons of its own; what says the same as before is
 * the same pod, so that nothing further on is done for it. */
#include "kube/pod_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/pod_parse.h"

struct entry {
	struct pod *pod;
	uint64_t list; /* the last one that named it */
};

struct pod_store {
	char *node;
	struct entry *entries; /* sorted by namespace, name */
	size_t n, capacity;
	uint64_t list;
	struct pod_list *made; /* NULL: to be made again */
};

int pod_store_new(const char *node, struct pod_store **ret_store)
{
	struct pod_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->node = strdup(node);
	if (!store->node) {
		free(store);
		return -ENOMEM;
	}
	*ret_store = store;
	return 0;
}

struct pod_store *pod_store_free(struct pod_store *store)
{
	if (!store)
		return NULL;
	for (size_t i = 0; i < store->n; i++)
		pod_free(store->entries[i].pod);
	free(store->entries);
	pod_list_free(store->made);
	free(store->node);
	free(store);
	return NULL;
}

static void has_changed(struct pod_store *store)
{
	store->made = pod_list_free(store->made);
}

/* Where it stands or belongs. */
static size_t place_of(const struct pod_store *store, const char *namespace, const char *name,
		       bool *ret_is_there)
{
	size_t low = 0, high = store->n;

	*ret_is_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct pod *pod = store->entries[middle].pod;
		int order = strcmp(pod->namespace, namespace);
		if (!order)
			order = strcmp(pod->name, name);
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

static void remove_at(struct pod_store *store, size_t at)
{
	pod_free(store->entries[at].pod);
	memmove(&store->entries[at], &store->entries[at + 1],
		(--store->n - at) * sizeof(*store->entries));
	has_changed(store);
}

static int insert_at(struct pod_store *store, size_t at, struct pod *pod)
{
	if (store->n == store->capacity) {
		size_t capacity = store->capacity ? store->capacity * 2 : 64;
		void *grown = reallocarray(store->entries, capacity, sizeof(*store->entries));
		if (!grown)
			return -ENOMEM;
		store->entries = grown;
		store->capacity = capacity;
	}
	memmove(&store->entries[at + 1], &store->entries[at],
		(store->n++ - at) * sizeof(*store->entries));
	store->entries[at] = (struct entry){pod, store->list};
	has_changed(store);
	return 0;
}

/* Takes the pod over. */
static int put(struct pod_store *store, struct pod *pod)
{
	bool is_there;
	size_t at = place_of(store, pod->namespace, pod->name, &is_there);

	if (!is_there) {
		int r = insert_at(store, at, pod);
		if (r < 0)
			pod_free(pod);
		return r;
	}
	struct entry *entry = &store->entries[at];
	entry->list = store->list;
	if (pod_is_equal(entry->pod, pod)) {
		pod_free(pod);
		return 0;
	}
	pod_free(entry->pod);
	entry->pod = pod;
	has_changed(store);
	return 0;
}

void pod_store_begin(struct pod_store *store)
{
	store->list++;
}

/* A refused one is there all the same: a list that names it does not sweep it. */
static void keep(struct pod_store *store, struct json_object *object)
{
	const char *namespace, *name;
	bool is_there;

	if (!pod_peek_name(object, &namespace, &name))
		return;
	size_t at = place_of(store, namespace, name, &is_there);
	if (is_there)
		store->entries[at].list = store->list;
}

int pod_store_put(struct pod_store *store, struct json_object *object, const char *place,
		  struct report *report)
{
	const struct pod_source source = {place, store->node, report};
	char created[POD_CREATED_MAX];
	struct pod *pod;
	int r = pod_parse(object, &source, &pod, created);

	if (r == 0)
		return put(store, pod);
	if (r == POD_E_NOT_WANTED)
		return pod_store_remove(store, object);
	if (r == POD_E_REFUSED)
		keep(store, object);
	return r < 0 ? r : 0;
}

int pod_store_remove(struct pod_store *store, struct json_object *object)
{
	const char *namespace, *name;
	bool is_there;

	if (!pod_peek_name(object, &namespace, &name))
		return 0;
	size_t at = place_of(store, namespace, name, &is_there);
	if (is_there)
		remove_at(store, at);
	return 0;
}

void pod_store_end(struct pod_store *store)
{
	size_t n = 0;

	for (size_t i = 0; i < store->n; i++) {
		if (store->entries[i].list == store->list)
			store->entries[n++] = store->entries[i];
		else
			pod_free(store->entries[i].pod);
	}
	if (n != store->n)
		has_changed(store);
	store->n = n;
}

int pod_store_fill(struct pod_store *store, const struct pod_list *list)
{
	pod_store_begin(store);
	for (size_t i = 0; i < list->n_pods; i++) {
		int r = put(store, pod_ref(list->pods[i]));
		if (r < 0)
			return r;
	}
	pod_store_end(store);
	return 0;
}

bool pod_store_has_changed(const struct pod_store *store)
{
	return !store->made;
}

int pod_store_list(struct pod_store *store, struct pod_list **ret_list)
{
	if (!store->made) {
		struct pod_list *list = pod_list_empty();
		if (list)
			list->pods = calloc(store->n + 1, sizeof(struct pod *));
		if (!list || !list->pods) {
			pod_list_free(list);
			return -ENOMEM;
		}
		for (; list->n_pods < store->n; list->n_pods++)
			list->pods[list->n_pods] = pod_ref(store->entries[list->n_pods].pod);
		store->made = list;
	}
	*ret_list = pod_list_ref(store->made);
	return 0;
}
