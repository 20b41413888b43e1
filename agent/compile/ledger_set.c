/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One table of all sets, for those who fill and those who read them. All of them are there in every
 * ruleset, whatever the configuration says: a set that goes takes its counts along. */
#include "compile/ledger_set.h"

#include <sys/socket.h>

#include "compile/internal.h"

#define FLOW_ROWS(word, class)                                                                     \
	{SET(word "4"), class, LEDGER_PORTS, false, AF_INET},                                      \
		{SET(word "6"), class, LEDGER_PORTS, false, AF_INET6},                             \
		{SET(word "_rest4"), class, LEDGER_REST, false, AF_INET},                          \
		{SET(word "_rest6"), class, LEDGER_REST, false, AF_INET6},                         \
		{SET(word "_out4"), class, LEDGER_PORTS, true, AF_INET},                           \
		{SET(word "_out6"), class, LEDGER_PORTS, true, AF_INET6},                          \
		{SET(word "_out_rest4"), class, LEDGER_REST, true, AF_INET},                       \
	{                                                                                          \
		SET(word "_out_rest6"), class, LEDGER_REST, true, AF_INET6                         \
	}
#define OVER_ROWS(word, class)                                                                     \
	{SET(word "_over4"), class, LEDGER_OVER, false, AF_INET},                                  \
		{SET(word "_over6"), class, LEDGER_OVER, false, AF_INET6},                         \
	{                                                                                          \
		SET(word "_out_over"), class, LEDGER_OVER, true, 0                                 \
	}

const struct ledger_set ledger_sets[] = {
	FLOW_ROWS("denied", LEDGER_DENIED),   OVER_ROWS("denied", LEDGER_DENIED),
	FLOW_ROWS("audited", LEDGER_AUDITED), OVER_ROWS("audited", LEDGER_AUDITED),
	FLOW_ROWS("allowed", LEDGER_ALLOWED),
};
const size_t n_ledger_sets = sizeof(ledger_sets) / sizeof(ledger_sets[0]);

const struct ledger_set *ledger_set_find(enum ledger_class class, enum ledger_kind kind,
					 bool is_output, uint8_t family)
{
	for (size_t i = 0; i < n_ledger_sets; i++) {
		const struct ledger_set *set = &ledger_sets[i];
		if (set->class == class && set->kind == kind && set->is_output == is_output &&
		    (!set->family || set->family == family))
			return set;
	}
	return NULL;
}

/* A packet that is about to die carries whose it was in its mark; the mark of one that lives on is its own. */
static size_t who(const struct ledger_set *set, struct pf_selector *selectors)
{
	if (set->is_output) {
		selectors[0].field = set->class == LEDGER_DENIED ? PF_MARK : PF_CGROUP;
		return 1;
	}
	selectors[0].field = PF_IIF;
	selectors[1].field = set->family == AF_INET ? PF_IP_SADDR : PF_IP6_SADDR;
	return 2;
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
