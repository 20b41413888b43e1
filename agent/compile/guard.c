/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The chains at the hooks: who is judged at all, and by which chain.
 *
 *	guard	   prerouting -310, before conntrack: a source must be routed back over its link
 *	guard-out  output -310: a host pod sends with addresses of this node only
 *	input	   input -10: tunnel transport from pods to this node
 *	forward	   forward -10: internal and replies pass, the rest is judged
 *	output	   output -10: the same for sockets below a pod root
 *	begin	   from forward and input: connections that begin outside get a label
 *
 * Every packet of a pod pays for guard and forward, so these are short: uplinks are compared one by one
 * while they are few, and what is internal without doubt leaves before its sender is looked up. The label is
 * set where forward and input see an uplink anyway: a hook of its own costs each packet about 55 ns.
 *
 * "Is a reply" is believed only of connections with our label: a bare `ct direction reply` can be forged by a
 * pod with one self-addressed packet. */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/rtnetlink.h>

#include "compile/internal.h"

/* NF_IP_PRI_RAW is -300, conntrack -200, defragmentation -400 */
#define PRIORITY_BEFORE_CONNTRACK (-310)
#define PRIORITY_AFTER_DNAT	  (-10) /* NF_IP_PRI_NAT_DST is -100; filter 0 */
#define UPLINKS_LINEAR_MAX	  4
#define LOOPBACK_INDEX		  1 /* of every network namespace */

static const struct pf_selector iif = {PF_IIF}, direction = {PF_CT_DIRECTION};

static void add_return_on(struct pf_chain *chain, enum pf_field field, const char *prefix_text)
{
	struct pf_prefix prefix = prefix_constant(prefix_text);
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_prefix(rule, (struct pf_selector){field}, &prefix);
	pf_rule_verdict(rule, PF_RETURN, NULL);
}

/* What came in by an uplink, to `target`; NULL: returns. */
static void add_uplinks(const struct compiler *compiler, struct pf_chain *chain, const char *target)
{
	const struct snapshot *snapshot = compiler->snapshot;
	size_t n = snapshot ? snapshot->n_uplinks : 0;

	for (size_t i = 0; i < (n > UPLINKS_LINEAR_MAX ? 1 : n); i++) {
		struct pf_rule *rule = pf_rule_add(chain);
		if (n > UPLINKS_LINEAR_MAX)
			pf_rule_lookup(rule, UPLINKS, PF_FIELDS({PF_IIF}));
		else
			pf_rule_equal(rule, iif, snapshot->uplinks[i]);
		pf_rule_verdict(rule, target ? PF_GOTO : PF_RETURN, target);
	}
}

/* Address-less senders: DHCP, duplicate address detection, multicast listener reports. Link-local
 * sources are never forwarded (RFC 4291 2.5.6). */
static void add_spoof(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, "spoof");
	struct pf_prefix none4 = prefix_constant("0.0.0.0"),
			 all4 = prefix_constant("255.255.255.255");
	struct pf_prefix none6 = prefix_constant("::"), multicast6 = prefix_constant("ff00::/8");
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_prefix(rule, (struct pf_selector){PF_IP_SADDR}, &none4);
	pf_rule_prefix(rule, (struct pf_selector){PF_IP_DADDR}, &all4);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_prefix(rule, (struct pf_selector){PF_IP6_SADDR}, &none6);
	pf_rule_prefix(rule, (struct pf_selector){PF_IP6_DADDR}, &multicast6);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	add_return_on(chain, PF_IP6_SADDR, "fe80::/10");
	const struct sender_end end = {
		.meaning.rule = compiler->is_audit ? RULE_SPOOF_AUDIT : RULE_SPOOF,
		.who = LEDGER_BY_LINK,
	};
	sender_add(compiler, chain, "spoof", &end);
}

/* Looked for only where the kernel follows such routes: then even a packet to this node is one to
 * anywhere. */
static void add_source_route(const struct compiler *compiler, struct pf_chain *guard)
{
	static const enum pf_field options[] = {PF_LOOSE_SOURCE_ROUTE, PF_STRICT_SOURCE_ROUTE};
	struct pf_chain *chain = pf_chain_add(compiler->inet, "source-route");

	const struct sender_end end = {
		.meaning.rule = compiler->is_audit ? RULE_SOURCE_ROUTE_AUDIT : RULE_SOURCE_ROUTE,
		.who = LEDGER_BY_LINK,
	};

	sender_add(compiler, chain, "source-route", &end);
	if (!compiler->snapshot || !compiler->snapshot->view->accepts_source_routes)
		return;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct pf_rule *rule = pf_rule_add(guard);
		pf_rule_equal(rule, (struct pf_selector){options[i]}, 1);
		pf_rule_verdict(rule, PF_GOTO, "source-route");
	}
}

/* lo needs no exception: fib answers with lo itself for what came in by it (nft_fib_is_loopback()). */
static void add_guard(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_base_chain_add(compiler->inet, "guard", PF_PREROUTING,
						   PRIORITY_BEFORE_CONNTRACK);

	add_uplinks(compiler, chain, NULL);
	add_source_route(compiler, chain);
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_FIB_SADDR_IIF}, 0);
	pf_rule_verdict(rule, PF_GOTO, "spoof");
}

