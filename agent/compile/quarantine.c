/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Quarantine: whatever an endpoint sends and whatever is sent to it, node-local addresses, lo, neighbours on
 * its bridge and replies of established connections included. It has hooks of its own, which are there only
 * while somebody is in quarantine: nobody else pays for it.
 *
 *	inet	prerouting   from a pod: its link, or (bridge, source)
 *		postrouting  to a pod: its link, or (bridge, destination); forwarded and made here alike
 *		output	     from a host pod, by its cgroup; before NAT, lo included
 *		input	     to a host pod, by the cgroup of the socket that would get it
 *	bridge	prerouting   from a pod's port with a source that is not its own
 *		forward	     between a pod's port and its neighbours' (what goes on to the node meets inet)
 *
 * Each quarantined endpoint has a chain for either direction: what is let through (probes, --allow), then
 * count, log at its pace, drop. Its log prefix carries the endpoint's index, so that both directions name it. The
 * priority is behind conntrack's, because a reply to a probe is told by its connection, and before NAT's.
 *
 * Not cut: ARP between a routed pod and this node (nothing of it goes further), and what a process outside
 * the pod does with a socket of its own. */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#include "compile/internal.h"

#define PRIORITY_AFTER_CONNTRACK (-150)
#define PRIORITY_BEFORE_GUARD	 (-320)
#define LOOPBACK_INDEX		 1
#define NEIGHBOUR_SOLICITATION	 135
#define NEIGHBOUR_ADVERTISEMENT	 136

/* One endpoint that is cut off. */
struct held {
	const struct endpoint *endpoint;
	struct quarantine_terms terms;
};

static const struct pf_selector direction = {PF_CT_DIRECTION}, icmpv6_type = {PF_ICMPV6_TYPE};

static const char *chain_name(const struct held *held, const char *suffix,
			      char name[static PF_NAME_MAX])
{
	snprintf(name, PF_NAME_MAX, "quarantine-%s-%x", suffix, held->endpoint->index);
	return name;
}

static void add_return(struct pf_rule *rule)
{
	pf_rule_verdict(rule, PF_RETURN, NULL);
}

/* Without neighbour discovery nothing that is let through would find its way. */
static void add_neighbours(const struct held *held, struct pf_chain *chain)
{
	if (!held->terms.keeps_probes && !held->terms.allow)
		return;
	for (unsigned type = NEIGHBOUR_SOLICITATION; type <= NEIGHBOUR_ADVERTISEMENT; type++) {
		struct pf_rule *rule = pf_rule_add(chain);
		pf_rule_equal(rule, icmpv6_type, type);
		add_return(rule);
	}
}

static void add_allowed(const struct held *held, struct pf_chain *chain, bool is_from)
{
	const struct prefix_list *allow = held->terms.allow;

	for (size_t i = 0; allow && i < allow->n_prefixes; i++) {
		const struct pf_prefix *prefix = &allow->prefixes[i];
		bool is_v4 = prefix->address.family == AF_INET;
		enum pf_field field = is_from ? (is_v4 ? PF_IP_DADDR : PF_IP6_DADDR)
					      : (is_v4 ? PF_IP_SADDR : PF_IP6_SADDR);
		struct pf_rule *rule = pf_rule_add(chain);
		pf_rule_prefix(rule, (struct pf_selector){field}, prefix);
		add_return(rule);
	}
}

/* A connection that a process of this node began, and its replies. To a host pod it comes over lo; to a pod
 * by no link at all. */
static void add_probes(const struct held *held, struct pf_chain *chain, bool is_from)
{
	bool is_host_pod = held->endpoint->kind != ENDPOINT_POD;

	if (!held->terms.keeps_probes)
		return;
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_equal(rule, direction, is_from ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL);
	if (is_from)
		pf_rule_equal(rule, (struct pf_selector){PF_FIB_DADDR_TYPE}, RTN_LOCAL);
	else
		pf_rule_equal(rule, (struct pf_selector){PF_IIF}, is_host_pod ? LOOPBACK_INDEX : 0);
	add_return(rule);
}

