/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Adding up: events of the same endpoint, container, process, action, protocol and port are one item, found
 * by a keyed hash of these (the texts are foreign). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/siphash.h"
#include "cli/who.h"
#include "event/timestamp.h"

struct sum {
	struct siphash128 key;
	struct json_object *item;
	uint64_t flows, packets, bytes, first_usec, last_usec;
};

struct who {
	uint8_t hash_key[16];
	struct sum *sums;
	size_t n_sums, n_room; /* a power of two; at most half of it is in use */
	struct buffer text;
};

/* Where a member of an item comes from in the event. */
static const struct {
	const char *key, *path;
	bool is_identity; /* another value is another item */
} members[] = {
	{"namespace", "kubernetes.namespace", true},
	{"name", "kubernetes.pod.name", true},
	{"unit", "podfence.endpoint.name", true},
	{"kind", "podfence.endpoint.kind", true},
	{"uid", "kubernetes.pod.uid", true},
	{"node", "kubernetes.node.name", true},
	{"action", "event.action", true},
	{"transport", "network.transport", true},
	{"port", "destination.port", true},
	{"container", "container.name", true},
	{"image", "container.image.name", false},
	{"executable", "process.executable", true},
	{"process", "process.name", true},
	{"pid", "process.pid", false},
	{"command_line", "process.command_line", false},
	{"rule", "rule.name", false},
	{"destination", "destination.ip", false},
};
#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

int who_new(struct who **ret_who)
{
	struct who *who = calloc(1, sizeof(*who));

	if (!who)
		return -ENOMEM;
	if (getrandom(who->hash_key, sizeof(who->hash_key), 0) != sizeof(who->hash_key)) {
		free(who);
		return -EIO;
	}
	*ret_who = who;
	return 0;
}

struct who *who_free(struct who *who)
{
	if (!who)
		return NULL;
	for (size_t i = 0; i < who->n_room; i++)
		json_object_put(who->sums[i].item);
	free(who->sums);
	buffer_done(&who->text);
	free(who);
	return NULL;
}

static struct sum *find(struct sum *sums, size_t n_room, const struct siphash128 *key)
{
	uint64_t at;

	memcpy(&at, key->bytes, sizeof(at));
	for (;; at++) {
		struct sum *sum = &sums[at & (n_room - 1)];
		if (!sum->item || !memcmp(sum->key.bytes, key->bytes, sizeof(key->bytes)))
			return sum;
	}
}

static int grow(struct who *who)
{
	size_t n = who->n_room ? 2 * who->n_room : 64;
	struct sum *sums = calloc(n, sizeof(*sums));

	if (!sums)
		return -ENOMEM;
	for (size_t i = 0; i < who->n_room; i++)
		if (who->sums[i].item)
			*find(sums, n, &who->sums[i].key) = who->sums[i];
	free(who->sums);
	who->sums = sums;
	who->n_room = n;
	return 0;
}

/* The chain of controllers is told by what ECS and Filebeat say of it. */
static struct json_object *workload_of(struct json_object *tree)
{
	static const char *const kinds[] = {"deployment", "statefulset", "daemonset",
					    "cronjob",	  "job",	 "replicaset"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "kubernetes.%s.name", kinds[i]);
		struct json_object *name = table_value(tree, path);
		if (!json_object_is_type(name, json_type_string))
			continue;
		char text[320];
		snprintf(text, sizeof(text), "%s/%s", kinds[i], json_object_get_string(name));
		return json_object_new_string(text);
	}
	return NULL;
}

static struct json_object *make_item(struct json_object *tree)
{
	struct json_object *item = json_object_new_object(), *workload = workload_of(tree);
	int r = item ? 0 : -1;

	for (size_t i = 0; r == 0 && i < N_MEMBERS; i++) {
		struct json_object *value = table_value(tree, members[i].path);
		if (value)
			r = json_object_object_add(item, members[i].key, json_object_get(value));
	}
	if (r == 0 && workload)
		r = json_object_object_add(item, "workload", workload);
	if (r == 0)
		return item;
	json_object_put(item);
	return NULL;
}

