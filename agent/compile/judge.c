/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The chains that decide about a destination before anybody asks who sent to it. What is external or
 * metadata goes on to the sender's policy. They are made twice, for packets that are forwarded and for those
 * the node itself sends (-out), because what follows differs: `socket` cannot be loaded where a forwarded
 * packet goes.
 *
 *	judge:	   metadata, where what follows may mean it -> endpoint, internal -> inside, port 53 of
 *		   resolvers -> return, local -> return, everything else -> endpoint
 *	inside:	   tunnel transport -> tunnel
 *	answered:  the same for replies that were let through before anybody asked whom they go to
 *
 * NAT64: an IPv6 address that embeds an IPv4 one is judged by the embedded one, so what lies in a NAT64
 * prefix is external unless the embedded address is internal, whatever IPv6 networks are internal. */
#include <arpa/inet.h>
#include <string.h>

#include "compile/internal.h"
#include "policy/classify.h"

static const struct pf_selector daddr4 = {PF_IP_DADDR}, daddr6 = {PF_IP6_DADDR};

static const char *const local4[] = {"224.0.0.0/4", "255.255.255.255"};
static const char *const local6[] = {"ff00::/8", "fe80::/10"};
static const char *const nat64_well_known = "64:ff9b::/96"; /* RFC 6052 */

#define N(array) (sizeof(array) / sizeof((array)[0]))

struct pf_prefix prefix_constant(const char *text)
{
	struct pf_prefix prefix = {};

	if (pf_prefix_parse(text, &prefix) != 0)
		memset(&prefix, 0, sizeof(prefix));
	return prefix;
}

/* The IPv6 form of an IPv4 prefix inside a NAT64 /96. */
static struct pf_prefix embed(const struct pf_prefix *nat64, const struct pf_prefix *four)
{
	struct pf_prefix six = *nat64;

	memcpy(&six.address.bytes[12], four->address.bytes, 4);
	six.length = (uint8_t)(96 + four->length);
	return six;
}

static size_t nat64_count(const struct compiler *compiler)
{
	size_t n = 1 + compiler->config->network.nat64.n_prefixes;

	return n < NAT64_MAX ? n : NAT64_MAX; /* as many as the configuration takes */
}

static struct pf_prefix nat64_at(const struct compiler *compiler, size_t i)
{
	return i ? compiler->config->network.nat64.prefixes[i - 1]
		 : prefix_constant(nat64_well_known);
}

size_t nat64_prefixes(const struct compiler *compiler,
		      struct pf_prefix ret_prefixes[static NAT64_MAX])
{
	size_t n = nat64_count(compiler);

	for (size_t i = 0; i < n; i++)
		ret_prefixes[i] = nat64_at(compiler, i);
	return n;
}

static void element_add_address(struct pf_set *set, const struct pf_address *address)
{
	struct pf_key key = {};

	pf_key_add_address(&key, address);
	pf_element_add(set, &key);
}

void metadata_fill(const struct compiler *compiler, struct pf_set *four, struct pf_set *six)
{
	for (size_t i = 0; i < n_metadata_addresses; i++) {
		struct pf_prefix prefix = prefix_constant(metadata_addresses[i]);
		bool is_v4 = prefix.address.family == AF_INET;
		element_add_address(is_v4 ? four : six, &prefix.address);
		for (size_t k = 0; is_v4 && k < nat64_count(compiler); k++) {
			struct pf_prefix nat64 = nat64_at(compiler, k);
			struct pf_prefix embedded = embed(&nat64, &prefix);
			element_add_address(six, &embedded.address);
		}
	}
}

static void add_metadata_sets(const struct compiler *compiler)
{
	const struct pf_set_options options = {.size = 64};
	struct pf_set *four = pf_set_add(compiler->inet, METADATA4, &options,
					 PF_FIELDS({PF_IP_DADDR}));
	struct pf_set *six = pf_set_add(compiler->inet, METADATA6, &options,
					PF_FIELDS({PF_IP6_DADDR}));

	metadata_fill(compiler, four, six);
}

static size_t count_family(const struct prefix_list *list, uint8_t family)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n_prefixes; i++)
		n += list->prefixes[i].address.family == family;
	return n;
}

static bool asks_set(const struct compiler *compiler, uint8_t family)
{
	return count_family(&compiler->internal, family) > LINEAR_MAX;
}

