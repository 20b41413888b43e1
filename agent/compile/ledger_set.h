/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>
#include <podfence/ruleset.h>

/* The sets of the ledger, which the rules fill and the agent reads. Each element counts the packets and bytes of
 * one flow, or of one sender as a whole. The key of a flow says whose it is and where it goes:
 *
 *	WHO . daddr . protocol [ . port ]
 *
 * where the port is the destination port, of ICMP type and code. The key of a sender is WHO alone. */

enum ledger_class {
	LEDGER_DENIED,
	LEDGER_AUDITED,
	LEDGER_ALLOWED, /* let out to external addresses: packets that begin a connection */
	/* Stopped (or audited) wherever they go: by sender alone. */
	LEDGER_SPOOFED,
	LEDGER_TUNNELED,
	LEDGER_QUARANTINED,
	LEDGER_BACKSTOPPED, /* frames of packet sockets: nobody's but the device's they leave by */
	LEDGER_CLASS_N
};

/* "denied" */
const char *ledger_class_name(enum ledger_class class);
/* False: its packets are counted by sender alone. */
bool ledger_class_has_flows(enum ledger_class class);

enum ledger_kind {
	LEDGER_PORTS, /* TCP with SYN, UDP, SCTP, DCCP, UDP-Lite, ICMP */
	LEDGER_REST,  /* without a port: other protocols, and TCP without SYN */
	LEDGER_OVER,  /* of whom alone: where a class has flows, packets of those not taken in */
	LEDGER_KIND_N
};

enum ledger_who {
	LEDGER_BY_SOURCE, /* forwarded: iif . saddr */
	LEDGER_BY_LINK,	  /* iif: the source is what is wrong. In the bridge table the port */
	LEDGER_BY_INDEX, /* endpoint index, which the rules wrote into the mark of a dying packet */
	LEDGER_BY_CGROUP, /* id, of the node's own sockets whose packet lives on */
	LEDGER_BY_DEVICE, /* oif, in the netdev table: nothing else of a frame is not its sender's to choose */
};

struct ledger_set {
	const char *name;
	enum ledger_class class;
	enum ledger_kind kind;
	enum ledger_who who;
	uint8_t family; /* AF_INET, AF_INET6; 0: either, nothing in the key tells */
	bool is_bridge; /* in the bridge table */
	bool is_inbound;
	const char *pace; /* how fast its senders are logged; NULL: ledger.newFlows decides */
};

extern const struct ledger_set ledger_sets[];
extern const size_t n_ledger_sets;

/* The table it is in. */
enum pf_family ledger_set_family(const struct ledger_set *set);

/* Whose flow a packet is: of the class, at the output hook or forwarded. */
enum ledger_who ledger_flow_who(enum ledger_class class, bool is_output);
/* The one that is `like` in all but its names; its family, too, if it has one. NULL: there is no such set. */
const struct ledger_set *ledger_set_find(const struct ledger_set *like);

/* The key's fields; of PF_CGROUP the level is left to the rule. `is_icmp` decides what stands for the port.
 * Returns how many. */
size_t ledger_set_selectors(const struct ledger_set *set, bool is_icmp,
			    struct pf_selector ret_selectors[static PF_SELECTORS_MAX]);