static int make_key(struct who *who, struct json_object *tree, struct siphash128 *ret_key)
{
	buffer_clear(&who->text);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		if (!members[i].is_identity)
			continue;
		struct json_object *value = table_value(tree, members[i].path);
		if (value)
			buffer_add_text(&who->text, json_object_get_string(value));
		buffer_add_char(&who->text, '\0');
	}
	if (who->text.is_broken)
		return -ENOMEM;
	*ret_key = siphash128(who->hash_key, who->text.bytes, who->text.length);
	return 0;
}

int who_add(struct who *who, const struct store_row *row, struct json_object *tree)
{
	struct siphash128 key;
	int r = make_key(who, tree, &key);

	if (r == 0 && 2 * who->n_sums >= who->n_room)
		r = grow(who);
	if (r < 0)
		return r;
	struct sum *sum = find(who->sums, who->n_room, &key);
	if (!sum->item || row->time_usec >= sum->last_usec) {
		struct json_object *item = make_item(tree); /* says what was last */
		if (!item)
			return -ENOMEM;
		who->n_sums += !sum->item;
		json_object_put(sum->item);
		sum->item = item;
		sum->key = key;
		sum->last_usec = row->time_usec;
	}
	if (!sum->first_usec || row->time_usec < sum->first_usec)
		sum->first_usec = row->time_usec;
	sum->flows++;
	sum->packets += row->packets;
	sum->bytes += row->bytes;
	return 0;
}

static bool has_same(struct json_object *a, const char *key, struct json_object *b,
		     const char *other_key)
{
	const char *one = json_object_get_string(table_value(a, key));
	const char *other = json_object_get_string(table_value(b, other_key));

	return !strcmp(one ? one : "", other ? other : "");
}

static bool is_endpoint(struct json_object *item, struct json_object *endpoint)
{
	if (table_value(item, "unit"))
		return has_same(item, "unit", endpoint, "name");
	return has_same(item, "namespace", endpoint, "namespace") &&
	       has_same(item, "name", endpoint, "name") && has_same(item, "uid", endpoint, "uid");
}

int who_mark(struct json_object *items, struct json_object *endpoints)
{
	size_t n = json_object_array_length(items),
	       n_endpoints = json_object_array_length(endpoints);

	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		bool is_here = false;
		for (size_t k = 0; k < n_endpoints && !is_here; k++)
			is_here = is_endpoint(item, json_object_array_get_idx(endpoints, k));
		if (json_object_object_add(item, "here", json_object_new_boolean(is_here)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int compare(const void *a_pointer, const void *b_pointer)
{
	const struct sum *const *a = a_pointer, *const *b = b_pointer;

	if ((*a)->last_usec != (*b)->last_usec)
		return (*a)->last_usec < (*b)->last_usec ? 1 : -1;
	return memcmp((*a)->key.bytes, (*b)->key.bytes, sizeof((*a)->key.bytes));
}

static int add_time(struct json_object *item, const char *key, uint64_t usec)
{
	char text[TIMESTAMP_LENGTH];

	timestamp_text(usec, text);
	return json_object_object_add(item, key, json_object_new_string_len(text, sizeof(text)));
}

static int finish(const struct sum *sum, struct json_object *items)
{
	struct json_object *item = sum->item;

	if (json_object_object_add(item, "events", json_object_new_uint64(sum->flows)) < 0 ||
	    json_object_object_add(item, "packets", json_object_new_uint64(sum->packets)) < 0 ||
	    json_object_object_add(item, "bytes", json_object_new_uint64(sum->bytes)) < 0 ||
	    add_time(item, "first", sum->first_usec) < 0 ||
	    add_time(item, "last", sum->last_usec) < 0)
		return -ENOMEM;
	if (json_object_array_add(items, json_object_get(item)) == 0)
		return 0;
	json_object_put(item);
	return -ENOMEM;
}

struct json_object *who_items(struct who *who)
{
	struct sum **sorted = calloc(who->n_sums + 1, sizeof(*sorted));
	struct json_object *items = json_object_new_array();
	size_t n = 0;
	int r = sorted && items ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < who->n_room; i++)
		if (who->sums[i].item)
			sorted[n++] = &who->sums[i];
	if (n)
		qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = finish(sorted[i], items);
	free(sorted);
	if (r == 0)
		return items;
	json_object_put(items);
	return NULL;
}
