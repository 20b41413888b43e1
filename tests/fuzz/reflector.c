/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as replies of an API server: a byte for the size of chunks, then replies that end with
 * 0xff and begin with a byte that says their status. Whole and in chunks they tell the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "reflection.h"

#define REPLIES_MAX 64

static unsigned status_of(uint8_t byte)
{
	static const unsigned statuses[] = {200, 200, 200, 0, 401, 403, 404, 410, 429, 500};

	return statuses[byte % (sizeof(statuses) / sizeof(statuses[0]))];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct reflector_options options = {
		.name = "pods",
		.path = "/api/v1/pods",
		.query = "",
		.page_items = 500,
		.watch_seconds = 300,
		.object_limit = 4096,
		.may_be_absent = length && bytes[0] & 0x80,
	};
	struct reply replies[REPLIES_MAX] = {};
	size_t n = 0;

	for (size_t at = 1; at < length && n < REPLIES_MAX; n++) {
		const uint8_t *end = memchr(bytes + at, 0xff, length - at);
		size_t size = end ? (size_t)(end - bytes) - at : length - at;
		replies[n] = (struct reply){
			.status = size ? status_of(bytes[at]) : 0,
			.body = size > 1 ? (const char *)bytes + at + 1 : NULL,
			.length = size > 1 ? size - 1 : 0,
			.error = size && bytes[at] & 0x80 ? "cut" : NULL,
			.seconds = size ? bytes[at] & 0x40 : 0,
		};
		at += size + 1;
	}
	char *whole = reflect(&options, replies, n, length + 1);
	char *cut = reflect(&options, replies, n, length ? bytes[0] % 32 + 1u : 1);
	if (strcmp(whole, cut) != 0)
		abort();
	free(whole);
	free(cut);
	return 0;
}
