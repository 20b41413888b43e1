/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

#include "base/buffer.h"

/* Finds the items of a Kubernetes list in JSON text that arrives in chunks of any size: the
 * top-level object's "kind" and the texts of the objects in its "items" array, one after the other.
 * It checks the structure around them; what is inside an item is for a real parser. Pure. */
struct item_scanner {
	int state;
	bool is_escaped, in_string;
	unsigned depth; /* of brackets inside the value that is passed over or collected */
	char key[16];
	size_t key_length;
	char kind[64];
	size_t kind_length;
	bool has_items;
	size_t n_items;	   /* begun so far */
	size_t offset;	   /* bytes read: the place of an error */
	size_t item_limit; /* larger items are passed over */
	bool is_item_too_large;
	struct buffer item;
};

enum {
	ITEM_SCANNER_MORE,	/* all of the chunk is read */
	ITEM_SCANNER_ITEM,	/* scanner->item holds an item; call again with the rest */
	ITEM_SCANNER_TOO_LARGE, /* an item was passed over; call again with the rest */
	ITEM_SCANNER_MALFORMED, /* at scanner->offset */
};

void item_scanner_init(struct item_scanner *scanner, size_t item_limit);
void item_scanner_done(struct item_scanner *scanner);
/* Reads *length bytes at *bytes and advances both; one of ITEM_SCANNER_* or -ENOMEM. */
PF_MUST_CHECK int item_scanner_feed(struct item_scanner *scanner, const char **bytes,
				    size_t *length);
bool item_scanner_is_complete(const struct item_scanner *scanner);
