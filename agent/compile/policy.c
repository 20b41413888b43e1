/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A decision as chains. A chain is a row of sections, in the order of policy/verdict.c; a section is what rules
 * with one effect match together, as at most five look-ups in sets however many rules there are:
 *
 *	NAME	Admin tier: accepted -> return, denied -> end, passed -> NAME-n
 *	NAME-n	(or in NAME, where nothing passes) NetworkPolicies or Baseline tier; -> NAME-d or in place
 *	NAME-d	the agent's allow list -> return, else -> end
 *
 * Where policies are on trial, what the others allow goes through the same once more with them, as NAME-t...,
 * and ends in `audit` where it would be denied. Chains of packets that the node itself sends end in -out.
 *
 * A set is named by what it holds, so that equal ones are one, and one that changes is another: it is filled
 * before the rules that look at it (podfence/plan.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "compile/internal.h"
#include "compile/match.h"
#include "policy/verdict.h"

/* One walk through a decision, as the interpreter makes them. */
struct walk {
	const struct compiler *compiler;
	const struct decision *decision;
	bool is_output;
	bool has_trials;
	struct pf_chain *chain; /* where rules go now */
	char rest[PF_NAME_MAX]; /* chain of the NetworkPolicies where Pass leads to it; "" */
	char last[PF_NAME_MAX]; /* of the default where something leads to it; "" */
};

/* Where a section leads: a verdict, or a chain to go to. */
struct target {
	enum pf_verdict verdict;
	char chain[PF_NAME_MAX];
};

static const struct pf_selector daddr[2] = {{PF_IP_DADDR}, {PF_IP6_DADDR}};

/* Made for every decision at every change, so without printf(). */
static void name_make(const struct walk *walk, const char *part, char name[static PF_NAME_MAX])
{
	_Static_assert(DECISION_NAME_MAX + sizeof("-t-n-out") <= PF_NAME_MAX, "names fit");

	char *end = stpcpy(name, walk->decision->name);
	end = stpcpy(end, walk->has_trials ? "-t" : "");
	end = stpcpy(end, part);
	stpcpy(end, walk->is_output ? "-out" : "");
}

static struct target to_chain(const char *name)
{
	struct target target = {.verdict = PF_GOTO};

	snprintf(target.chain, sizeof(target.chain), "%s", name);
	return target;
}

/* With a record or without. */
static struct target let_out(const struct walk *walk)
{
	if (walk->compiler->config->ledger.allowed == CONFIG_OFF)
		return (struct target){.verdict = PF_RETURN};
	return to_chain(walk->is_output ? ALLOWED_OUT : ALLOWED);
}

/* Allowed by those that are not on trial is not yet the end where others are. */
static struct target allowed(const struct walk *walk)
{
	struct walk trial = *walk;
	char name[PF_NAME_MAX];

	if (walk->has_trials || !walk->decision->has_audit)
		return let_out(walk);
	trial.has_trials = true;
	name_make(&trial, "", name);
	return to_chain(name);
}

static struct target denied(const struct walk *walk)
{
	enum config_mode mode = walk->has_trials ? CONFIG_MODE_AUDIT : walk->decision->mode;

	return to_chain(end_of(mode, walk->decision->action, walk->is_output));
}

/* One element of a set that is being made: it has no padding, so its bytes can be hashed. */
struct element_range {
	struct pf_key first, last;
};

struct element_list {
	struct element_range *ranges;
	size_t n;
};

/* Sets by what they hold: "n4-" and the hash of that. */
static void set_name(const char *kind, const struct element_list *elements,
		     char name[static PF_NAME_MAX])
{
	static const uint8_t key[16] = "podfence set";
	struct siphash128 hash = siphash128(key, elements->ranges,
					    elements->n * sizeof(*elements->ranges));
	char *end = stpcpy(stpcpy(name, kind), "-");

	for (size_t i = 0; i < 10; i++)
		end += sprintf(end, "%02x", hash.bytes[i]);
}

/* The set, unless it is there: then it holds the same. And the rule that looks at it. */
static void section_set(const struct walk *walk, const char *kind, struct element_list *elements,
			const struct pf_selector *selectors, size_t n, const struct target *target)
{
	const struct pf_set_options options = {.is_interval = true};
	struct pf_table *table = walk->compiler->inet;
	char name[PF_NAME_MAX];

	set_name(kind, elements, name);
	if (!pf_set_find(table, name)) {
		struct pf_set *set = pf_set_add(table, name, &options, selectors, n);
		for (size_t i = 0; set && i < elements->n; i++)
			pf_element_add_range(set, &elements->ranges[i].first,
					     &elements->ranges[i].last);
	}
	struct pf_rule *rule = pf_rule_add(walk->chain);
	pf_rule_lookup(rule, name, selectors, n);
	pf_rule_verdict(rule, target->verdict, target->chain[0] ? target->chain : NULL);
	free(elements->ranges);
}

/* Room for n elements; false: none are wanted, or there is no memory. */
static bool elements_begin(const struct walk *walk, struct element_list *elements, size_t n)
{
	*elements = (struct element_list){n ? calloc(n, sizeof(*elements->ranges)) : NULL, n};
	if (n && !elements->ranges)
		pf_table_fail(walk->compiler->inet, -ENOMEM, "no memory");
	return elements->ranges != NULL;
}

static void range_add_addresses(struct element_range *element, const struct range *range,
				int family)
{
	struct pf_address address = {.family = family ? AF_INET6 : AF_INET};
	size_t size = pf_address_size(&address);

	memcpy(address.bytes, range->first, size);
	pf_key_add_address(&element->first, &address);
	memcpy(address.bytes, range->last, size);
	pf_key_add_address(&element->last, &address);
}

static void range_add_port(struct element_range *element, const struct policy_port *port)
{
	pf_key_add_u8(&element->first, port->protocol);
	pf_key_add_port(&element->first, port->first);
	pf_key_add_u8(&element->last, port->protocol);
	pf_key_add_port(&element->last, port->last);
}

static void section_networks(const struct walk *walk, const struct range_list *networks, int family,
			     const struct target *target)
{
	struct element_list elements;

	if (!elements_begin(walk, &elements, networks->n))
		return;
	for (size_t i = 0; i < networks->n; i++)
		range_add_addresses(&elements.ranges[i], &networks->ranges[i], family);
	section_set(walk, family ? "n6" : "n4", &elements, &daddr[family], 1, target);
}

static void section_services(const struct walk *walk, const struct port_list *services,
			     const struct target *target)
{
	static const struct pf_selector selectors[] = {{PF_L4PROTO}, {PF_TH_DPORT}};
	struct element_list elements;

	if (!elements_begin(walk, &elements, services->n))
		return;
	for (size_t i = 0; i < services->n; i++)
		range_add_port(&elements.ranges[i], &services->ports[i]);
	section_set(walk, "s", &elements, selectors, 2, target);
}

static void section_boxes(const struct walk *walk, const struct box_list *boxes, int family,
			  const struct target *target)
{
	const struct pf_selector selectors[] = {daddr[family], {PF_L4PROTO}, {PF_TH_DPORT}};
	struct element_list elements;

	if (!elements_begin(walk, &elements, boxes->n))
		return;
	for (size_t i = 0; i < boxes->n; i++) {
		range_add_addresses(&elements.ranges[i], &boxes->boxes[i].range, family);
		range_add_port(&elements.ranges[i], &boxes->boxes[i].port);
	}
	section_set(walk, family ? "b6" : "b4", &elements, selectors, 3, target);
}

/* Consumes the match. True where it matches everything: nothing after it is reached. */
static bool section_end(const struct walk *walk, struct match *match, const struct target *target)
{
	const struct compiler *compiler = walk->compiler;
	struct pf_prefix nat64[NAT64_MAX];
	bool is_everything = match->is_everything;

	if (is_everything) {
		pf_rule_verdict(pf_rule_add(walk->chain), target->verdict,
				target->chain[0] ? target->chain : NULL);
	} else if (match_finish(match, nat64, nat64_prefixes(compiler, nat64)) < 0) {
		pf_table_fail(compiler->inet, -ENOMEM, "no memory");
	} else {
		for (int family = 0; family < 2; family++) {
			section_networks(walk, &match->networks[family], family, target);
			section_boxes(walk, &match->boxes[family], family, target);
		}
		section_services(walk, &match->services, target);
	}
	match_done(match);
	return is_everything;
}

static bool takes_part(const struct walk *walk, const struct policy *policy, enum policy_tier tier)
{
	return policy->tier == tier && (walk->has_trials || !policy->is_audit);
}

/* What a rule does; false: nothing. */
static bool rule_action(const struct policy_rule *rule, enum policy_action *ret_action)
{
	enum rule_effect effect = policy_rule_effect(rule);

	*ret_action = effect == RULE_DENIES_ALL ? POLICY_DENY : rule->action;
	return effect != RULE_MATCHES_NOTHING;
}

static void match_rule(struct match *match, const struct policy_rule *rule)
{
	if (policy_rule_effect(rule) == RULE_DENIES_ALL)
		match->is_everything = true;
	else
		match_add(match, rule);
}

/* The rules of a tier in their order: neighbours with one action are one section. True where the last of them
 * matches everything. */
static bool tier(const struct walk *walk, enum policy_tier tier, const struct target *passed)
{
	const struct decision *decision = walk->decision;
	const struct target targets[] = {
		[POLICY_ACCEPT] = allowed(walk),
		[POLICY_DENY] = denied(walk),
		[POLICY_PASS] = *passed,
	};
	enum policy_action action, current = POLICY_ACCEPT;
	struct match match = {};

	for (size_t i = 0; i < decision->n_policies; i++) {
		const struct policy *policy = decision->policies[i];
		for (size_t k = 0; takes_part(walk, policy, tier) && k < policy->n_rules; k++) {
			if (!rule_action(&policy->rules[k], &action))
				continue;
			if (action != current && section_end(walk, &match, &targets[current]))
				return true;
			current = action;
			match_rule(&match, &policy->rules[k]);
		}
	}
	return section_end(walk, &match, &targets[current]);
}

static bool has_pass(const struct walk *walk, enum policy_tier tier)
{
	const struct decision *decision = walk->decision;
	enum policy_action action;

	for (size_t i = 0; i < decision->n_policies; i++)
		for (size_t k = 0; takes_part(walk, decision->policies[i], tier) &&
				   k < decision->policies[i]->n_rules;
		     k++)
			if (rule_action(&decision->policies[i]->rules[k], &action) &&
			    action == POLICY_PASS)
				return true;
	return false;
}

static bool is_isolated(const struct walk *walk)
{
	for (size_t i = 0; i < walk->decision->n_policies; i++)
		if (takes_part(walk, walk->decision->policies[i], POLICY_TIER_NETWORK_POLICY))
			return true;
	return false;
}

static void add_target(const struct walk *walk, const struct target *target)
{
	/* A chain that ends returns. */
	if (target->verdict != PF_RETURN)
		pf_rule_verdict(pf_rule_add(walk->chain), target->verdict, target->chain);
}

/* The agent's allow list, then its mode. */
static void add_last(struct walk *walk)
{
	const struct policy *own = walk->decision->own;
	const struct target good = allowed(walk);
	struct target target = denied(walk);
	struct match match = {};

	if (walk->last[0])
		walk->chain = pf_chain_add(walk->compiler->inet, walk->last);
	for (size_t i = 0; own && i < own->n_rules; i++)
		match_rule(&match, &own->rules[i]);
	bool is_all = section_end(walk, &match, &good);
	if (walk->decision->mode != CONFIG_MODE_DENY && walk->decision->mode != CONFIG_MODE_AUDIT)
		target = good;
	if (!is_all)
		add_target(walk, &target);
}

/* Where NetworkPolicies select the pod: what they list has to pass the default where there is a ceiling, and
 * nothing else is allowed. True: nothing goes on to the default in this chain. */
static bool add_network_policies(struct walk *walk)
{
	const struct decision *decision = walk->decision;
	const struct target listed = decision->has_ceiling ? to_chain(walk->last) : allowed(walk);
	const struct target other = denied(walk);
	struct match match = {};

	for (size_t i = 0; i < decision->n_policies; i++) {
		const struct policy *policy = decision->policies[i];
		for (size_t k = 0;
		     takes_part(walk, policy, POLICY_TIER_NETWORK_POLICY) && k < policy->n_rules;
		     k++)
			if (policy_rule_effect(&policy->rules[k]) == RULE_AS_WRITTEN)
				match_add(&match, &policy->rules[k]);
	}
	if (!section_end(walk, &match, &listed))
		add_target(walk, &other);
	return true;
}

static void add_rest(struct walk *walk)
{
	bool is_done;

	if (walk->rest[0])
		walk->chain = pf_chain_add(walk->compiler->inet, walk->rest);
	if (is_isolated(walk)) {
		is_done = add_network_policies(walk);
	} else {
		const struct target passed = to_chain(walk->last);
		is_done = tier(walk, POLICY_TIER_BASELINE, &passed);
	}
	if (walk->last[0] && !is_done)
		pf_rule_verdict(pf_rule_add(walk->chain), PF_GOTO, walk->last);
	if (walk->last[0] || !is_done)
		add_last(walk);
}

static void add_walk(struct walk *walk)
{
	char name[PF_NAME_MAX];

	name_make(walk, "", name);
	walk->chain = pf_chain_add(walk->compiler->inet, name);
	if (has_pass(walk, POLICY_TIER_ADMIN))
		name_make(walk, "-n", walk->rest);
	if (is_isolated(walk) ? walk->decision->has_ceiling : has_pass(walk, POLICY_TIER_BASELINE))
		name_make(walk, "-d", walk->last);
	const struct target passed = to_chain(walk->rest);
	bool is_done = tier(walk, POLICY_TIER_ADMIN, &passed);
	if (walk->rest[0] && !is_done)
		pf_rule_verdict(pf_rule_add(walk->chain), PF_GOTO, walk->rest);
	if (walk->rest[0] || !is_done)
		add_rest(walk);
}

static void add_decision(const struct compiler *compiler, const struct decision *decision,
			 bool is_output)
{
	for (unsigned trials = 0; trials <= decision->has_audit; trials++) {
		struct walk walk = {
			.compiler = compiler,
			.decision = decision,
			.is_output = is_output,
			.has_trials = trials,
		};
		add_walk(&walk);
	}
}

/* As the ruleset before has them; false where it does not. */
static bool share_decision(const struct compiler *compiler, const struct decision *decision,
			   bool is_output)
{
	static const char *const parts[] = {"", "-n", "-d"};
	char name[PF_NAME_MAX];

	if (!decisions_have(compiler->before_decisions, decision))
		return false;
	for (unsigned trials = 0; trials <= decision->has_audit; trials++) {
		struct walk walk = {
			.decision = decision,
			.is_output = is_output,
			.has_trials = trials,
		};
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			name_make(&walk, parts[i], name);
			if (!pf_chain_share(compiler->inet, compiler->before, name) && !i)
				return false;
		}
	}
	return true;
}

