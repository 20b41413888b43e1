/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A window of time slides over the events of each endpoint. What is in it stands in a ring in the order of
 * time, and in two tallies: how often each flow, and each destination, is in the window. */
#include "cli/preview.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/siphash.h"
#include "event/timestamp.h"

struct tally_slot {
	uint64_t key; /* 0: free */
	uint32_t n;   /* 0: was in the window, and may be again */
};

struct tally {
	struct tally_slot *slots;
	size_t n_slots, n_used; /* slots with a key; a power of two, at most half in use */
	size_t n_distinct;	/* with n above 0 */
};

struct moment {
	uint64_t usec, flow, destination;
};

struct watched {
	char *namespace, *name, *kind;
	struct moment *ring;
	size_t n_room, first, n;
	struct tally flows, destinations;
	uint64_t hit_usec; /* 0: not yet */
	size_t hit_flows, hit_destinations;
};

struct preview {
	struct preview_rule rule;
	uint8_t key[16];
	struct watched *watched;
	size_t n_watched;
};

static struct tally_slot *tally_find(struct tally_slot *slots, size_t n_slots, uint64_t key)
{
	size_t at = key & (n_slots - 1);

	while (slots[at].key && slots[at].key != key)
		at = (at + 1) & (n_slots - 1);
	return &slots[at];
}

/* Anew, without those that left the window. */
static int tally_grow(struct tally *tally)
{
	size_t n = 64, n_used = 0;

	while (n < 4 * (tally->n_distinct + 1))
		n *= 2;
	struct tally_slot *slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < tally->n_slots; i++)
		if (tally->slots[i].n) {
			*tally_find(slots, n, tally->slots[i].key) = tally->slots[i];
			n_used++;
		}
	free(tally->slots);
	tally->slots = slots;
	tally->n_slots = n;
	tally->n_used = n_used;
	return 0;
}

static int tally_add(struct tally *tally, uint64_t key)
{
	if (2 * tally->n_used >= tally->n_slots && tally_grow(tally) < 0)
		return -ENOMEM;
	struct tally_slot *slot = tally_find(tally->slots, tally->n_slots, key);
	tally->n_used += !slot->key;
	slot->key = key;
	tally->n_distinct += !slot->n++;
	return 0;
}

static void tally_remove(struct tally *tally, uint64_t key)
{
	tally->n_distinct -= !--tally_find(tally->slots, tally->n_slots, key)->n;
}

static uint64_t hash_of(const struct preview *preview, const void *bytes, size_t length)
{
	struct siphash128 hash = siphash128(preview->key, bytes, length);
	uint64_t key;

	memcpy(&key, hash.bytes, sizeof(key));
	return key ? key : 1;
}

int preview_new(const struct preview_rule *rule, struct preview **ret_preview)
{
	struct preview *preview = calloc(1, sizeof(*preview));

	if (!preview)
		return -ENOMEM;
	preview->rule = *rule;
	if (getrandom(preview->key, sizeof(preview->key), 0) != sizeof(preview->key)) {
		free(preview);
		return -EIO;
	}
	*ret_preview = preview;
	return 0;
}

static void watched_done(struct watched *watched)
{
	free(watched->namespace);
	free(watched->name);
	free(watched->kind);
	free(watched->ring);
	free(watched->flows.slots);
	free(watched->destinations.slots);
}

struct preview *preview_free(struct preview *preview)
{
	if (!preview)
		return NULL;
	for (size_t i = 0; i < preview->n_watched; i++)
		watched_done(&preview->watched[i]);
	free(preview->watched);
	free(preview);
	return NULL;
}

static bool is_of(const struct watched *watched, const struct store_row *row)
{
	return !strcmp(watched->name, row->name) && !strcmp(watched->namespace, row->namespace) &&
	       !strcmp(watched->kind, row->endpoint_kind);
}

/* A node has some hundred endpoints. NULL: out of memory. */
static struct watched *watched_of(struct preview *preview, const struct store_row *row)
{
	for (size_t i = 0; i < preview->n_watched; i++)
		if (is_of(&preview->watched[i], row))
			return &preview->watched[i];
	struct watched *more = reallocarray(preview->watched, preview->n_watched + 1,
					    sizeof(*more));
	if (!more)
		return NULL;
	preview->watched = more;
	struct watched *added = &more[preview->n_watched];
	*added = (struct watched){
		.namespace = strdup(row->namespace),
		.name = strdup(row->name),
		.kind = strdup(row->endpoint_kind),
	};
	if (added->namespace && added->name && added->kind) {
		preview->n_watched++;
		return added;
	}
	watched_done(added);
	return NULL;
}

