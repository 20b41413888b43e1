/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

#include "base/buffer.h"

#define ITEM_SCANNER_KEY_MAX	64
#define ITEM_SCANNER_MEMBER_MAX (64u << 10) /* bytes of a member beside the items */

/* Cuts a Kubernetes list that arrives in chunks of any size into the texts of its items and of the
 * other members of the top-level object. It checks the structure around these values; what is in
 * them is for a real parser. Pure. */
struct item_scanner {
	int state;
	bool is_scalar, in_string, is_escaped; /* of the value that is collected */
	unsigned depth;			       /* of brackets in it */
	bool is_too_large;
	struct buffer value; /* the value, with a NUL that its length counts */
	char key[ITEM_SCANNER_KEY_MAX];
	size_t key_length;
	bool has_items;
	size_t n_items; /* begun so far */
	size_t item_limit;
	size_t line, offset; /* of what comes next */
	const char *problem;
};

enum {
	ITEM_SCANNER_MORE,	/* all of the chunk is read */
	ITEM_SCANNER_ITEM,	/* value holds an item; call again with the rest */
	ITEM_SCANNER_TOO_LARGE, /* an item was passed over; call again with the rest */
	ITEM_SCANNER_MEMBER,	/* value holds that of another member, key its key */
	ITEM_SCANNER_MALFORMED, /* problem says why */
};

void item_scanner_init(struct item_scanner *scanner, size_t item_limit);
void item_scanner_done(struct item_scanner *scanner);
/* Reads *length bytes at *bytes and advances both; one of ITEM_SCANNER_* or -ENOMEM. Not to be
 * called again after ITEM_SCANNER_MALFORMED. */
PF_MUST_CHECK int item_scanner_feed(struct item_scanner *scanner, const char **bytes,
				    size_t *length);
bool item_scanner_is_complete(const struct item_scanner *scanner);