/* Whatever it carried: from here on the mark says whose packet it was. */
static void add_end(const struct compiler *compiler, const struct held *held,
		    struct pf_chain *chain, const char *name, bool is_from, bool is_bridge)
{
	const struct sender_end end = {
		.meaning = {is_from ? RULE_QUARANTINE : RULE_QUARANTINE_IN, true,
			    held->endpoint->index},
		.who = LEDGER_BY_INDEX,
		.is_bridge = is_bridge,
	};

	pf_rule_set_mark(pf_rule_add(chain), held->endpoint->index);
	sender_add(compiler, chain, name, &end);
}

static void add_chains(const struct compiler *compiler, const struct held *held)
{
	char name[PF_NAME_MAX];

	for (unsigned is_from = 0; is_from < 2; is_from++) {
		struct pf_chain *chain = pf_chain_add(
			compiler->inet, chain_name(held, is_from ? "from" : "to", name));
		add_probes(held, chain, is_from);
		add_neighbours(held, chain);
		add_allowed(held, chain, is_from);
		add_end(compiler, held, chain, name, is_from, false);
	}
}

/* Of bridged frames nobody knows a connection, and probes do not come from a neighbour. */
static void add_bridge_chains(const struct compiler *compiler, const struct held *held)
{
	static const char *const halves[] = {"0.0.0.0/1", "128.0.0.0/1"};
	char name[PF_NAME_MAX];

	for (unsigned is_from = 0; is_from < 2; is_from++) {
		struct pf_chain *chain = pf_chain_add(
			compiler->bridge, chain_name(held, is_from ? "from" : "to", name));
		for (size_t i = 0; held->terms.allow && i < 2; i++) {
			struct pf_prefix half = prefix_constant(halves[i]);
			struct pf_rule *rule = pf_rule_add(chain);
			pf_rule_prefix(rule, (struct pf_selector){PF_ARP_SADDR_IP}, &half);
			add_return(rule);
		}
		if (held->terms.allow)
			add_neighbours(held, chain);
		add_allowed(held, chain, is_from);
		add_end(compiler, held, chain, name, is_from, true);
	}
	add_end(compiler, held, pf_chain_add(compiler->bridge, chain_name(held, "forged", name)),
		name, true, true);
}

static void add_link(const struct held *held, struct pf_table *table, const char *set,
		     uint32_t link, const struct pf_address *address, const char *suffix)
{
	char name[PF_NAME_MAX];
	struct pf_key key = {};

	pf_key_add_u32(&key, link);
	if (address)
		pf_key_add_address(&key, address);
	pf_element_add_verdict(pf_set_find(table, set), &key, PF_GOTO,
			       chain_name(held, suffix, name));
}

static void add_attachment(const struct compiler *compiler, const struct held *held,
			   const struct attachment *at)
{
	bool is_sole = !at->port &&
		       snapshot_find_sole(compiler->snapshot, at->link) == held->endpoint;
	bool is_v4 = at->address.family == AF_INET;
	const struct pf_address *address = is_sole ? NULL : &at->address;
	const char *from = is_sole ? HELD_LINKS : is_v4 ? HELD_PODS4 : HELD_PODS6;
	const char *to = is_sole ? HELD_LINKS_TO : is_v4 ? HELD_PODS4_TO : HELD_PODS6_TO;

	add_link(held, compiler->inet, from, at->link, address, "from");
	add_link(held, compiler->inet, to, at->link, address, "to");
	if (!at->port)
		return;
	add_link(held, compiler->bridge, HELD_PORTS, at->port, NULL, "from");
	add_link(held, compiler->bridge, HELD_PORTS_TO, at->port, NULL, "to");
	add_link(held, compiler->bridge, HELD_PORTS_FORGED, at->port, NULL, "forged");
}