static struct pf_rule *add_new_connection(struct pf_chain *chain)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_any_flag(rule, (struct pf_selector){PF_CT_STATE}, NF_CT_STATE_BIT(IP_CT_NEW));
	pf_rule_equal(rule, direction, IP_CT_DIR_ORIGINAL);
	return rule;
}

/* TCP with SYN and without ACK only: a connection that conntrack picks up in the middle (loose
 * pickup) begins with whoever spoke first after the entry was lost. */
static void add_begin(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, "begin");
	unsigned label = compiler->config->conntrack.label_bit;
	struct pf_rule *rule = add_new_connection(chain);

	pf_rule_not_equal(rule, (struct pf_selector){PF_L4PROTO}, 6 /* TCP */);
	pf_rule_set_label(rule, label);
	rule = add_new_connection(chain);
	pf_rule_flags(rule, (struct pf_selector){PF_TCP_FLAGS}, 0x12 /* SYN, ACK */, 0x02);
	pf_rule_set_label(rule, label);
}

static bool has_level(const struct levels *levels, unsigned level)
{
	for (size_t i = 0; i < levels->n; i++)
		if (levels->levels[i] == level)
			return true;
	return false;
}

static void add_level(const struct levels *levels, unsigned level, struct pf_chain *chain,
		      const char *set, enum pf_verdict verdict, const char *target)
{
	if (!has_level(levels, level))
		return;
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_lookup(rule, set, PF_FIELDS({PF_CGROUP, level}));
	pf_rule_verdict(rule, verdict, target);
}

/* Sockets below a pod root or in a unit, at whatever depth those are; the deepest counts: what is exempt
 * inside a unit is asked before the unit. */
static void add_root_jumps(const struct compiler *compiler, struct pf_chain *chain,
			   const char *target)
{
	for (unsigned level = UINT8_MAX; level > 0; level--) {
		add_level(&compiler->exempt, level, chain, EXEMPT, PF_RETURN, NULL);
		add_level(&compiler->roots, level, chain, POD_ROOTS, PF_GOTO, target);
	}
}

static void add_guard_out(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, "spoof-out");
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_equal(rule, (struct pf_selector){PF_FIB_SADDR_TYPE}, RTN_LOCAL);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	add_return_on(chain, PF_IP_SADDR, "0.0.0.0");
	add_return_on(chain, PF_IP6_SADDR, "::");
	sender_add_out(compiler, chain, "spoof-out",
		       compiler->is_audit ? RULE_SPOOF_OUTPUT_AUDIT : RULE_SPOOF_OUTPUT);
	add_root_jumps(compiler,
		       pf_base_chain_add(compiler->inet, "guard-out", PF_OUTPUT,
					 PRIORITY_BEFORE_CONNTRACK),
		       "spoof-out");
}

static void add_input(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_base_chain_add(compiler->inet, "input", PF_INPUT,
						   PRIORITY_AFTER_DNAT);

	add_uplinks(compiler, chain, "begin");
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_equal(rule, iif, LOOPBACK_INDEX);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "inside");
}

static void add_replies(const struct compiler *compiler, struct pf_chain *chain,
			enum pf_verdict verdict, const char *target)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_equal(rule, direction, IP_CT_DIR_REPLY);
	pf_rule_label(rule, compiler->config->conntrack.label_bit);
	pf_rule_verdict(rule, verdict, target);
}

static void add_forward(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_base_chain_add(compiler->inet, "forward", PF_FORWARD,
						   PRIORITY_AFTER_DNAT);

	add_uplinks(compiler, chain, "begin");
	plainly_internal_add(compiler, chain, "inside");
	add_replies(compiler, chain, PF_GOTO, "answered");
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "judge");
}

/* A host process outside all pods leaves after one look at its cgroup per root depth. */
static void add_output(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, "output-pod");
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_equal(rule, (struct pf_selector){PF_FIB_DADDR_TYPE}, RTN_LOCAL);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	add_replies(compiler, chain, PF_RETURN, NULL);
	plainly_internal_add(compiler, chain, "inside-out");
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "judge-out");
	add_root_jumps(compiler,
		       pf_base_chain_add(compiler->inet, "output", PF_OUTPUT, PRIORITY_AFTER_DNAT),
		       "output-pod");
}

static void add_sets(const struct compiler *compiler)
{
	const struct pf_set_options plain = {.size = 1024};
	struct pf_table *table = compiler->inet;

	if (compiler->snapshot && compiler->snapshot->n_uplinks > UPLINKS_LINEAR_MAX)
		pf_set_add(table, UPLINKS, &plain, PF_FIELDS({PF_IIF}));
	pf_set_add(table, POD_ROOTS, &plain, PF_FIELDS({PF_CGROUP}));
	if (compiler->exempt.n)
		pf_set_add(table, EXEMPT, &plain, PF_FIELDS({PF_CGROUP}));
}

void compile_guards(const struct compiler *compiler)
{
	add_sets(compiler);
	add_spoof(compiler);
	add_guard(compiler);
	add_begin(compiler);
	add_guard_out(compiler);
	add_input(compiler);
	add_forward(compiler);
	add_output(compiler);
}
