/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>
#include <podfence/nflog.h>
#include <podfence/packet.h>

#include "base/buffer.h"
#include "compile/rulebook.h"
#include "inventory/snapshot.h"
#include "policy/verdict.h"

/* One thing that happened, joined from a record, the snapshot and the rulebook of its time. */
struct event {
	const struct pf_nflog_record *record;
	struct pf_packet packet;
	bool has_packet; /* false: packet_error says why */
	int packet_error;
	struct prefix_meaning meaning;
	enum rule_verdict verdict;
	const struct endpoint *endpoint; /* NULL: attribution says why */
	const char *attribution; /* "link", "link (...)", "cgroup", or "none: ..."; static text */
	/* The record's devices as the snapshot's view knows them; NULL where it does not. */
	const struct node_link *link_in, *link_out, *port_in;
	/* What its endpoint's decision says of it, where a policy may be the cause. */
	bool has_ruling;
	bool is_outdated; /* the decision would not have led here: the rules had just changed */
	struct ruling ruling;
	bool is_metadata;      /* the destination is a cloud metadata address */
	bool is_midstream;     /* TCP without SYN: accuses nobody */
	uint64_t time_usec;    /* CLOCK_REALTIME of the packet, or of reading it */
	uint64_t created_usec; /* CLOCK_REALTIME when the agent read it */
	uint64_t sequence;     /* counts this agent's events */
};

enum {
	EVENT_E_FOREIGN = 1, /* the prefix is not one of ours: no event */
};

/* Pure. Who sent it and what happened to it; time and sequence are the caller's to set.
 * snapshot NULL: there is none yet, so nobody is named. */
PF_MUST_CHECK int event_attribute(const struct pf_nflog_record *record,
				  const struct snapshot *snapshot, const struct rulebook *rulebook,
				  struct event *ret_event);

/* Members of the event that are the same for the whole life of the agent. */
struct event_context {
	const char *node_name;
	const char *cluster_name; /* "": left out */
	const char *version;
	const char *agent_id; /* distinguishes event ids of two agent lives: hexadecimal */
};

/* The constant members of an endpoint's events, for snapshot's event_members. endpoint NULL: those
 * of an event that names nobody. */
void event_endpoint_members(const struct endpoint *endpoint, const struct event_context *context,
			    struct buffer *buffer);

/* One ECS 8.11 object and a newline, appended to the buffer. Pure. An endpoint without
 * event_members has them made for this event alone, which costs as much as all the rest. */
void event_format(const struct event *event, const struct event_context *context,
		  const struct rulebook *rulebook, struct buffer *buffer);
