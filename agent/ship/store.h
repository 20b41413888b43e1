/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

#include "ship/event.h"

/* History and spool in one SQLite file in WAL mode, DIRECTORY/events.db. podfence-ship alone
 * writes; anybody who may read file and directory can open it beside (store_open_to_read()).
 *
 *	event     seq        1, 2, 3 ... without gaps; only the oldest ever go
 *	          kind       0 flow, 1 alert, 3 other        (enum ship_kind)
 *	          action     0 dropped, 1 rejected, 2 would-drop, 3 allowed, 4 other
 *	          time       microseconds since 1970
 *	          endpoint   of table endpoint
 *	          destination  x'04' and 4 bytes, or x'06' and 16: a CIDR is a range; NULL: none
 *	          protocol, port, severity, packets, bytes
 *	          id         event.id
 *	          line       the event as it came, JSON text without newline
 *	endpoint  id, kind, namespace, name
 *	output    name, begin, cursor, delivered, dead, dropped, filtered:
 *	          cursor - begin = delivered + dead + dropped + filtered, always
 *	dead      what an output refused for good: output, seq, time, reason, line
 *	seam      agent, received: events of a life of podfenced that are in here
 *	counter   name, value: events that were lost before they got in, by reason
 *
 * Indexes: (destination, time), (endpoint, time), (time). PRAGMA user_version is the schema's. */

struct store;

struct store_options {
	const char *directory;
	uint64_t bytes_max; /* of pages in use */
	uint64_t age_max_usec;
	bool is_unwanted; /* what is there now is set aside, good or not */
};

/* Opens or makes it. One that is damaged, or of a later version, is set aside under another name,
 * which is told; NULL where none was. */
PF_MUST_CHECK int store_open(const struct store_options *options, struct store **ret_store,
			     char **ret_set_aside);
struct store *store_free(struct store *store); /* without a commit; NULL is fine */
/* Of one without events: numbers go on behind `last`, as those of the one before. */
void store_continue(struct store *store, uint64_t last);
/* Why the last call failed. */
const char *store_problem(const struct store *store);
/* The file was deleted or replaced under us. */
bool store_is_gone(const struct store *store);
/* Any call found it a damaged database, in contrast to a full disk. */
bool store_is_damaged(const struct store *store);

/* Writing: what is added is there after the commit. 0 or a negative errno; after a failed commit
 * everything since the last one is lost, ret_lost events. */
PF_MUST_CHECK int store_add(struct store *store, const struct ship_event *event, const char *line,
			    size_t length);
/* How many events of a life of the agent are in here, and from now on. */
PF_MUST_CHECK int store_seam_get(struct store *store, const char *agent, uint64_t *ret_received);
PF_MUST_CHECK int store_seam_set(struct store *store, const char *agent, uint64_t received);
PF_MUST_CHECK int store_count(struct store *store, const char *name, uint64_t more);
PF_MUST_CHECK int store_commit(struct store *store, uint64_t *ret_lost);

/* Whether events could be stored that are not there: writes a mebibyte and deletes it. Not while there is
 * something to commit. */
PF_MUST_CHECK int store_try(struct store *store);
/* There is something to commit. */
bool store_is_writing(const struct store *store);

uint64_t store_last(const struct store *store); /* seq of the newest, 0: none ever */
uint64_t store_committed(const struct store *store);
uint64_t store_first(const struct store *store);
uint64_t store_oldest(struct store *store); /* time of the oldest event, microseconds; 0: none */
uint64_t store_bytes(const struct store *store);

struct store_output {
	uint64_t begin, cursor, delivered, dead, dropped, filtered;
};
/* A new one begins behind what is there. */
PF_MUST_CHECK int store_output_get(struct store *store, const char *name, struct store_output *ret);
PF_MUST_CHECK int store_output_set(struct store *store, const char *name,
				   const struct store_output *output);

struct store_row {
	uint64_t seq, time_usec, packets, bytes;
	enum ship_kind kind;
	enum ship_action action;
	unsigned severity;
	const char *namespace, *name, *endpoint_kind;
	struct pf_address destination;
	uint8_t protocol;
	uint16_t port;
	const char *id; /* event.id, "": it has none */
	const char *line;
	size_t length;
};

PF_MUST_CHECK int store_dead_add(struct store *store, const char *output,
				 const struct store_row *row, const char *reason);

/* What is too much or too old: seq of the last event that has to go; 0: none. */
uint64_t store_excess(struct store *store, uint64_t now_usec);
PF_MUST_CHECK int store_forget(struct store *store, uint64_t up_to);

/* Reading. `take` returns not 0 to end it. */
typedef int (*store_row_fn)(void *userdata, const struct store_row *row);

struct store_query {
	uint64_t after;		      /* seq */
	bool is_tail;		      /* there is little behind it */
	uint64_t up_to;		      /* seq; 0: no bound */
	uint64_t from_usec, to_usec;  /* 0: no bound */
	const char *namespace, *name; /* NULL: any */
	bool has_destination;
	struct pf_address lowest, highest; /* of one family */
	bool newest_first;
	uint64_t limit; /* 0: none */
};

PF_MUST_CHECK int store_open_to_read(const char *directory, struct store **ret_store);
PF_MUST_CHECK int store_rows(struct store *store, const struct store_query *query,
			     store_row_fn take, void *userdata);

/* Flows: events of one endpoint, destination, protocol and port, added up; in no order. */
struct store_flow {
	const char *namespace, *name, *endpoint_kind;
	struct pf_address destination;
	uint8_t protocol;
	uint16_t port;
	uint64_t events, packets, last_usec;
};
typedef int (*store_flow_fn)(void *userdata, const struct store_flow *flow);
PF_MUST_CHECK int store_flows(struct store *store, uint64_t from_usec, store_flow_fn take,
			      void *userdata);
