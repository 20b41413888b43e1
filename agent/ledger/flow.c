/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The kernel counts, absolutely; what is told are differences. `told` is what all events of a flow add up to,
 * so whatever was missed or read twice is right again with the next event. */
#include "ledger/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define BUCKETS_MIN 64

struct flow_table {
	uint8_t secret[16];
	struct flow **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_flows;
	flow_extra_fn on_extra; /* NULL: nothing happens to it */
	void *userdata;
};

struct flow_count flow_total(const struct flow *flow)
{
	return (struct flow_count){flow->before.packets + flow->seen.packets,
				   flow->before.bytes + flow->seen.bytes};
}

static uint64_t more(uint64_t total, uint64_t told)
{
	return total > told ? total - told : 0;
}

struct flow_count flow_untold(const struct flow *flow)
{
	struct flow_count total = flow_total(flow);

	return (struct flow_count){more(total.packets, flow->told.packets),
				   more(total.bytes, flow->told.bytes)};
}

bool flow_see(struct flow *flow, const struct flow_count *count, uint64_t now_usec)
{
	bool has_moved = count->packets != flow->seen.packets;

	if (count->packets < flow->seen.packets) {
		flow->before.packets += flow->seen.packets;
		flow->before.bytes += flow->seen.bytes;
	}
	flow->seen = *count;
	if (has_moved)
		flow->moved_usec = now_usec;
	return has_moved;
}

enum flow_due flow_due(const struct flow *flow, const struct flow_times *times, uint64_t now_usec)
{
	if (flow->is_fresh)
		return FLOW_DUE_NOTHING;
	if (!flow->sequence)
		return FLOW_DUE_START;
	if (now_usec >= flow->moved_usec + times->idle_usec)
		return FLOW_DUE_END;
	if (flow_untold(flow).packets && now_usec >= flow->told_usec + times->report_usec)
		return FLOW_DUE_UPDATE;
	return FLOW_DUE_NOTHING;
}

/* The bytes that count, and no others: a struct has padding. */
static struct siphash128 key_hash(const uint8_t secret[static 16], const struct flow_key *key)
{
	uint8_t bytes[1 + PF_KEY_MAX];
	size_t length = key->key.length < PF_KEY_MAX ? key->key.length : PF_KEY_MAX;

	bytes[0] = key->set;
	memcpy(bytes + 1, key->key.bytes, length);
	return siphash128(secret, bytes, 1 + length);
}

static size_t bucket_of(const struct flow_table *table, const struct flow_key *key)
{
	struct siphash128 hash = key_hash(table->secret, key);
	uint64_t number;

	memcpy(&number, hash.bytes, sizeof(number));
	return number & (table->n_buckets - 1);
}

static bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return a->set == b->set && a->key.length == b->key.length &&
	       !memcmp(a->key.bytes, b->key.bytes, a->key.length);
}

int flow_table_new(const uint8_t secret[static 16], struct flow_table **ret_table)
{
	struct flow_table *table = calloc(1, sizeof(*table));

	if (table)
		table->buckets = calloc(BUCKETS_MIN, sizeof(*table->buckets));
	if (!table || !table->buckets) {
		free(table);
		return -ENOMEM;
	}
	table->n_buckets = BUCKETS_MIN;
	memcpy(table->secret, secret, sizeof(table->secret));
	*ret_table = table;
	return 0;
}

void flow_table_on_extra(struct flow_table *table, flow_extra_fn fn, void *userdata)
{
	table->on_extra = fn;
	table->userdata = userdata;
}

static void flow_free(struct flow_table *table, struct flow *flow)
{
	if (flow->extra && table->on_extra)
		table->on_extra(flow->extra, table->userdata);
	free(flow);
}

struct flow_table *flow_table_free(struct flow_table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->n_buckets; i++)
		while (table->buckets[i]) {
			struct flow *flow = table->buckets[i];
			table->buckets[i] = flow->next;
			flow_free(table, flow);
		}
	free(table->buckets);
	free(table);
	return NULL;
}

struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key)
{
	struct flow *flow = table->buckets[bucket_of(table, key)];

	while (flow && !key_equal(&flow->key, key))
		flow = flow->next;
	return flow;
}

static void put(struct flow_table *table, struct flow *flow)
{
	struct flow **bucket = &table->buckets[bucket_of(table, &flow->key)];

	flow->next = *bucket;
	*bucket = flow;
}

/* Where there is no memory the buckets stay as few as they are. */
static void grow(struct flow_table *table)
{
	struct flow **old = table->buckets;
	size_t n_old = table->n_buckets;
	struct flow **buckets = calloc(2 * n_old, sizeof(*buckets));

	if (!buckets)
		return;
	table->buckets = buckets;
	table->n_buckets = 2 * n_old;
	for (size_t i = 0; i < n_old; i++)
		while (old[i]) {
			struct flow *flow = old[i];
			old[i] = flow->next;
			put(table, flow);
		}
	free(old);
}

/* The key of this hash is public: ids have to differ, not to resist. */
static void id_make(struct flow *flow, const char *salt)
{
	static const uint8_t public[16] = "podfence flow";
	struct siphash128 key = key_hash(public, &flow->key);
	uint8_t bytes[sizeof(key.bytes) + sizeof(flow->start_usec) + 128] = {};

	memcpy(bytes, key.bytes, sizeof(key.bytes));
	memcpy(bytes + sizeof(key.bytes), &flow->start_usec, sizeof(flow->start_usec));
	strncpy((char *)bytes + sizeof(key.bytes) + sizeof(flow->start_usec), salt, 127);
	memcpy(flow->id, siphash128(public, bytes, sizeof(bytes)).bytes, sizeof(flow->id));
}

struct flow *flow_table_add(struct flow_table *table, const struct flow_key *key,
			    uint64_t start_usec, const char *salt)
{
	struct flow *flow = calloc(1, sizeof(*flow));

	if (!flow)
		return NULL;
	flow->key = *key;
	flow->rule = RULE_N;
	flow->start_usec = flow->moved_usec = start_usec;
	id_make(flow, salt);
	if (2 * table->n_flows >= table->n_buckets) /* most look-ups are for what is new */
		grow(table);
	put(table, flow);
	table->n_flows++;
	return flow;
}

void flow_table_remove(struct flow_table *table, struct flow *flow)
{
	struct flow **at = &table->buckets[bucket_of(table, &flow->key)];

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	table->n_flows--;
	flow_free(table, flow);
}

size_t flow_table_count(const struct flow_table *table)
{
	return table->n_flows;
}

struct flow *flow_table_next(const struct flow_table *table, const struct flow *flow)
{
	size_t bucket = 0;

	if (flow && flow->next)
		return flow->next;
	if (flow)
		bucket = bucket_of(table, &flow->key) + 1;
	for (; bucket < table->n_buckets; bucket++)
		if (table->buckets[bucket])
			return table->buckets[bucket];
	return NULL;
}

static uint64_t reversed(uint64_t bits)
{
	uint64_t result = 0;

	for (unsigned i = 0; i < 64; i++, bits >>= 1)
		result = result << 1 | (bits & 1);
	return result;
}

/* The cursor counts with its high bit first: when the number of buckets doubles, what was one bucket
 * becomes two that stand next to each other in this order (Pieter Noordhuis, dictScan() of Redis). */
uint64_t flow_table_scan(const struct flow_table *table, uint64_t cursor, flow_fn fn,
			 void *userdata)
{
	uint64_t mask = table->n_buckets - 1;

	for (const struct flow *flow = table->buckets[cursor & mask]; flow; flow = flow->next)
		fn(flow, userdata);
	return reversed(reversed(cursor | ~mask) + 1);
}
