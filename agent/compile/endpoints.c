/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Who is who, as elements, and the chains that ask them. A link that leads to one pod needs only its
 * ifindex: `guard` has proven the source before. Behind a bridge the link is shared, so the pair (bridge,
 * source) decides, and the bridge table proves the pair (port, source). A host pod or a unit is its cgroup id.
 *
 * Whoever the agent's default holds for stands in a plain set, for whom something else does in a verdict map
 * that leads to his chain. One map for all would be one look-up less, but the kernel validates every chain
 * that a map leads to for each element that is added to it: 39 us at 110 pods and linear in the pods, where a
 * set takes 7 (kernel 6.18). Most pods have no policy.
 *
 * An endpoint that is not resolved has no element and therefore meets `pending`. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile/internal.h"

static void add_index(struct pf_set *set, uint32_t index)
{
	struct pf_key key = {};

	pf_key_add_u32(&key, index);
	pf_element_add(set, &key);
}

static void add_id(struct pf_set *set, uint64_t cgroup)
{
	struct pf_key key = {};

	pf_key_add_u64(&key, cgroup);
	pf_element_add(set, &key);
}

static void add_pair(struct pf_set *set, uint32_t link, const struct pf_address *address)
{
	struct pf_key key = {};

	pf_key_add_u32(&key, link);
	pf_key_add_address(&key, address);
	pf_element_add(set, &key);
}

/* Where nothing failed every set exists: the builder makes all look-ups of a failed ruleset moot.
 */
static struct pf_set *find(const struct compiler *compiler, const char *name)
{
	return compiler->inet ? pf_set_find(compiler->inet, name) : NULL;
}

static void add_node(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;
	struct pf_set *uplinks = find(compiler, UPLINKS), *roots = find(compiler, POD_ROOTS);

	for (size_t i = 0; i < snapshot->n_uplinks; i++) /* no set where they are few */
		add_index(uplinks, snapshot->uplinks[i]);
	for (size_t i = 0; i < snapshot->view->n_pod_roots; i++)
		add_id(roots, snapshot->view->pod_roots[i].cgroup);
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		if (snapshot->endpoints[i].kind == ENDPOINT_UNIT)
			add_id(roots, snapshot->endpoints[i].cgroup);
	for (size_t i = 0; i < snapshot->n_exempt; i++) /* no set where there are none */
		add_id(find(compiler, EXEMPT), snapshot->exempt[i].cgroup);
}

static const struct decision *decision_of(const struct compiler *compiler,
					  const struct endpoint *endpoint)
{
	return compiler->decisions ? decisions_of(compiler->decisions, compiler->snapshot, endpoint)
				   : NULL;
}

/* NULL, or the first of the decisions: the agent's default. */
static bool is_default(const struct compiler *compiler, const struct decision *decision)
{
	return !decision || decision == compiler->decisions->distinct[0];
}

/* Into the set of those the default holds for, or into the map of the others. */
static void place(const struct compiler *compiler, const struct decision *decision,
		  const struct pf_key *key, const char *set, const char *map, const char *suffix)
{
	char chain[PF_NAME_MAX];

	if (is_default(compiler, decision)) {
		pf_element_add(find(compiler, set), key);
		return;
	}
	stpcpy(stpcpy(chain, decision->name), suffix);
	pf_element_add_verdict(find(compiler, map), key, PF_GOTO, chain);
}

static void add_attachment(const struct compiler *compiler, const struct endpoint *endpoint,
			   const struct attachment *attachment)
{
	bool is_v4 = attachment->address.family == AF_INET;
	bool is_sole = !attachment->port &&
		       snapshot_find_sole(compiler->snapshot, attachment->link) == endpoint;
	struct pf_key key = {};

	pf_key_add_u32(&key, attachment->link);
	if (!is_sole)
		pf_key_add_address(&key, &attachment->address);
	place(compiler, decision_of(compiler, endpoint), &key,
	      is_sole ? LINKS
	      : is_v4 ? PODS4
		      : PODS6,
	      is_sole ? POLICY_LINKS
	      : is_v4 ? POLICY_PODS4
		      : POLICY_PODS6,
	      "");
}

/* The chain of one audited host pod or unit: its prefix says whose packet it was. And of one pod root, for
 * sockets below it that are nobody's. */
static void add_tag(const struct compiler *compiler, enum rule_id rule, uint64_t cgroup,
		    unsigned level)
{
	const struct ledger_end end = {
		.meaning = {.rule = rule, .has_index = true, .index = (uint32_t)cgroup},
		.is_output = true,
		.level = (uint8_t)level,
	};
	struct pf_key key = {};
	char name[PF_NAME_MAX];

	pf_key_add_u64(&key, cgroup);
	snprintf(name, sizeof(name), "tag-%x", end.meaning.index);
	ledger_add(compiler, pf_chain_add(compiler->inet, name), name, &end);
	pf_element_add_verdict(find(compiler, TAGS), &key, PF_GOTO, name);
}

