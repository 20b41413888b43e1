/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "compile/ledger_set.h"

/* What a logged packet's prefix means. The prefix is the only thing of a rule that reaches user
 * space, so it is a contract between the compiler and the events: "podfence:RULE" or
 * "podfence:RULE:INDEX", where INDEX is the endpoint index in hexadecimal (audit of host pods; on a
 * packet about to be dropped the mark carries it instead); ":over" behind it: one of the packets whose
 * flows the ledger does not hold. */

struct decisions;
struct prefix_list;

enum rule_id {
	RULE_DENY,    /* a registered endpoint, external destination, nothing allows it */
	RULE_REJECT,  /* the same, answered (TCP reset, ICMP) */
	RULE_AUDIT,   /* the same, let pass */
	RULE_PENDING, /* pod-facing or below a pod root, not registered */
	RULE_PENDING_REJECT,
	RULE_PENDING_AUDIT,
	RULE_SPOOF,	   /* source does not belong to the link it came in by (inet) */
	RULE_SPOOF_BRIDGE, /* the same on a bridge port */
	RULE_SPOOF_OUTPUT, /* host pod sends with a source address the node does not have */
	RULE_TUNNEL,	   /* tunnel transport from a pod-facing link */
	RULE_SPOOF_AUDIT,  /* the same four while the agent's default is audit */
	RULE_SPOOF_BRIDGE_AUDIT,
	RULE_SPOOF_OUTPUT_AUDIT,
	RULE_TUNNEL_AUDIT,
	RULE_SOURCE_ROUTE, /* IPv4 source routing: the destination is not where it goes */
	RULE_SOURCE_ROUTE_AUDIT,
	RULE_QUARANTINE,    /* from an endpoint that is cut off */
	RULE_QUARANTINE_IN, /* to it */
	RULE_ALLOW,	    /* external, and allowed: never logged, told by its count */
	RULE_PACKET,	    /* a frame of a packet socket, to an external destination (netdev) */
	RULE_PACKET_AUDIT,
	RULE_N,
};

enum rule_verdict { VERDICT_DROPPED, VERDICT_REJECTED, VERDICT_WOULD_DROP, VERDICT_ALLOWED };

/* Constant facts of a rule, for events and for `render`. */
struct rule_facts {
	const char *token;	   /* in the prefix: "deny" */
	const char *chain;	   /* "inet podfence/deny" */
	const char *counter;	   /* named counter of its table */
	enum ledger_class class;   /* of its packets in the ledger; LEDGER_CLASS_N: they are not */
	const char *name;	   /* rule.name: "default-deny-external" */
	const char *category;	   /* rule.category: "default", "pending", "spoof", "tunnel" */
	const char *text;	   /* one sentence: why this packet was stopped */
	bool lets_pass;		   /* audit */
	bool allows;		   /* lets pass because it may; nothing is logged */
	bool is_metadata_aware;	   /* the destination decides between external and metadata */
	const char *metadata_name; /* rule.name where it is metadata; NULL where not aware */
	bool rejects;		   /* answers instead of dropping */
	bool asks_policy;	   /* a policy may be what decided: see the ruling */
	bool judges_source;	   /* the source address is what is wrong: it names nobody */
	bool is_inbound;	   /* the endpoint is who would have got it */
	unsigned severity; /* event.severity: 21 low, 47 medium, 73 high, as Kibana cuts it */
};

const struct rule_facts *rule_facts(enum rule_id id);

#define RULE_METADATA_TEXT     "The destination is a cloud metadata address."
#define RULE_METADATA_SEVERITY 73

/* The rulebook of one generation: what the constant facts do not say. */
struct rulebook {
	/* Of the snapshot's endpoints, borrowed: which policy it was that denied. NULL: the agent's default
	 * holds for all. */
	const struct decisions *decisions;
	const struct prefix_list *nat64; /* network.nat64, borrowed */
	uint64_t generation;		 /* counts the rulesets this agent made */
};

struct prefix_meaning {
	enum rule_id rule;
	bool has_index;
	uint32_t index;
	bool is_over; /* the ledger does not hold its flow: one of several such packets */
};

#define RULE_PREFIX_MAX 64

/* Writes the prefix; returns its buffer. */
const char *rule_prefix_format(const struct prefix_meaning *meaning,
			       char buffer[static RULE_PREFIX_MAX]);
/* 0, or -EINVAL for a prefix that is not ours. */
PF_MUST_CHECK int rule_prefix_parse(const char *prefix, struct prefix_meaning *ret_meaning);
