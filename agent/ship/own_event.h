/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>

#include "base/json.h"

/* What event lines of the shipper's own (alerts, what befell the store) have in common: the leading
 * members that every line has, in the order that collectors look for, and who says it. Pure but for
 * the count. */
struct own_author {
	char node[256]; /* host.name where no event names it */
	const char *version;
	uint64_t sequence; /* counts this shipper's events */
};

/* "@timestamp", "log", "message" and "ecs" of an object that was begun. */
void own_event_head(struct json *json, uint64_t time_usec, const char *level, const char *message);
void own_event_time(struct json *json, const char *key, uint64_t usec);
/* "sequence" and "created", inside of "event"; both of the real-time clock. */
void own_event_stamp(struct json *json, struct own_author *author, uint64_t created_usec);
void own_event_host(struct json *json, const struct own_author *author);
void own_event_observer(struct json *json, const struct own_author *author);

/* The store was begun anew; `name` is what was set aside. No newline. */
void own_event_set_aside(struct json *json, struct own_author *author, uint64_t now_usec,
			 const char *name);
