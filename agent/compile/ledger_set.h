/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>
#include <podfence/ruleset.h>

/* The sets of the ledger, which the rules fill and the agent reads. Each element is one flow and counts its
 * packets and bytes. The key says whose it is and where it goes:
 *
 *	forwarded	iif . saddr . daddr . protocol [ . port ]
 *	denied, of the node's own sockets	endpoint index (packet mark) . daddr . protocol [ . port ]
 *	audited and allowed, of the same	cgroup id . daddr . protocol [ . port ]
 *
 * where the port is the destination port, of ICMP type and code. */

enum ledger_class {
	LEDGER_DENIED,
	LEDGER_AUDITED,
	LEDGER_ALLOWED, /* let out to external addresses: packets that begin a connection */
	LEDGER_CLASS_N
};

enum ledger_kind {
	LEDGER_PORTS, /* TCP with SYN, UDP, SCTP, DCCP, UDP-Lite, ICMP */
	LEDGER_REST,  /* without a port: other protocols, and TCP without SYN */
	LEDGER_OVER, /* of whom alone: packets of flows that were not taken in; not of allowed ones */
	LEDGER_KIND_N
};

struct ledger_set {
	const char *name;
	enum ledger_class class;
	enum ledger_kind kind;
	bool is_output;
	uint8_t family; /* AF_INET, AF_INET6; 0: either, nothing in the key tells */
};

extern const struct ledger_set ledger_sets[];
extern const size_t n_ledger_sets;

/* NULL: there is no such set. */
const struct ledger_set *ledger_set_find(enum ledger_class class, enum ledger_kind kind,
					 bool is_output, uint8_t family);

/* The key's fields; of PF_CGROUP the level is left to the rule. `is_icmp` decides what stands for the port.
 * Returns how many. */
size_t ledger_set_selectors(const struct ledger_set *set, bool is_icmp,
			    struct pf_selector ret_selectors[static PF_SELECTORS_MAX]);
