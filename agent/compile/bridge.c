/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The bridge table: behind a bridge the link no longer tells who sent a frame, the port does. It proves that
 * a source address belongs to its port, in IPv4, IPv6 and ARP, before the frame is bridged or routed, so
 * that the pair (bridge, source) can be believed later.
 *
 *	registered pair			-> return
 *	somebody's registered address	-> spoof, from whatever port (an unknown port too)
 *	a registered port, other source	-> spoof, address-less and link-local senders excepted
 *	anything else			-> return: it meets `pending` when it is routed
 *
 * Ports are matched by ifindex, not by the bridge's name: meta ibrname is a module of its own that kernels
 * leave out. */
#include "compile/internal.h"

#define NEIGHBOUR_ADVERTISEMENT 136

static const struct pf_selector saddr4 = {PF_IP_SADDR}, saddr6 = {PF_IP6_SADDR},
				arp = {PF_ARP_SADDR_IP};

static void add_prefix_return(struct pf_chain *chain, struct pf_selector selector, const char *text)
{
	struct pf_prefix prefix = prefix_constant(text);
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_prefix(rule, selector, &prefix);
	pf_rule_verdict(rule, PF_RETURN, NULL);
}

static void add_pair_return(struct pf_chain *chain, const char *set, enum pf_field source)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_lookup(rule, set, PF_FIELDS({PF_IIF}, {source}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
}

static void add_address_spoof(struct pf_chain *chain, const char *set, struct pf_selector source)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_lookup(rule, set, &source, 1);
	pf_rule_verdict(rule, PF_GOTO, "spoof");
}

/* An advertisement for an address that is somebody else's draws that one's traffic. It must be
 * looked at before its source is, for a link-local source is nobody's. */
static void add_advertisement(struct pf_chain *chain)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_equal(rule, (struct pf_selector){PF_ICMPV6_TYPE}, NEIGHBOUR_ADVERTISEMENT);
	pf_rule_lookup(rule, ADVERTISED6, PF_FIELDS({PF_ND_TARGET}));
	pf_rule_lookup_not(rule, TARGETS6, PF_FIELDS({PF_IIF}, {PF_ND_TARGET}));
	pf_rule_verdict(rule, PF_GOTO, "spoof");
}

static void add_sets(struct pf_table *table)
{
	const struct pf_set_options options = {.size = ENDPOINTS_MAX};

	pf_set_add(table, PORTS, &options, PF_FIELDS({PF_IIF}));
	pf_set_add(table, PORTS4, &options, PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_set_add(table, PORTS6, &options, PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
	pf_set_add(table, TARGETS6, &options, PF_FIELDS({PF_IIF}, {PF_ND_TARGET}));
	pf_set_add(table, ADDRESSES4, &options, PF_FIELDS({PF_IP_SADDR}));
	pf_set_add(table, ADDRESSES6, &options, PF_FIELDS({PF_IP6_SADDR}));
	pf_set_add(table, ADVERTISED6, &options, PF_FIELDS({PF_ND_TARGET}));
}

static void add_spoof(const struct compiler *compiler, struct pf_chain *chain, const char *name)
{
	const struct sender_end end = {
		.meaning.rule = compiler->is_audit ? RULE_SPOOF_BRIDGE_AUDIT : RULE_SPOOF_BRIDGE,
		.who = LEDGER_BY_LINK,
		.is_bridge = true,
	};

	sender_add(compiler, chain, name, &end);
}

static void add_port(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->bridge, "port");

	add_prefix_return(chain, saddr4, "0.0.0.0"); /* DHCP */
	add_prefix_return(chain, arp, "0.0.0.0");    /* address probe, RFC 5227 */
	add_prefix_return(chain, saddr6, "::");
	add_prefix_return(chain, saddr6, "fe80::/10");
	add_spoof(compiler, chain, "port");
}

void compile_bridge(const struct compiler *compiler)
{
	struct pf_table *table = compiler->bridge;

	add_sets(table);
	compile_bridge_endpoints(compiler);
	add_spoof(compiler, pf_chain_add(table, "spoof"), "spoof");
	add_port(compiler);
	struct pf_chain *chain = pf_base_chain_add(table, "guard", PF_PREROUTING, -310);
	add_advertisement(chain);
	add_pair_return(chain, PORTS4, PF_IP_SADDR);
	add_pair_return(chain, PORTS6, PF_IP6_SADDR);
	add_pair_return(chain, PORTS4, PF_ARP_SADDR_IP);
	add_address_spoof(chain, ADDRESSES4, saddr4);
	add_address_spoof(chain, ADDRESSES6, saddr6);
	add_address_spoof(chain, ADDRESSES4, arp);
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_lookup(rule, PORTS, PF_FIELDS({PF_IIF}));
	pf_rule_verdict(rule, PF_GOTO, "port");
}
