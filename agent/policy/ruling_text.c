/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "policy/ruling_text.h"

#include <stdio.h>
#include <string.h>

const char *policy_kind(const struct policy *policy)
{
	switch (policy->tier) {
	case POLICY_TIER_NETWORK_POLICY: return "NetworkPolicy";
	case POLICY_TIER_AGENT: return "allow list";
	default: return "ClusterNetworkPolicy";
	}
}

const char *policy_tier_name(enum policy_tier tier)
{
	static const char *const names[] = {
		[POLICY_TIER_ADMIN] = "Admin",
		[POLICY_TIER_NETWORK_POLICY] = "NetworkPolicy",
		[POLICY_TIER_BASELINE] = "Baseline",
		[POLICY_TIER_AGENT] = "agent",
	};

	return names[tier];
}

size_t ruling_rule_index(const struct ruling *ruling)
{
	return (size_t)(ruling->rule - ruling->policy->rules);
}

/* "shop/egress" or "edge", with a kind before it. */
static int name_policy(const struct policy *policy, const char *between, char *text, size_t size)
{
	return snprintf(text, size, "%s%s%s%s%s", policy_kind(policy), between, policy->namespace,
			policy->namespace[0] ? "/" : "", policy->name);
}

const char *ruling_name(const struct ruling *ruling, char name[static RULING_NAME_MAX])
{
	size_t n;

	name[0] = '\0';
	if (!ruling->policy || ruling->cause == RULING_BY_CEILING)
		return name;
	name_policy(ruling->policy, "/", name, RULING_NAME_MAX);
	n = strlen(name);
	if (!ruling->rule)
		return name;
	if (ruling->rule->name[0])
		snprintf(name + n, RULING_NAME_MAX - n, "/%s", ruling->rule->name);
	else
		snprintf(name + n, RULING_NAME_MAX - n, "/%zu", ruling_rule_index(ruling));
	return name;
}

static void describe_rule(const struct ruling *ruling, char *text, size_t size)
{
	char policy[RULING_NAME_MAX];
	bool has_name = ruling->rule->name[0];

	if (ruling->policy->tier == POLICY_TIER_AGENT) {
		snprintf(text, size, "%s[%zu]", ruling->policy->name, ruling_rule_index(ruling));
		return;
	}
	name_policy(ruling->policy, " ", policy, sizeof(policy));
	snprintf(text, size, "egress[%zu]%s%s%s of %s", ruling_rule_index(ruling),
		 has_name ? " (" : "", ruling->rule->name, has_name ? ")" : "", policy);
}

static const char *verb(const struct ruling *ruling)
{
	return ruling->verdict == RULING_ALLOW ? "allows" : "denies";
}

const char *ruling_reason(const struct ruling *ruling, char reason[static RULING_REASON_MAX])
{
	const char *end = ruling->is_trial		    ? "; the policy is in audit: it passes"
			  : ruling->verdict == RULING_AUDIT ? "; audit lets it pass"
							    : "";
	char what[RULING_NAME_MAX + 128];

	switch (ruling->cause) {
	case RULING_BY_RULE:
	case RULING_BY_ALLOW_LIST:
		describe_rule(ruling, what, sizeof(what));
		snprintf(reason, RULING_REASON_MAX, "The destination is external; %s %s it%s.",
			 what, verb(ruling), end);
		break;
	case RULING_BY_ISOLATION:
		name_policy(ruling->policy, " ", what, sizeof(what));
		snprintf(reason, RULING_REASON_MAX,
			 "The destination is external; %s selects the sender, and no "
			 "NetworkPolicy that does lists it%s.",
			 what, end);
		break;
	case RULING_BY_CEILING:
		describe_rule(ruling, what, sizeof(what));
		snprintf(reason, RULING_REASON_MAX,
			 "The destination is external; %s lists it, but a NetworkPolicy may not "
			 "widen what the agent's default allows (default.ceiling)%s.",
			 what, end);
		break;
	case RULING_BY_DEFAULT:
		snprintf(reason, RULING_REASON_MAX,
			 "The destination is external and nothing %s it%s.",
			 ruling->verdict == RULING_ALLOW ? "denies" : "allows", end);
		break;
	}
	return reason;
}