/* Which of a decision's chains are used: those of forwarded packets, those of the node's own. */
struct uses {
	bool is_used[2];
};

static void find_uses(const struct compiler *compiler, struct uses *uses)
{
	const struct snapshot *snapshot = compiler->snapshot;

	uses[0] = (struct uses){{true, true}}; /* the default's are always there */
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		uses[compiler->decisions->of[i]]
			.is_used[snapshot->endpoints[i].kind != ENDPOINT_POD] = true;
}

static void add_default(const struct compiler *compiler)
{
	const struct decision decision = {
		.name = DECISION_DEFAULT,
		.mode = compiler->config->fallback.mode,
		.action = compiler->config->fallback.action,
	};

	add_decision(compiler, &decision, false);
	add_decision(compiler, &decision, true);
}

void compile_policies(const struct compiler *compiler)
{
	const struct decisions *decisions = compiler->decisions;

	if (!decisions) {
		add_default(compiler);
		return;
	}
	struct uses *uses = calloc(decisions->n_distinct, sizeof(*uses));
	if (!uses) {
		pf_table_fail(compiler->inet, -ENOMEM, "no memory");
		return;
	}
	find_uses(compiler, uses);
	for (size_t i = 0; i < decisions->n_distinct; i++)
		for (unsigned is_output = 0; is_output < 2; is_output++)
			if (uses[i].is_used[is_output] &&
			    !share_decision(compiler, decisions->distinct[i], is_output))
				add_decision(compiler, decisions->distinct[i], is_output);
	free(uses);
}
