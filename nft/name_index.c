/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Open addressing, linear probing, at most half full. The hash (FNV-1a) has no key: nobody but the builder
 * chooses the names. */
#include "name_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t name_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
	return (size_t)(hash ^ hash >> 32);
}

/* Where it stands, or the free entry where it belongs. */
static struct name_entry *place_of(const struct name_index *index, const char *name, size_t hash)
{
	size_t mask = index->capacity - 1, at = hash & mask;

	while (index->entries[at].name &&
	       (index->entries[at].hash != hash ||
		(index->entries[at].name != name && strcmp(index->entries[at].name, name) != 0)))
		at = (at + 1) & mask;
	return &index->entries[at];
}

void *name_index_find(const struct name_index *index, const char *name)
{
	return name_index_find_hashed(index, name, name_hash(name));
}

void *name_index_find_hashed(const struct name_index *index, const char *name, size_t hash)
{
	return index->n ? place_of(index, name, hash)->object : NULL;
}

static bool grow(struct name_index *index)
{
	struct name_index grown = {.capacity = index->capacity ? 2 * index->capacity : 16};

	grown.entries = calloc(grown.capacity, sizeof(*grown.entries));
	if (!grown.entries)
		return false;
	for (size_t i = 0; i < index->capacity; i++)
		if (index->entries[i].name)
			*place_of(&grown, index->entries[i].name,
				  index->entries[i].hash) = index->entries[i];
	grown.n = index->n;
	free(index->entries);
	*index = grown;
	return true;
}

bool name_index_add(struct name_index *index, const char *name, size_t hash, void *object)
{
	if (2 * (index->n + 1) > index->capacity && !grow(index))
		return false;
	*place_of(index, name, hash) = (struct name_entry){name, object, hash};
	index->n++;
	return true;
}

void name_index_done(struct name_index *index)
{
	free(index->entries);
	*index = (struct name_index){};
}
