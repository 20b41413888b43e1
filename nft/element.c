/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Keys and elements of sets. A key is its fields one after the other, each at a register of four
 * bytes; a field that does not fit makes the key longer than any set's, and the set refuses it. */
#include <podfence/ruleset.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static uint8_t *key_room(struct pf_key *key, size_t size)
{
	/* A field that does not fit makes the key longer than any set's, which the set then
	 * refuses. */
	if (key->length > PF_KEY_MAX || key->length + size > PF_KEY_MAX) {
		key->length = UINT8_MAX;
		return NULL;
	}
	uint8_t *room = key->bytes + key->length;
	key->length += (uint8_t)size;
	return room;
}

static void key_add(struct pf_key *key, const void *bytes, size_t size)
{
	key->length = (uint8_t)((key->length + 3u) & ~3u);
	uint8_t *room = key_room(key, size);
	if (room)
		memcpy(room, bytes, size);
}

void pf_key_add_u8(struct pf_key *key, uint8_t value)
{
	key_add(key, &value, sizeof(value));
}

void pf_key_add_port(struct pf_key *key, uint16_t value)
{
	uint16_t network = htons(value);

	key_add(key, &network, sizeof(network));
}

void pf_key_add_u32(struct pf_key *key, uint32_t value)
{
	key_add(key, &value, sizeof(value));
}

void pf_key_add_u64(struct pf_key *key, uint64_t value)
{
	key_add(key, &value, sizeof(value));
}

void pf_key_add_address(struct pf_key *key, const struct pf_address *address)
{
	key_add(key, address->bytes, pf_address_size(address));
}

struct element *set_element_new(struct pf_set *set)
{
	if (set->n_elements == set->elements_capacity) {
		size_t capacity = set->elements_capacity ? 2 * set->elements_capacity : 4;
		struct element *elements = reallocarray(set->elements, capacity, sizeof(*elements));
		if (!elements) {
			ruleset_fail(set->table->ruleset, -ENOMEM, "no memory");
			return NULL;
		}
		set->elements = elements;
		set->elements_capacity = capacity;
	}
	struct element *element = &set->elements[set->n_elements++];
	memset(element, 0, sizeof(*element));
	return element;
}

/* The last field of a concatenation is padded too. */
static size_t key_length(const struct pf_set *set, const struct pf_key *key)
{
	return set->is_concatenation ? (key->length + 3u) & ~3u : key->length;
}

static struct element *element_add(struct pf_set *set, const struct pf_key *key, enum pf_data data)
{
	if (!set || set->table->ruleset->error)
		return NULL;
	size_t length = key_length(set, key);
	if (length != set->key_length || set->data != data || set->is_interval || set->is_dynamic) {
		ruleset_fail(set->table->ruleset, -EINVAL,
			     "set %s: an element of %zu bytes does not fit", set->name, length);
		return NULL;
	}
	struct element *element = set_element_new(set);
	if (element)
		memcpy(element->key, key->bytes, key->length);
	return element;
}

void pf_element_add(struct pf_set *set, const struct pf_key *key)
{
	element_add(set, key, PF_DATA_NONE);
}

void pf_element_add_verdict(struct pf_set *map, const struct pf_key *key, enum pf_verdict verdict,
			    const char *chain)
{
	struct element *element = element_add(map, key, PF_DATA_VERDICT);

	if (!element)
		return;
	element->verdict = verdict;
	if (chain)
		name_copy(map->table->ruleset, element->chain, chain);
}

void pf_element_add_mark(struct pf_set *map, const struct pf_key *key, uint32_t mark)
{
	struct element *element = element_add(map, key, PF_DATA_MARK);

	if (element)
		element->mark = mark;
}

void pf_element_add_prefix(struct pf_set *set, const struct pf_prefix *prefix)
{
	if (!set || set->table->ruleset->error)
		return;
	size_t size = pf_address_size(&prefix->address);
	if (!set->is_interval || set->is_concatenation || set->key_length != size)
		return ruleset_fail(set->table->ruleset, -EINVAL, "set %s holds no such prefix",
				    set->name);
	struct element *element = set_element_new(set);
	if (!element)
		return;
	memcpy(element->key, prefix->address.bytes, size);
	for (size_t i = 0; i < size; i++) {
		int bits = (int)prefix->length - (int)(8 * i);
		uint8_t host = bits >= 8 ? 0 : bits <= 0 ? 0xff : (uint8_t)(0xff >> bits);
		element->key_end[i] = element->key[i] | host;
	}
}

void pf_element_add_range(struct pf_set *set, const struct pf_key *first, const struct pf_key *last)
{
	if (!set || set->table->ruleset->error)
		return;
	if (!set->is_interval || key_length(set, first) != set->key_length ||
	    key_length(set, last) != set->key_length)
		return ruleset_fail(set->table->ruleset, -EINVAL, "set %s holds no such range",
				    set->name);
	struct element *element = set_element_new(set);
	if (!element)
		return;
	memcpy(element->key, first->bytes, first->length);
	memcpy(element->key_end, last->bytes, last->length);
}
