/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whatever a receiver answers: an outcome of those there are, with a reason that can be printed; and
 * each item has one where the whole is good.
 *
 * Input: a byte for the kind of receiver and how many items were sent, two of status, the body. */
#include <stdlib.h>
#include <string.h>

#include "ship/outcome.h"

#include "fuzz.h"

#define ITEMS_MAX 16

static void check_outcome(const struct outcome *outcome)
{
	if (outcome->what > OUTCOME_ANEW ||
	    !memchr(outcome->reason, '\0', sizeof(outcome->reason)) || outcome->wait_seconds > 3600)
		abort();
	for (const char *c = outcome->reason; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct outcome items[ITEMS_MAX], outcome;
	size_t n_items;
	char *body;

	if (length < 3 || !(body = malloc(length - 2)))
		return 0;
	memcpy(body, bytes + 3, length - 3);
	body[length - 3] = '\0';
	memset(items, 0xff, sizeof(items));
	const struct reply reply = {
		.status = (unsigned)(bytes[1] << 8 | bytes[2]) % 1000,
		.retry_after = bytes[2] * 1000u,
		.body = body,
		.length = length - 3,
		.is_cut = bytes[0] & 0x80,
	};
	n_items = 1 + (bytes[0] >> 2) % ITEMS_MAX;
	switch (bytes[0] & 3) {
	case 0: outcome = outcome_of_http(&reply); break;
	case 1: outcome = outcome_of_dingtalk(&reply); break;
	case 2: outcome = outcome_of_kubernetes(&reply, bytes[0] & 4); break;
	default:
		outcome = outcome_of_elastic(&reply, n_items, items);
		for (size_t i = 0; outcome.what == OUTCOME_OK && i < n_items; i++)
			check_outcome(&items[i]);
		break;
	}
	check_outcome(&outcome);
	free(body);
	return 0;
}