void internal_fill(const struct compiler *compiler, struct pf_set *four, struct pf_set *six)
{
	for (size_t i = 0; i < compiler->internal.n_prefixes; i++) {
		const struct pf_prefix *prefix = &compiler->internal.prefixes[i];
		pf_element_add_prefix(prefix->address.family == AF_INET ? four : six, prefix);
	}
}

void translated_fill(const struct compiler *compiler, struct pf_set *six)
{
	for (size_t i = 0; i < compiler->internal.n_prefixes; i++)
		for (size_t k = 0; k < nat64_count(compiler); k++) {
			const struct pf_prefix *prefix = &compiler->internal.prefixes[i];
			struct pf_prefix nat64 = nat64_at(compiler, k);
			struct pf_prefix embedded = embed(&nat64, prefix);
			if (prefix->address.family == AF_INET)
				pf_element_add_prefix(six, &embedded);
		}
}

void local_fill(struct pf_set *four, struct pf_set *six)
{
	for (size_t i = 0; i < N(local4); i++) {
		struct pf_prefix prefix = prefix_constant(local4[i]);
		pf_element_add_prefix(four, &prefix);
	}
	for (size_t i = 0; i < N(local6); i++) {
		struct pf_prefix prefix = prefix_constant(local6[i]);
		pf_element_add_prefix(six, &prefix);
	}
}

/* Interval sets where lists are long. The IPv6 set also holds what NAT64 makes of internal IPv4; it
 * is asked before the NAT64 prefixes, which are asked before the plain IPv6 networks. */
static void add_internal_sets(const struct compiler *compiler)
{
	const struct pf_set_options interval = {.is_interval = true};
	struct pf_set *four = NULL, *six = NULL;

	if (asks_set(compiler, AF_INET))
		four = pf_set_add(compiler->inet, INTERNAL4, &interval, PF_FIELDS({PF_IP_DADDR}));
	if (asks_set(compiler, AF_INET6))
		six = pf_set_add(compiler->inet, INTERNAL6, &interval, PF_FIELDS({PF_IP6_DADDR}));
	internal_fill(compiler, four, six);
	if (count_family(&compiler->internal, AF_INET))
		translated_fill(compiler, pf_set_add(compiler->inet, TRANSLATED6, &interval,
						     PF_FIELDS({PF_IP6_DADDR})));
}

static void add_prefix_rule(struct pf_chain *chain, const struct pf_prefix *prefix,
			    enum pf_verdict verdict, const char *target)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_prefix(rule, prefix->address.family == AF_INET ? daddr4 : daddr6, prefix);
	pf_rule_verdict(rule, verdict, target);
}

static void add_lookup_rule(struct pf_chain *chain, const char *set, struct pf_selector selector,
			    enum pf_verdict verdict, const char *target)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_lookup(rule, set, &selector, 1);
	pf_rule_verdict(rule, verdict, target);
}

static void add_internal_lookup(struct pf_chain *chain, uint8_t family, const char *target)
{
	add_lookup_rule(chain, family == AF_INET ? INTERNAL4 : INTERNAL6,
			family == AF_INET ? daddr4 : daddr6, PF_GOTO, target);
}

/* Resolvers are asked for names and reached for nothing else: who runs them may run more. */
static void add_resolver_set(const struct compiler *compiler, uint8_t family)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	const struct pf_set_options options = {.size = 2 * NETWORKS_RESOLVERS_MAX};
	const struct network_list *networks = compiler->snapshot->networks;
	struct pf_set *set = NULL;

	for (size_t i = 0; i < networks->n_networks; i++) {
		const struct network *network = &networks->networks[i];
		if (network->origin != NETWORK_RESOLVER || network->refused ||
		    network->prefix.address.family != family)
			continue;
		if (!set)
			set = pf_set_add(compiler->inet,
					 family == AF_INET ? RESOLVERS4 : RESOLVERS6, &options,
					 PF_FIELDS({family == AF_INET ? PF_IP_DADDR : PF_IP6_DADDR},
						   {PF_L4PROTO}, {PF_TH_DPORT}));
		for (size_t k = 0; k < N(protocols); k++) {
			struct pf_key key = {};
			pf_key_add_address(&key, &network->prefix.address);
			pf_key_add_u8(&key, protocols[k]);
			pf_key_add_port(&key, 53);
			pf_element_add(set, &key);
		}
	}
}

