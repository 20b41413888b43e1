/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Objects of one table by their names. Names live in the objects, which outlive the index. */
struct name_index {
	struct name_entry {
		const char *name; /* NULL: free */
		void *object;
		size_t hash;
	} * entries;
	size_t n, capacity; /* capacity is a power of two, or 0 */
};

size_t name_hash(const char *name);
void *name_index_find(const struct name_index *index, const char *name);
/* The same where the hash is known. */
void *name_index_find_hashed(const struct name_index *index, const char *name, size_t hash);
/* False: no memory. The name must not be there yet. */
bool name_index_add(struct name_index *index, const char *name, size_t hash, void *object);
void name_index_done(struct name_index *index);
