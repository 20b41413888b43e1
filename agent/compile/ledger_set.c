/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One table of all sets, for those who fill and those who read them. All of a table are there as long as it is,
 * whatever the configuration says: a set that goes takes its counts along. */
#include "compile/ledger_set.h"

#include <sys/socket.h>

#include "compile/internal.h"

#define FLOW_ROWS(word, class, who_out)                                                            \
	{SET(word "4"), class, LEDGER_PORTS, LEDGER_BY_SOURCE, AF_INET},                           \
		{SET(word "6"), class, LEDGER_PORTS, LEDGER_BY_SOURCE, AF_INET6},                  \
		{SET(word "_rest4"), class, LEDGER_REST, LEDGER_BY_SOURCE, AF_INET},               \
		{SET(word "_rest6"), class, LEDGER_REST, LEDGER_BY_SOURCE, AF_INET6},              \
		{SET(word "_out4"), class, LEDGER_PORTS, who_out, AF_INET},                        \
		{SET(word "_out6"), class, LEDGER_PORTS, who_out, AF_INET6},                       \
		{SET(word "_out_rest4"), class, LEDGER_REST, who_out, AF_INET},                    \
	{                                                                                          \
		SET(word "_out_rest6"), class, LEDGER_REST, who_out, AF_INET6                      \
	}
#define OVER_ROWS(word, class, who_out)                                                            \
	{SET(word "_over4"), class, LEDGER_OVER, LEDGER_BY_SOURCE, AF_INET},                       \
		{SET(word "_over6"), class, LEDGER_OVER, LEDGER_BY_SOURCE, AF_INET6},              \
	{                                                                                          \
		SET(word "_out_over"), class, LEDGER_OVER, who_out                                 \
	}
/* What follows the key: family, bridge, inbound. */
#define SENDER(word, class, who, ...)                                                              \
	{                                                                                          \
		SET(word), class, LEDGER_OVER, who, __VA_ARGS__, SET(word "_pace")                 \
	}

const struct ledger_set ledger_sets[] = {
	FLOW_ROWS("denied", LEDGER_DENIED, LEDGER_BY_INDEX),
	OVER_ROWS("denied", LEDGER_DENIED, LEDGER_BY_INDEX),
	FLOW_ROWS("audited", LEDGER_AUDITED, LEDGER_BY_CGROUP),
	OVER_ROWS("audited", LEDGER_AUDITED, LEDGER_BY_CGROUP),
	FLOW_ROWS("allowed", LEDGER_ALLOWED, LEDGER_BY_CGROUP),
	SENDER("spoofed", LEDGER_SPOOFED, LEDGER_BY_LINK, 0, false, false),
	SENDER("spoofed_out", LEDGER_SPOOFED, LEDGER_BY_INDEX, 0, false, false),
	SENDER("spoofed_audited", LEDGER_SPOOFED, LEDGER_BY_CGROUP, 0, false, false),
	SENDER("bridge_spoofed", LEDGER_SPOOFED, LEDGER_BY_LINK, 0, true, false),
	SENDER("tunneled4", LEDGER_TUNNELED, LEDGER_BY_SOURCE, AF_INET, false, false),
	SENDER("tunneled6", LEDGER_TUNNELED, LEDGER_BY_SOURCE, AF_INET6, false, false),
	SENDER("tunneled_out", LEDGER_TUNNELED, LEDGER_BY_INDEX, 0, false, false),
	SENDER("tunneled_audited", LEDGER_TUNNELED, LEDGER_BY_CGROUP, 0, false, false),
	SENDER("quarantined", LEDGER_QUARANTINED, LEDGER_BY_INDEX, 0, false, false),
	SENDER("quarantined_in", LEDGER_QUARANTINED, LEDGER_BY_INDEX, 0, false, true),
	SENDER("bridge_held", LEDGER_QUARANTINED, LEDGER_BY_INDEX, 0, true, false),
	SENDER("bridge_held_in", LEDGER_QUARANTINED, LEDGER_BY_INDEX, 0, true, true),
	SENDER("backstopped", LEDGER_BACKSTOPPED, LEDGER_BY_DEVICE, 0, false, false),
};
const size_t n_ledger_sets = sizeof(ledger_sets) / sizeof(ledger_sets[0]);

const char *ledger_class_name(enum ledger_class class)
{
	static const char *const names[LEDGER_CLASS_N] = {
		[LEDGER_DENIED] = "denied",	      [LEDGER_AUDITED] = "audited",
		[LEDGER_ALLOWED] = "allowed",	      [LEDGER_SPOOFED] = "spoofed",
		[LEDGER_TUNNELED] = "tunneled",	      [LEDGER_QUARANTINED] = "quarantined",
		[LEDGER_BACKSTOPPED] = "backstopped",
	};

	return names[class];
}

bool ledger_class_has_flows(enum ledger_class class)
{
	return class <= LEDGER_ALLOWED;
}

enum pf_family ledger_set_family(const struct ledger_set *set)
{
	if (set->who == LEDGER_BY_DEVICE)
		return PF_FAMILY_NETDEV;
	return set->is_bridge ? PF_FAMILY_BRIDGE : PF_FAMILY_INET;
}

/* A packet that is about to die carries whose it was in its mark; the mark of one that lives on is its own. */
enum ledger_who ledger_flow_who(enum ledger_class class, bool is_output)
{
	if (!is_output)
		return LEDGER_BY_SOURCE;
	return class == LEDGER_DENIED ? LEDGER_BY_INDEX : LEDGER_BY_CGROUP;
}

const struct ledger_set *ledger_set_find(const struct ledger_set *like)
{
	for (size_t i = 0; i < n_ledger_sets; i++) {
		const struct ledger_set *set = &ledger_sets[i];
		if (set->class == like->class && set->kind == like->kind && set->who == like->who &&
		    set->is_bridge == like->is_bridge && set->is_inbound == like->is_inbound &&
		    (!set->family || set->family == like->family))
			return set;
	}
	return NULL;
}

static size_t who(const struct ledger_set *set, struct pf_selector *selectors)
{
	switch (set->who) {
	case LEDGER_BY_SOURCE:
		selectors[0].field = PF_IIF;
		selectors[1].field = set->family == AF_INET ? PF_IP_SADDR : PF_IP6_SADDR;
		return 2;
	case LEDGER_BY_LINK: selectors[0].field = PF_IIF; break;
	case LEDGER_BY_INDEX: selectors[0].field = PF_MARK; break;
	case LEDGER_BY_CGROUP: selectors[0].field = PF_CGROUP; break;
	case LEDGER_BY_DEVICE: selectors[0].field = PF_OIF; break;
	}
	return 1;
}

size_t ledger_set_selectors(const struct ledger_set *set, bool is_icmp,
			    struct pf_selector ret_selectors[static PF_SELECTORS_MAX])
{
	for (size_t i = 0; i < PF_SELECTORS_MAX; i++)
		ret_selectors[i] = (struct pf_selector){};
	size_t n = who(set, ret_selectors);
	if (set->kind == LEDGER_OVER)
		return n;
	ret_selectors[n++].field = set->family == AF_INET ? PF_IP_DADDR : PF_IP6_DADDR;
	ret_selectors[n++].field = PF_L4PROTO;
	if (set->kind == LEDGER_PORTS)
		ret_selectors[n++].field = is_icmp ? PF_TH_SPORT : PF_TH_DPORT;
	return n;
}