static void add_resolver_rule(const struct compiler *compiler, struct pf_chain *chain,
			      uint8_t family)
{
	const char *set = family == AF_INET ? RESOLVERS4 : RESOLVERS6;

	if (!pf_set_find(compiler->inet, set))
		return;
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_lookup(rule, set,
		       PF_FIELDS({family == AF_INET ? PF_IP_DADDR : PF_IP6_DADDR}, {PF_L4PROTO},
				 {PF_TH_DPORT}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
}

static bool prefixes_meet(const struct pf_prefix *a, const struct pf_prefix *b)
{
	return pf_prefix_contains(a, &b->address) || pf_prefix_contains(b, &a->address);
}

/* Whether all of an internal network is internal: no metadata address and no NAT64 prefix meets it.
 */
static bool is_plainly_internal(const struct compiler *compiler, const struct pf_prefix *prefix)
{
	for (size_t i = 0; i < n_metadata_addresses; i++) {
		struct pf_prefix metadata = prefix_constant(metadata_addresses[i]);
		if (prefixes_meet(prefix, &metadata))
			return false;
	}
	for (size_t i = 0; i < nat64_count(compiler); i++) {
		struct pf_prefix nat64 = nat64_at(compiler, i);
		if (prefixes_meet(prefix, &nat64))
			return false;
	}
	return true;
}

static size_t count_plainly_internal(const struct compiler *compiler, uint8_t family)
{
	size_t n = 0;

	for (size_t i = 0; i < compiler->internal.n_prefixes; i++)
		n += compiler->internal.prefixes[i].address.family == family &&
		     is_plainly_internal(compiler, &compiler->internal.prefixes[i]);
	return n;
}

/* Those of the family that are plainly internal, or those that are not; in a set there are only all at once. */
static void add_internal_rules(const struct compiler *compiler, struct pf_chain *chain,
			       uint8_t family, bool plain, const char *target)
{
	size_t n_plain = count_plainly_internal(compiler, family);

	if (asks_set(compiler, family)) {
		if ((n_plain == count_family(&compiler->internal, family)) == plain)
			add_internal_lookup(chain, family, target);
		return;
	}
	for (size_t i = 0; i < compiler->internal.n_prefixes; i++) {
		const struct pf_prefix *prefix = &compiler->internal.prefixes[i];
		if (prefix->address.family == family &&
		    is_plainly_internal(compiler, prefix) == plain)
			add_prefix_rule(chain, prefix, PF_GOTO, target);
	}
}

void plainly_internal_add(const struct compiler *compiler, struct pf_chain *chain,
			  const char *target)
{
	add_internal_rules(compiler, chain, AF_INET, true, target);
	add_internal_rules(compiler, chain, AF_INET6, true, target);
}

static void add_local_rules(struct pf_chain *chain, const char *const *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pf_prefix prefix = prefix_constant(prefixes[i]);
		add_prefix_rule(chain, &prefix, PF_RETURN, NULL);
	}
}

/* One compare for what is neither: everything local of IPv4 begins with three ones. */
static void add_local4(const struct compiler *compiler, struct pf_chain *judge, const char *name,
		       const char *end)
{
	struct pf_prefix three_ones = prefix_constant("224.0.0.0/3");
	struct pf_chain *chain = pf_chain_add(compiler->inet, name);

	add_prefix_rule(judge, &three_ones, PF_GOTO, name);
	add_local_rules(chain, local4, N(local4));
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, end);
}

/* Whether a rule that lets pass could mean a metadata address. Where none does, these are as external as any. */
static bool is_doubtful4(const struct compiler *compiler)
{
	return pf_set_find(compiler->inet, RESOLVERS4) ||
	       count_plainly_internal(compiler, AF_INET) !=
		       count_family(&compiler->internal, AF_INET);
}

/* All of IPv4 first, and then it is over for IPv4: each rule that is about IPv6 would cost it a compare, and most
 * packets are IPv4. */
