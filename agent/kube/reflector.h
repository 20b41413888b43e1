/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"

/* One resource of the Kubernetes API, listed and then watched, as a state machine without socket,
 * clock and chance: status and bytes of replies go in, the next request and what changed come out.
 *
 *	while (true):
 *		wait until reflector_due()
 *		reflector_begin()  -> request
 *		reflector_status(), reflector_feed() ..., reflector_end()
 */
struct reflector;

#define REFLECTOR_TARGET_MAX 4096

struct reflector_options {
	const char *name;	/* "pods", for messages */
	const char *path;	/* "/api/v1/pods" */
	const char *query;	/* "fieldSelector=spec.nodeName%3Dnode-1", escaped; "": none */
	unsigned page_items;	/* of one page of a list */
	unsigned watch_seconds; /* after which the server ends a watch; up to a quarter more */
	size_t object_limit;	/* bytes of one object; larger ones are refused one by one */
	bool may_be_absent;	/* a kind the server need not know: 404 is no failure */
};

/* What is heard. Between begin and end a list names all there is: what it did not name is gone. A
 * list that fails half way has no end, and the next begin starts over. Functions return 0 or
 * negative errno, which ends the reply as a failure. */
struct reflector_sink {
	void *userdata;
	void (*begin)(void *userdata);
	int (*put)(void *userdata, struct json_object *object, const char *place);
	int (*remove)(void *userdata, struct json_object *object, const char *place);
	int (*end)(void *userdata);
};

struct reflector_request {
	char target[REFLECTOR_TARGET_MAX]; /* path and query */
	bool is_watch;
	unsigned stall_seconds; /* without a byte: the transfer is dead; 0: no limit */
	unsigned total_seconds; /* for all of it */
};

struct reflector_counts {
	uint64_t n_lists, n_watches; /* begun */
	uint64_t n_events, n_bookmarks;
	uint64_t n_refused; /* objects */
};

enum {
	REFLECTOR_E_ENOUGH = 1, /* the rest of this reply is of no use: end it */
};

/* What is refused is named in `report`, which is the caller's to print and empty. Options are
 * copied. */
PF_MUST_CHECK int reflector_new(const struct reflector_options *options,
				const struct reflector_sink *sink, struct report *report,
				struct reflector **ret_reflector);
struct reflector *reflector_free(struct reflector *reflector);

/* When the next request is to begin, in microseconds of the caller's clock; 0: at once. */
uint64_t reflector_due(const struct reflector *reflector);
/* `random`: 32 bits of chance. */
void reflector_begin(struct reflector *reflector, uint64_t now_usec, uint32_t random,
		     struct reflector_request *ret_request);
/* The head of the reply; retry_after_seconds 0: it said nothing of that. */
void reflector_status(struct reflector *reflector, unsigned status, unsigned retry_after_seconds);
/* Its body, in pieces of any size. 0, REFLECTOR_E_ENOUGH or negative errno: then end it. */
PF_MUST_CHECK int reflector_feed(struct reflector *reflector, const char *bytes, size_t length);
/* The reply is over; error: why it broke off, NULL where it came to its end. */
void reflector_end(struct reflector *reflector, const char *error, uint64_t now_usec,
		   uint32_t random);

bool reflector_is_synced(const struct reflector *reflector); /* a list was complete once */
bool reflector_is_absent(const struct reflector *reflector); /* the server knows no such kind */
/* Why it does not work now, a sentence; "" where it does. And how many times in a row. */
const char *reflector_problem(const struct reflector *reflector, unsigned *ret_n_failures);
struct reflector_counts reflector_counts(const struct reflector *reflector);