static void add_cgroup(const struct compiler *compiler, const struct held *held)
{
	char name[PF_NAME_MAX];
	struct pf_key key = {};

	pf_key_add_u64(&key, held->endpoint->cgroup);
	pf_element_add_verdict(pf_set_find(compiler->inet, HELD_CGROUPS), &key, PF_GOTO,
			       chain_name(held, "from", name));
	pf_element_add_verdict(pf_set_find(compiler->inet, HELD_CGROUPS_TO), &key, PF_GOTO,
			       chain_name(held, "to", name));
}

static bool has_port(const struct endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->n_attachments; i++)
		if (endpoint->attachments[i].port)
			return true;
	return false;
}

static void add_held(const struct compiler *compiler, const struct held *held)
{
	const struct endpoint *endpoint = held->endpoint;

	add_chains(compiler, held);
	if (has_port(endpoint))
		add_bridge_chains(compiler, held);
	for (size_t i = 0; i < endpoint->n_attachments; i++)
		add_attachment(compiler, held, &endpoint->attachments[i]);
	if (endpoint->kind != ENDPOINT_POD)
		add_cgroup(compiler, held);
}

static void add_maps(struct pf_table *table, const char *from, const char *to,
		     const struct pf_selector *from_fields, const struct pf_selector *to_fields,
		     size_t n_fields)
{
	const struct pf_set_options map = {.data = PF_DATA_VERDICT, .size = 4 * QUARANTINE_MAX};

	pf_set_add(table, from, &map, from_fields, n_fields);
	pf_set_add(table, to, &map, to_fields, n_fields);
}

static void add_hook(struct pf_table *table, const char *name, enum pf_hook hook,
		     const struct pf_selector *const *fields, const char *const *maps,
		     const size_t *n_fields, size_t n_maps)
{
	struct pf_chain *chain = pf_base_chain_add(table, name, hook, PRIORITY_AFTER_CONNTRACK);

	for (size_t i = 0; i < n_maps; i++)
		pf_rule_vmap(pf_rule_add(chain), maps[i], fields[i], n_fields[i]);
}

/* Pods: three ways to know a link's packets, at two hooks. */
static void add_pod_hooks(const struct compiler *compiler)
{
	static const struct pf_selector link[] = {{PF_IIF}}, link_to[] = {{PF_OIF}};
	static const struct pf_selector pair4[] = {{PF_IIF}, {PF_IP_SADDR}},
					pair4_to[] = {{PF_OIF}, {PF_IP_DADDR}};
	static const struct pf_selector pair6[] = {{PF_IIF}, {PF_IP6_SADDR}},
					pair6_to[] = {{PF_OIF}, {PF_IP6_DADDR}};
	static const struct pf_selector *const from[] = {link, pair4, pair6}, *const to[] = {
										      link_to,
										      pair4_to,
										      pair6_to};
	static const char *const from_maps[] = {HELD_LINKS, HELD_PODS4, HELD_PODS6},
				 *const to_maps[] = {HELD_LINKS_TO, HELD_PODS4_TO, HELD_PODS6_TO};
	static const size_t n_fields[] = {1, 2, 2};

	for (size_t i = 0; i < 3; i++)
		add_maps(compiler->inet, from_maps[i], to_maps[i], from[i], to[i], n_fields[i]);
	add_hook(compiler->inet, "quarantine", PF_PREROUTING, from, from_maps, n_fields, 3);
	add_hook(compiler->inet, "quarantine-post", PF_POSTROUTING, to, to_maps, n_fields, 3);
}

