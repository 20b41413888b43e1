/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>

#include "policy/decision.h"

/* What a decision says about one packet: the reference for what the kernel does, and the answer to "why". It
 * walks through policies and rules as they are written. */
struct policy_packet {
	struct pf_address destination; /* not internal: that is not judged */
	uint8_t protocol;	       /* IANA */
	bool has_port;
	uint16_t port; /* of the destination, host order */
};

enum ruling_verdict { RULING_ALLOW, RULING_AUDIT, RULING_DENY };

/* What it rests on. */
enum ruling_cause {
	RULING_BY_RULE, /* of a policy: policy, rule */
	RULING_BY_ISOLATION, /* policy: the first NetworkPolicy that selects it; none of them lists this */
	RULING_BY_ALLOW_LIST, /* the agent's own: policy, rule */
	RULING_BY_CEILING, /* the NetworkPolicy `policy` with `rule` lists it, but may not widen the default */
	RULING_BY_DEFAULT,
};

struct ruling {
	enum ruling_verdict verdict;
	enum ruling_cause cause;
	const struct policy *policy; /* the decision's; NULL where none is the cause */
	const struct policy_rule *rule;
	bool is_trial; /* audited because of a policy in audit, not of the endpoint's mode */
};

/* Pure. `nat64`: prefixes beside 64:ff9b::/96 whose addresses stand for the IPv4 address in them. */
void decision_judge(const struct decision *decision, const struct policy_packet *packet,
		    const struct prefix_list *nat64, struct ruling *ret_ruling);

/* What of a rule counts. A rule with a peer or protocol we do not know "fails closed": Accept matches
 * nothing, Deny and Pass deny all (ClusterNetworkPolicy v1alpha2, spec.egress[].to[]). */
enum rule_effect { RULE_MATCHES_NOTHING, RULE_DENIES_ALL, RULE_AS_WRITTEN };
enum rule_effect policy_rule_effect(const struct policy_rule *rule);