static void add_cgroup(const struct compiler *compiler, const struct endpoint *endpoint)
{
	const struct decision *decision = decision_of(compiler, endpoint);
	struct pf_key key = {};

	pf_key_add_u64(&key, endpoint->cgroup);
	place(compiler, decision, &key, CGROUPS, POLICY_CGROUPS, "-out");
	pf_element_add(find(compiler, SENDERS), &key);
	pf_element_add_mark(find(compiler, MARKS), &key, endpoint->index);
	if (decision ? decision->mode == CONFIG_MODE_AUDIT || decision->has_audit
		     : compiler->is_audit)
		add_tag(compiler, RULE_AUDIT, endpoint->cgroup, endpoint->level);
	if (compiler->is_audit)
		sender_add_tags(compiler, endpoint->cgroup, endpoint->level);
}

/* One map or set after the other: who stands in one stands in no other. */
static void add_rule(struct pf_chain *chain, const char *set, const char *map,
		     const struct pf_selector *selectors, size_t n, const char *target,
		     bool has_policies)
{
	if (has_policies)
		pf_rule_vmap(pf_rule_add(chain), map, selectors, n);
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_lookup(rule, set, selectors, n);
	pf_rule_verdict(rule, PF_GOTO, target);
}

static void add_sets(const struct compiler *compiler, bool has_policies)
{
	static const struct {
		const char *set, *map;
		struct pf_selector selectors[2];
		size_t n;
	} places[] = {
		{LINKS, POLICY_LINKS, {{PF_IIF}}, 1},
		{PODS4, POLICY_PODS4, {{PF_IIF}, {PF_IP_SADDR}}, 2},
		{PODS6, POLICY_PODS6, {{PF_IIF}, {PF_IP6_SADDR}}, 2},
		{CGROUPS, POLICY_CGROUPS, {{PF_CGROUP}}, 1},
	};
	const struct pf_set_options set = {.size = ENDPOINTS_MAX};
	const struct pf_set_options vmap = {.data = PF_DATA_VERDICT, .size = ENDPOINTS_MAX};
	const struct pf_set_options mark = {.data = PF_DATA_MARK, .size = ENDPOINTS_MAX};
	struct pf_table *table = compiler->inet;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		pf_set_add(table, places[i].set, &set, places[i].selectors, places[i].n);
		if (has_policies)
			pf_set_add(table, places[i].map, &vmap, places[i].selectors, places[i].n);
	}
	pf_set_add(table, SENDERS, &set, PF_FIELDS({PF_CGROUP}));
	pf_set_add(table, MARKS, &mark, PF_FIELDS({PF_CGROUP}));
	pf_set_add(table, TAGS, &vmap, PF_FIELDS({PF_CGROUP}));
	if (!compiler->is_audit)
		return;
	pf_set_add(table, SPOOF_TAGS, &vmap, PF_FIELDS({PF_CGROUP}));
	pf_set_add(table, TUNNEL_TAGS, &vmap, PF_FIELDS({PF_CGROUP}));
}

void compile_endpoint_chains(const struct compiler *compiler)
{
	bool has_policies = compiler->decisions && compiler->decisions->n_distinct > 1;
	struct pf_chain *chain = pf_chain_add(compiler->inet, "endpoint");

	add_sets(compiler, has_policies);
	add_rule(chain, LINKS, POLICY_LINKS, PF_FIELDS({PF_IIF}), "default", has_policies);
	add_rule(chain, PODS4, POLICY_PODS4, PF_FIELDS({PF_IIF}, {PF_IP_SADDR}), "default",
		 has_policies);
	add_rule(chain, PODS6, POLICY_PODS6, PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}), "default",
		 has_policies);
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "pending");
	chain = pf_chain_add(compiler->inet, "endpoint-out");
	for (size_t i = 0; i < compiler->pods.n; i++)
		add_rule(chain, CGROUPS, POLICY_CGROUPS,
			 PF_FIELDS({PF_CGROUP, compiler->pods.levels[i]}), "default-out",
			 has_policies);
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "pending-out");
}

void compile_endpoints(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;

	if (!snapshot)
		return;
	add_node(compiler);
	for (size_t i = 0; compiler->is_audit && i < snapshot->view->n_pod_roots; i++)
		add_tag(compiler, RULE_PENDING_AUDIT, snapshot->view->pod_roots[i].cgroup,
			snapshot->view->pod_roots[i].level);
	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		bool is_resolved = endpoint->coverage == COVERAGE_ENFORCED ||
				   endpoint->coverage == COVERAGE_AUDIT;
		if (endpoint->kind != ENDPOINT_POD && is_resolved && endpoint->cgroup)
			add_cgroup(compiler, endpoint);
		for (size_t k = 0; k < endpoint->n_attachments; k++)
			add_attachment(compiler, endpoint, &endpoint->attachments[k]);
	}
}

/* What the bridge table knows of the same endpoints. */
void compile_bridge_endpoints(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;
	struct pf_table *table = compiler->bridge;

	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++) {
			const struct attachment *at = &snapshot->endpoints[i].attachments[k];
			bool is_v4 = at->address.family == AF_INET;
			struct pf_key key = {};
			if (!at->port)
				continue;
			add_index(pf_set_find(table, PORTS), at->port);
			add_pair(pf_set_find(table, is_v4 ? PORTS4 : PORTS6), at->port,
				 &at->address);
			pf_key_add_address(&key, &at->address);
			pf_element_add(pf_set_find(table, is_v4 ? ADDRESSES4 : ADDRESSES6), &key);
			if (is_v4)
				continue;
			add_pair(pf_set_find(table, TARGETS6), at->port, &at->address);
			pf_element_add(pf_set_find(table, ADVERTISED6), &key);
		}
}