static int ring_grow(struct watched *watched)
{
	size_t n_room = watched->n_room ? 2 * watched->n_room : 64;
	struct moment *ring = calloc(n_room, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < watched->n; i++)
		ring[i] = watched->ring[(watched->first + i) % watched->n_room];
	free(watched->ring);
	watched->ring = ring;
	watched->n_room = n_room;
	watched->first = 0;
	return 0;
}

static void forget_before(struct watched *watched, uint64_t usec)
{
	while (watched->n && watched->ring[watched->first].usec < usec) {
		const struct moment *moment = &watched->ring[watched->first];
		tally_remove(&watched->flows, moment->flow);
		tally_remove(&watched->destinations, moment->destination);
		watched->first = (watched->first + 1) % watched->n_room;
		watched->n--;
	}
}

static struct moment moment_of(const struct preview *preview, const struct store_row *row)
{
	struct {
		struct pf_address destination;
		uint16_t port, protocol;
	} flow;

	memset(&flow, 0, sizeof(flow)); /* padding is hashed too */
	flow.destination.family = row->destination.family;
	memcpy(flow.destination.bytes, row->destination.bytes, pf_address_size(&row->destination));
	uint64_t destination = hash_of(preview, &flow, sizeof(flow));
	flow.port = row->port;
	flow.protocol = row->protocol;
	return (struct moment){row->time_usec, hash_of(preview, &flow, sizeof(flow)), destination};
}

int preview_add(struct preview *preview, const struct store_row *row)
{
	const struct preview_rule *rule = &preview->rule;

	if (row->kind != SHIP_FLOW || row->action > SHIP_WOULD_DROP || !row->destination.family ||
	    !row->name[0])
		return 0;
	struct watched *watched = watched_of(preview, row);
	if (!watched)
		return -ENOMEM;
	if (watched->hit_usec)
		return 0; /* it would be isolated */
	if (row->time_usec > rule->usec)
		forget_before(watched, row->time_usec - rule->usec);
	const struct moment moment = moment_of(preview, row);
	if (watched->n == watched->n_room && ring_grow(watched) < 0)
		return -ENOMEM;
	if (tally_add(&watched->flows, moment.flow) < 0)
		return -ENOMEM;
	if (tally_add(&watched->destinations, moment.destination) < 0)
		return -ENOMEM;
	watched->ring[(watched->first + watched->n++) % watched->n_room] = moment;
	if (watched->flows.n_distinct > rule->flows &&
	    watched->destinations.n_distinct > rule->destinations) {
		watched->hit_usec = row->time_usec;
		watched->hit_flows = watched->flows.n_distinct;
		watched->hit_destinations = watched->destinations.n_distinct;
	}
	return 0;
}

static int compare(const void *a_pointer, const void *b_pointer)
{
	const struct watched *const *a = a_pointer, *const *b = b_pointer;

	return (*a)->hit_usec < (*b)->hit_usec ? -1 : (*a)->hit_usec > (*b)->hit_usec;
}

static int add_item(struct json_object *items, const struct watched *watched)
{
	struct json_object *item = json_object_new_object();
	char when[TIMESTAMP_LENGTH];

	if (!item)
		return -ENOMEM;
	timestamp_text(watched->hit_usec, when);
	json_object_object_add(item, "namespace", json_object_new_string(watched->namespace));
	json_object_object_add(item, "name", json_object_new_string(watched->name));
	json_object_object_add(item, "kind", json_object_new_string(watched->kind));
	json_object_object_add(item, "at", json_object_new_string_len(when, sizeof(when)));
	json_object_object_add(item, "flows", json_object_new_uint64(watched->hit_flows));
	json_object_object_add(item, "destinations",
			       json_object_new_uint64(watched->hit_destinations));
	if (json_object_array_add(items, item) == 0)
		return 0;
	json_object_put(item);
	return -ENOMEM;
}

struct json_object *preview_items(const struct preview *preview)
{
	const struct watched **hit = calloc(preview->n_watched + 1, sizeof(*hit));
	struct json_object *items = json_object_new_array();
	size_t n = 0;
	int r = hit && items ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < preview->n_watched; i++)
		if (preview->watched[i].hit_usec)
			hit[n++] = &preview->watched[i];
	if (n)
		qsort(hit, n, sizeof(*hit), compare);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_item(items, hit[i]);
	free(hit);
	if (r == 0)
		return items;
	json_object_put(items);
	return NULL;
}
