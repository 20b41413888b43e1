/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>
#include <podfence/packet.h>

#include "ledger/flow_key.h"

/* What is known of a flow by its first packet; the rest of it only counts. */
struct flow_detail {
	uint32_t link_out, port_in;
	bool has_uid, has_gid;
	uint32_t uid, gid;
	struct pf_packet packet;
};

/* Packets and bytes. */
struct flow_count {
	uint64_t packets, bytes;
};

/* One flow of the ledger, as the agent keeps it while the kernel does. */
struct flow {
	struct flow *next; /* of the same bucket */
	struct flow_key key;
	uint8_t id[16];	   /* of all its events, over restarts of the agent too */
	enum rule_id rule; /* RULE_N: not known, no packet of it was seen */
	bool has_detail;   /* else its message was lost, or it is older than the agent */
	bool is_fresh;	   /* counted before its message came: that may still be on the way */
	uint64_t owner;	   /* cgroup id of the endpoint it is reported for; 0: nobody */
	uint64_t sequence; /* events told */
	uint64_t start_usec, moved_usec,
		told_usec;	  /* CLOCK_REALTIME: begun, last seen to count, told */
	struct flow_count seen;	  /* what its element said last */
	struct flow_count before; /* what elements of it said that are gone (the set was flushed) */
	struct flow_count told;	  /* in events, all together */
	struct flow_detail detail;
	const void *extra; /* of whoever made it; NULL: nothing */
};

struct flow_count flow_total(const struct flow *flow);
/* Not told yet. */
struct flow_count flow_untold(const struct flow *flow);
/* Its element says this now. True where it has moved. */
bool flow_see(struct flow *flow, const struct flow_count *count, uint64_t now_usec);

struct flow_times {
	uint64_t report_usec, idle_usec;
};

enum flow_due { FLOW_DUE_NOTHING, FLOW_DUE_START, FLOW_DUE_UPDATE, FLOW_DUE_END };
/* What is to be told of it now, as of the last reading. */
enum flow_due flow_due(const struct flow *flow, const struct flow_times *times, uint64_t now_usec);

/* All of them, by key. Keys are chosen by whoever sends: the hash is keyed. */
struct flow_table;

PF_MUST_CHECK int flow_table_new(const uint8_t secret[static 16], struct flow_table **ret_table);
struct flow_table *flow_table_free(struct flow_table *table);
/* What happens to the `extra` of a flow that goes. */
typedef void (*flow_extra_fn)(const void *extra, void *userdata);
void flow_table_on_extra(struct flow_table *table, flow_extra_fn fn, void *userdata);
struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key);
/* One that is not there yet. `salt` tells this flow from all others with its key, ever: begun when and on
 * which node. NULL: no memory. */
struct flow *flow_table_add(struct flow_table *table, const struct flow_key *key,
			    uint64_t start_usec, const char *salt);
void flow_table_remove(struct flow_table *table, struct flow *flow); /* and frees it */
size_t flow_table_count(const struct flow_table *table);
/* One after the other in no order; NULL: begins, or that was all. The flow given may be removed once the next
 * one is known; while flows are added some may be passed over. */
struct flow *flow_table_next(const struct flow_table *table, const struct flow *flow);

typedef void (*flow_fn)(const struct flow *flow, void *userdata);
/* The flows of one bucket, and the cursor to go on with: 0 begins, and 0 again was the last one. Between two
 * calls the table may change and grow: a flow that is there all the time is met once. */
uint64_t flow_table_scan(const struct flow_table *table, uint64_t cursor, flow_fn fn,
			 void *userdata);
