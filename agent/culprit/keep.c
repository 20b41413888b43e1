/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A process that is denied has many flows, and its later events are to name it as the first one did. The arguments
 * stand last in struct culprit, so a copy is cut behind them. */
#include "culprit/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define BUCKETS 256

_Static_assert(offsetof(struct culprit, process) + sizeof(struct process_facts) ==
			       sizeof(struct culprit) &&
		       offsetof(struct process_facts, arguments) + PROCESS_ARGUMENTS_MAX ==
			       sizeof(struct process_facts),
	       "the arguments stand last");

struct kept {
	struct kept *next; /* of the same bucket */
	size_t references;
	struct culprit culprit; /* cut */
};

struct culprit_store {
	struct kept *buckets[BUCKETS];
	size_t n;
};

int culprit_store_new(struct culprit_store **ret_store)
{
	*ret_store = calloc(1, sizeof(**ret_store));
	return *ret_store ? 0 : -ENOMEM;
}

struct culprit_store *culprit_store_free(struct culprit_store *store)
{
	for (size_t i = 0; store && i < BUCKETS; i++)
		while (store->buckets[i]) {
			struct kept *kept = store->buckets[i];
			store->buckets[i] = kept->next;
			free(kept);
		}
	free(store);
	return NULL;
}

size_t culprit_store_count(const struct culprit_store *store)
{
	return store->n;
}

static bool is_process_equal(const struct process_facts *a, const struct process_facts *b)
{
	return a->pid == b->pid && a->parent == b->parent && a->has_user == b->has_user &&
	       (!a->has_user || a->user == b->user) && a->has_start == b->has_start &&
	       (!a->has_start || a->start_usec == b->start_usec) && !strcmp(a->name, b->name) &&
	       !strcmp(a->parent_name, b->parent_name) && !strcmp(a->executable, b->executable) &&
	       a->n_arguments == b->n_arguments && a->are_arguments_cut == b->are_arguments_cut &&
	       a->arguments_length == b->arguments_length &&
	       !memcmp(a->arguments, b->arguments, a->arguments_length);
}

static bool is_container_equal(const struct cgroup_name *a, const struct cgroup_name *b)
{
	return a->kind == b->kind && !strcmp(a->uid, b->uid) &&
	       !strcmp(a->container_id, b->container_id) && !strcmp(a->runtime, b->runtime);
}

static bool is_peer_equal(const struct culprit *a, const struct culprit *b)
{
	return a->peer.family == b->peer.family && a->peer_port == b->peer_port &&
	       (!a->peer.family || pf_address_equal(&a->peer, &b->peer));
}

bool culprit_equal(const struct culprit *a, const struct culprit *b)
{
	return a->socket == b->socket && a->holder == b->holder && !strcmp(a->why, b->why) &&
	       a->n_holders == b->n_holders && a->has_user == b->has_user &&
	       (!a->has_user || a->user == b->user) && a->is_inherited == b->is_inherited &&
	       a->is_outside == b->is_outside && is_peer_equal(a, b) &&
	       is_container_equal(&a->container, &b->container) &&
	       is_process_equal(&a->process, &b->process);
}

/* By what mostly tells them apart. */
static struct kept **bucket_of(struct culprit_store *store, const struct culprit *culprit)
{
	static const uint8_t public[16] = "podfence keep";
	const uint64_t what[] = {(uint64_t)culprit->process.pid, culprit->process.start_ticks,
				 culprit->peer_port, culprit->user, culprit->holder};

	return &store->buckets[siphash128(public, what, sizeof(what)).bytes[0]];
}

static struct kept *keep(struct culprit_store *store, struct kept **bucket,
			 const struct culprit *culprit)
{
	size_t length = offsetof(struct culprit, process.arguments) +
			culprit->process.arguments_length;
	struct kept *kept = store->n < CULPRITS_KEPT_MAX
				    ? malloc(offsetof(struct kept, culprit) + length)
				    : NULL;

	if (!kept)
		return NULL;
	memcpy(&kept->culprit, culprit, length);
	kept->references = 0;
	kept->next = *bucket;
	*bucket = kept;
	store->n++;
	return kept;
}

const struct culprit *culprit_store_take(struct culprit_store *store, const struct culprit *culprit)
{
	struct kept **bucket = bucket_of(store, culprit), *kept = *bucket;

	while (kept && !culprit_equal(&kept->culprit, culprit))
		kept = kept->next;
	if (!kept)
		kept = keep(store, bucket, culprit);
	if (!kept)
		return NULL;
	kept->references++;
	return &kept->culprit;
}

void culprit_store_give_back(struct culprit_store *store, const struct culprit *culprit)
{
	struct kept **at = bucket_of(store, culprit);

	while (&(*at)->culprit != culprit)
		at = &(*at)->next;
	struct kept *kept = *at;
	if (--kept->references)
		return;
	*at = kept->next;
	store->n--;
	free(kept);
}