static void add_judge(const struct compiler *compiler, const char *name, const char *inside,
		      const char *local, const char *end)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, name);

	if (is_doubtful4(compiler))
		add_lookup_rule(chain, METADATA4, daddr4, PF_GOTO, end);
	add_internal_rules(compiler, chain, AF_INET, false, inside);
	add_resolver_rule(compiler, chain, AF_INET);
	add_local4(compiler, chain, local, end);
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_NFPROTO}, AF_INET);
	pf_rule_verdict(rule, PF_GOTO, end);
	add_lookup_rule(chain, METADATA6, daddr6, PF_GOTO, end);
	if (count_family(&compiler->internal, AF_INET))
		add_lookup_rule(chain, TRANSLATED6, daddr6, PF_GOTO, inside);
	for (size_t i = 0; i < nat64_count(compiler); i++) {
		struct pf_prefix prefix = nat64_at(compiler, i);
		add_prefix_rule(chain, &prefix, PF_GOTO, end);
	}
	add_internal_rules(compiler, chain, AF_INET6, false, inside);
	add_resolver_rule(compiler, chain, AF_INET6);
	add_local_rules(chain, local6, N(local6));
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, end);
}

static void add_protocols(const struct compiler *compiler, const char *name, const char *target)
{
	struct pf_rule *rule = pf_rule_add(pf_chain_add(compiler->inet, name));

	pf_rule_lookup(rule, TUNNEL_IP, PF_FIELDS({PF_L4PROTO}));
	pf_rule_verdict(rule, PF_GOTO, target);
}

/* TCP, which most packets are, pays for two compares. */
static void add_transport(const struct compiler *compiler, const char *name, const char *target,
			  const char *protocols)
{
	static const struct pf_selector l4proto = {PF_L4PROTO};
	struct pf_chain *chain = pf_chain_add(compiler->inet, name);
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_lookup(rule, TUNNEL_PORT, PF_FIELDS({PF_UDP_DPORT}));
	pf_rule_verdict(rule, PF_GOTO, target);
	rule = pf_rule_add(chain);
	pf_rule_not_equal(rule, l4proto, IPPROTO_TCP);
	pf_rule_not_equal(rule, l4proto, IPPROTO_UDP);
	pf_rule_verdict(rule, PF_GOTO, protocols);
	add_protocols(compiler, protocols, target);
}

/* A pod that talks VXLAN to a node can have that node send out what it likes, and which internal
 * address is a node's is not known for sure: tunnel transport to any is denied. Asked after DNAT,
 * for a Service can lead to a node as well. To external addresses it is judged like everything
 * else. */
static void add_tunnels(const struct compiler *compiler)
{
	struct pf_chain *chain;

	add_transport(compiler, "inside", "tunnel", "protocols");
	add_transport(compiler, "inside-out", "tunnel-out", "protocols-out");
	add_transport(compiler, "answered", "answered-tunnel", "answered-protocols");
	chain = pf_chain_add(compiler->inet, "answered-tunnel");
	for (size_t i = 0; i < compiler->internal.n_prefixes; i++)
		add_prefix_rule(chain, &compiler->internal.prefixes[i], PF_GOTO, "tunnel");
	pf_rule_verdict(pf_rule_add(chain), PF_RETURN, NULL);
}

static void add_tunnel_sets(const struct compiler *compiler)
{
	const struct pf_set_options options = {.size = 256};
	struct pf_set *ports = pf_set_add(compiler->inet, TUNNEL_PORT, &options,
					  PF_FIELDS({PF_UDP_DPORT}));
	struct pf_set *protocols = pf_set_add(compiler->inet, TUNNEL_IP, &options,
					      PF_FIELDS({PF_L4PROTO}));
	const struct number_list *list = &compiler->config->network.tunnel_ports;

	for (size_t i = 0; i < list->n_numbers; i++) {
		struct pf_key key = {};
		pf_key_add_port(&key, (uint16_t)list->numbers[i]);
		pf_element_add(ports, &key);
	}
	list = &compiler->config->network.tunnel_protocols;
	for (size_t i = 0; i < list->n_numbers; i++) {
		struct pf_key key = {};
		pf_key_add_u8(&key, (uint8_t)list->numbers[i]);
		pf_element_add(protocols, &key);
	}
}

void compile_judges(const struct compiler *compiler)
{
	add_metadata_sets(compiler);
	add_internal_sets(compiler);
	if (compiler->snapshot && compiler->snapshot->networks) {
		add_resolver_set(compiler, AF_INET);
		add_resolver_set(compiler, AF_INET6);
	}
	add_tunnel_sets(compiler);
	add_tunnels(compiler);
	add_judge(compiler, "judge", "inside", "local", "endpoint");
	add_judge(compiler, "judge-out", "inside-out", "local-out", "endpoint-out");
}