/* Host pods, at whatever depth of the cgroup tree. */
static void add_host_hooks(const struct compiler *compiler)
{
	static const struct pf_selector cgroup[] = {{PF_CGROUP}};
	struct pf_chain *out = pf_base_chain_add(compiler->inet, "quarantine-out", PF_OUTPUT,
						 PRIORITY_AFTER_CONNTRACK);
	struct pf_chain *in = pf_base_chain_add(compiler->inet, "quarantine-in", PF_INPUT,
						PRIORITY_AFTER_CONNTRACK);

	add_maps(compiler->inet, HELD_CGROUPS, HELD_CGROUPS_TO, cgroup, cgroup, 1);
	for (size_t i = 0; i < compiler->pods.n; i++) {
		const struct pf_selector level = {PF_CGROUP, compiler->pods.levels[i]};
		pf_rule_vmap(pf_rule_add(out), HELD_CGROUPS, &level, 1);
		pf_rule_vmap(pf_rule_add(in), HELD_CGROUPS_TO, &level, 1);
	}
}

/* A frame of a held port must come from its own address to be known further on: anything else, neighbour
 * discovery excepted, is his all the same. */
static void add_bridge_hooks(const struct compiler *compiler)
{
	static const struct pf_selector port[] = {{PF_IIF}}, port_to[] = {{PF_OIF}};
	static const struct pf_selector *const fields[] = {port, port_to};
	static const char *const maps[] = {HELD_PORTS, HELD_PORTS_TO};
	static const size_t n_fields[] = {1, 1};
	static const struct {
		const char *set;
		enum pf_field source;
	} pairs[] = {{PORTS4, PF_IP_SADDR}, {PORTS6, PF_IP6_SADDR}, {PORTS4, PF_ARP_SADDR_IP}};
	struct pf_table *table = compiler->bridge;
	const struct pf_set_options map = {.data = PF_DATA_VERDICT, .size = 4 * QUARANTINE_MAX};

	add_maps(table, HELD_PORTS, HELD_PORTS_TO, port, port_to, 1);
	pf_set_add(table, HELD_PORTS_FORGED, &map, port, 1);
	struct pf_chain *chain = pf_base_chain_add(table, "quarantine", PF_PREROUTING,
						   PRIORITY_BEFORE_GUARD);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct pf_rule *rule = pf_rule_add(chain);
		pf_rule_lookup(rule, pairs[i].set, PF_FIELDS({PF_IIF}, {pairs[i].source}));
		add_return(rule);
	}
	for (unsigned type = NEIGHBOUR_SOLICITATION; type <= NEIGHBOUR_ADVERTISEMENT; type++) {
		struct pf_rule *rule = pf_rule_add(chain);
		pf_rule_equal(rule, icmpv6_type, type);
		add_return(rule);
	}
	pf_rule_vmap(pf_rule_add(chain), HELD_PORTS_FORGED, port, 1);
	add_hook(table, "quarantine-forward", PF_FORWARD, fields, maps, n_fields, 2);
}

static bool is_held(const struct compiler *compiler, const struct endpoint *endpoint,
		    struct held *ret_held)
{
	*ret_held = (struct held){endpoint, quarantine_terms(compiler->quarantines, endpoint)};
	bool is_known = endpoint->n_attachments ||
			(endpoint->kind != ENDPOINT_POD && endpoint->cgroup);
	return ret_held->terms.origin != QUARANTINE_NONE && is_known;
}

void compile_quarantines(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;
	bool has_pods = false, has_host_pods = false, has_ports = false;
	struct held held;

	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		if (!is_held(compiler, endpoint, &held))
			continue;
		has_pods |= endpoint->n_attachments > 0;
		has_ports |= has_port(endpoint);
		has_host_pods |= endpoint->kind != ENDPOINT_POD;
	}
	if (!has_pods && !has_host_pods)
		return;
	if (has_pods)
		add_pod_hooks(compiler);
	if (has_host_pods)
		add_host_hooks(compiler);
	if (has_ports)
		add_bridge_hooks(compiler);
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		if (is_held(compiler, &snapshot->endpoints[i], &held))
			add_held(compiler, &held);
}
