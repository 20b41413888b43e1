/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The order of the APIs, for destinations outside the cluster:
 *
 *	Admin tier	    by priority; the first rule that matches: Accept, Deny, or Pass to the next tier
 *	NetworkPolicies	    if one selects the pod, only what they list; with a ceiling that still has to pass
 *			    the default
 *	Baseline tier	    only where no NetworkPolicy selects the pod
 *	default		    the agent's allow list, then its mode
 *
 * A policy in audit is on trial: it neither opens nor closes anything. What the others allow and they together
 * with it would deny is let pass and recorded. */
#include "policy/verdict.h"

#include "policy/classify.h"

/* One walk: with the policies on trial or without. */
struct walk {
	const struct decision *decision;
	const struct policy_packet *packet;
	bool has_trials;
	struct ruling ruling;
};

enum tier_end { TIER_SILENT, TIER_PASSED, TIER_DECIDED };

enum rule_effect policy_rule_effect(const struct policy_rule *rule)
{
	if (!rule->has_unknown)
		return RULE_AS_WRITTEN;
	return rule->action == POLICY_ACCEPT ? RULE_MATCHES_NOTHING : RULE_DENIES_ALL;
}

static bool network_matches(const struct policy_network *network, const struct pf_address *address)
{
	if (!pf_prefix_contains(&network->prefix, address))
		return false;
	for (size_t i = 0; i < network->n_except; i++)
		if (pf_prefix_contains(&network->except[i], address))
			return false;
	return true;
}

static bool networks_match(const struct policy_rule *rule, const struct pf_address *address)
{
	for (size_t i = 0; i < rule->n_networks; i++)
		if (network_matches(&rule->networks[i], address))
			return true;
	return rule->matches_all_networks;
}

static bool ports_match(const struct policy_rule *rule, const struct policy_packet *packet)
{
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct policy_port *port = &rule->ports[i];
		if (port->protocol == packet->protocol && packet->has_port &&
		    port->first <= packet->port && packet->port <= port->last)
			return true;
	}
	return rule->matches_all_ports;
}

static bool rule_matches(const struct policy_rule *rule, const struct policy_packet *packet)
{
	return networks_match(rule, &packet->destination) && ports_match(rule, packet);
}

static bool takes_part(const struct walk *walk, const struct policy *policy, enum policy_tier tier)
{
	return policy->tier == tier && (walk->has_trials || !policy->is_audit);
}

static void rule(struct walk *walk, enum ruling_verdict verdict, enum ruling_cause cause,
		 const struct policy *policy, const struct policy_rule *by)
{
	walk->ruling = (struct ruling){verdict, cause, policy, by, false};
}

static enum tier_end walk_rules(struct walk *walk, const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *one = &policy->rules[i];
		enum rule_effect effect = policy_rule_effect(one);
		if (effect == RULE_MATCHES_NOTHING ||
		    (effect == RULE_AS_WRITTEN && !rule_matches(one, walk->packet)))
			continue;
		if (effect == RULE_AS_WRITTEN && one->action == POLICY_PASS)
			return TIER_PASSED;
		bool is_allowed = effect == RULE_AS_WRITTEN && one->action == POLICY_ACCEPT;
		rule(walk, is_allowed ? RULING_ALLOW : RULING_DENY, RULING_BY_RULE, policy, one);
		return TIER_DECIDED;
	}
	return TIER_SILENT;
}

static bool walk_tier(struct walk *walk, enum policy_tier tier)
{
	enum tier_end end = TIER_SILENT;

	for (size_t i = 0; i < walk->decision->n_policies && end == TIER_SILENT; i++)
		if (takes_part(walk, walk->decision->policies[i], tier))
			end = walk_rules(walk, walk->decision->policies[i]);
	return end == TIER_DECIDED;
}

/* What nothing else decides. */
static void walk_default(struct walk *walk, enum ruling_cause cause, const struct policy *policy,
			 const struct policy_rule *listed)
{
	const struct policy *own = walk->decision->own;

	for (size_t i = 0; own && i < own->n_rules; i++)
		if (rule_matches(&own->rules[i], walk->packet)) {
			rule(walk, RULING_ALLOW, RULING_BY_ALLOW_LIST, own, &own->rules[i]);
			return;
		}
	bool is_allowed = walk->decision->mode != CONFIG_MODE_DENY &&
			  walk->decision->mode != CONFIG_MODE_AUDIT;
	rule(walk, is_allowed ? RULING_ALLOW : RULING_DENY, cause, policy, listed);
}

/* True where a NetworkPolicy selects the pod: then it is decided. */
static bool walk_network_policies(struct walk *walk)
{
	const struct policy *first = NULL;

	for (size_t i = 0; i < walk->decision->n_policies; i++) {
		const struct policy *policy = walk->decision->policies[i];
		if (!takes_part(walk, policy, POLICY_TIER_NETWORK_POLICY))
			continue;
		first = first ? first : policy;
		for (size_t k = 0; k < policy->n_rules; k++) {
			const struct policy_rule *one = &policy->rules[k];
			if (policy_rule_effect(one) != RULE_AS_WRITTEN ||
			    !rule_matches(one, walk->packet))
				continue;
			if (walk->decision->has_ceiling)
				walk_default(walk, RULING_BY_CEILING, policy, one);
			else
				rule(walk, RULING_ALLOW, RULING_BY_RULE, policy, one);
			return true;
		}
	}
	if (first)
		rule(walk, RULING_DENY, RULING_BY_ISOLATION, first, NULL);
	return first != NULL;
}

static void walk_all(struct walk *walk)
{
	if (walk_tier(walk, POLICY_TIER_ADMIN) || walk_network_policies(walk) ||
	    walk_tier(walk, POLICY_TIER_BASELINE))
		return;
	walk_default(walk, RULING_BY_DEFAULT, NULL, NULL);
}

void decision_judge(const struct decision *decision, const struct policy_packet *packet,
		    const struct prefix_list *nat64, struct ruling *ret_ruling)
{
	struct policy_packet plain = *packet;
	struct walk walk = {.decision = decision, .packet = &plain};

	address_translate(&packet->destination, nat64, &plain.destination);
	walk_all(&walk);
	struct ruling ruling = walk.ruling;
	if (ruling.verdict == RULING_DENY && decision->mode == CONFIG_MODE_AUDIT)
		ruling.verdict = RULING_AUDIT;
	if (ruling.verdict == RULING_ALLOW && decision->has_audit) {
		walk.has_trials = true;
		walk_all(&walk);
		if (walk.ruling.verdict == RULING_DENY) {
			ruling = walk.ruling;
			ruling.verdict = RULING_AUDIT;
			ruling.is_trial = true;
		}
	}
	*ret_ruling = ruling;
}
