/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>
#include <podfence/nflog.h>
#include <podfence/packet.h>

#include "base/buffer.h"
#include "base/json.h"
#include "compile/rulebook.h"
#include "culprit/culprit.h"
#include "inventory/snapshot.h"
#include "policy/verdict.h"

/* A flow of the ledger: its events are about more than one packet. */
enum event_flow_state { EVENT_FLOW_START, EVENT_FLOW_UPDATE, EVENT_FLOW_END };
struct event_flow {
	uint8_t id[16]; /* the same in all its events */
	enum event_flow_state state;
	uint64_t start_usec, end_usec;	     /* CLOCK_REALTIME: first and last packet */
	uint64_t packets, bytes;	     /* since its last event */
	uint64_t packets_total, bytes_total; /* in all its events, with this one */
	bool is_over;	  /* packets of an endpoint whose flows are not kept apart, all together */
	bool has_detail;  /* event.packet is its first packet; else it is what the key says */
	bool hides_ports; /* its packets have several */
};

/* One thing that happened, joined from a record, the snapshot and the rulebook of its time. */
struct event {
	const struct pf_nflog_record *record;
	struct pf_packet packet;
	bool has_packet; /* false: packet_error says why; 0: of flow->is_over there is only a source */
	int packet_error;
	struct prefix_meaning meaning;
	enum rule_verdict verdict;
	const struct endpoint *endpoint; /* NULL: attribution says why */
	const char *attribution; /* "link", "link (...)", "cgroup", or "none: ..."; static text */
	const struct culprit *
		culprit; /* of a flow, of its first packet; NULL: was not asked for; the caller's to set */
	/* The record's devices as the snapshot's view knows them; NULL where it does not. */
	const struct node_link *link_in, *link_out, *port_in;
	/* What its endpoint's decision says of it, where a policy may be the cause. */
	bool has_ruling;
	bool is_outdated; /* the decision would not have led here: the rules had just changed */
	struct ruling ruling;
	const struct event_flow *flow; /* NULL: this one packet */
	bool is_uncounted;	       /* some flow's events count it, and which is not known */
	bool is_metadata;	       /* the destination is a cloud metadata address */
	bool is_midstream;	       /* TCP without SYN: accuses nobody */
	uint64_t time_usec;	       /* CLOCK_REALTIME of the packet, or of reading it */
	uint64_t created_usec;	       /* CLOCK_REALTIME when the agent read it */
	uint64_t sequence;	       /* counts the flow's events; without a flow, this agent's */
};

enum {
	EVENT_E_FOREIGN = 1, /* the prefix is not one of ours: no event */
};

/* Pure. Who sent it and what happened to it; time and sequence are the caller's to set.
 * snapshot NULL: there is none yet, so nobody is named. */
PF_MUST_CHECK int event_attribute(const struct pf_nflog_record *record,
				  const struct snapshot *snapshot, const struct rulebook *rulebook,
				  struct event *ret_event);

/* The same where no packet is to be read: record, packet, has_packet and meaning are set. */
void event_judge(struct event *event, const struct snapshot *snapshot,
		 const struct rulebook *rulebook);

/* Members of the event that are the same for the whole life of the agent. */
struct event_context {
	const char *node_name;
	const char *cluster_name; /* "": left out */
	const char *version;
	const char *agent_id; /* distinguishes event ids of two agent lives: hexadecimal */
};

/* The constant members of an endpoint's events: without a culprit, for snapshot's event_members; with one, as
 * he makes them. endpoint NULL: those of an event that names nobody. */
void event_endpoint_members(const struct endpoint *endpoint, const struct culprit *culprit,
			    const struct event_context *context, struct buffer *buffer);
/* He is in another container than the members without him say. */
bool event_members_differ(const struct endpoint *endpoint, const struct culprit *culprit);

/* process.c: process.*, and what of podfence.* is about it. */
void event_process_add(struct json *json, const struct culprit *culprit);
void event_process_podfence_add(struct json *json, const struct event *event);

/* One ECS 8.11 object and a newline, appended to the buffer. Pure. An endpoint without
 * event_members has them made for this event alone, which costs as much as all the rest. */
void event_format(const struct event *event, const struct event_context *context,
		  const struct rulebook *rulebook, struct buffer *buffer);
