/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "sample.h"

#include <stdio.h>
#include <sys/socket.h>

static struct pf_prefix prefix(const char *text)
{
	struct pf_prefix value = {};

	if (pf_prefix_parse(text, &value) != 0)
		fprintf(stderr, "# bad prefix %s\n", text);
	return value;
}

static void add_sets(struct pf_table *table)
{
	const struct pf_set_options plain = {.size = 1024};
	const struct pf_set_options interval = {.is_interval = true};
	const struct pf_set_options vmap = {.data = PF_DATA_VERDICT, .size = 4096};
	const struct pf_set_options marks = {.data = PF_DATA_MARK, .size = 4096};

	pf_set_add(table, "ifs", &plain, PF_FIELDS({PF_IIF}));
	pf_set_add(table, "protos", &plain, PF_FIELDS({PF_L4PROTO}));
	pf_set_add(table, "ports", &plain, PF_FIELDS({PF_UDP_DPORT}));
	pf_set_add(table, "roots", &plain, PF_FIELDS({PF_CGROUP}));
	pf_set_add(table, "nets4", &interval, PF_FIELDS({PF_IP_DADDR}));
	pf_set_add(table, "nets6", &interval, PF_FIELDS({PF_IP6_DADDR}));
	pf_set_add(table, "boxes4", &interval,
		   PF_FIELDS({PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_set_add(table, "boxes6", &interval,
		   PF_FIELDS({PF_IP6_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_set_add(table, "services", &interval, PF_FIELDS({PF_L4PROTO}, {PF_TH_DPORT}));
	pf_set_add(table, "links", &vmap, PF_FIELDS({PF_IIF}));
	pf_set_add(table, "pods4", &vmap, PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_set_add(table, "pods6", &vmap, PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
	pf_set_add(table, "cgroups", &vmap, PF_FIELDS({PF_CGROUP}));
	pf_set_add(table, "marks", &marks, PF_FIELDS({PF_CGROUP}));
	pf_set_add(
		table, "ledger6",
		&(struct pf_set_options){.size = 4096, .is_dynamic = true, .has_counter = true},
		PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}, {PF_IP6_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_set_add(table, "ledger_out4",
		   &(struct pf_set_options){.size = 4096, .is_dynamic = true, .has_counter = true},
		   PF_FIELDS({PF_CGROUP}, {PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_set_add(table, "meter4",
		   &(struct pf_set_options){.size = 64, .is_dynamic = true, .timeout_seconds = 60},
		   PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_set_add(table, "meter6",
		   &(struct pf_set_options){.size = 64, .is_dynamic = true, .timeout_seconds = 60},
		   PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
	pf_set_add(table, "flows6", &plain,
		   PF_FIELDS({PF_IP6_SADDR}, {PF_IP6_DADDR}, {PF_L4PROTO}, {PF_UDP_DPORT}));
}

static void add_matches(struct pf_chain *chain)
{
	const struct pf_selector iif = {PF_IIF}, l4 = {PF_L4PROTO}, state = {PF_CT_STATE};
	struct pf_rule *rule;
	static const char *const prefixes[] = {"10.0.0.0/8", "10.1.2.3", "10.128.0.0/9",
					       "192.0.2.0/24", "172.16.0.0/12"};
	static const char *const prefixes6[] = {"fe80::/10", "2001:db8::1", "64:ff9b::/96",
						"ff00::/8"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct pf_prefix value = prefix(prefixes[i]);
		rule = pf_rule_add(chain);
		pf_rule_prefix(rule, (struct pf_selector){i % 2 ? PF_IP_SADDR : PF_IP_DADDR},
			       &value);
		pf_rule_verdict(rule, PF_RETURN, NULL);
	}
	for (size_t i = 0; i < sizeof(prefixes6) / sizeof(prefixes6[0]); i++) {
		struct pf_prefix value = prefix(prefixes6[i]), all = prefix("ff00::/8");
		rule = pf_rule_add(chain);
		pf_rule_prefix(rule, (struct pf_selector){PF_IP6_SADDR}, &value);
		pf_rule_prefix(rule, (struct pf_selector){PF_IP6_DADDR}, &all);
		pf_rule_verdict(rule, PF_RETURN, NULL);
	}
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, iif, 1);
	pf_rule_not_equal(rule, l4, 6);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	for (unsigned i = 0; i < 2; i++) {
		rule = pf_rule_add(chain);
		pf_rule_equal(rule, (struct pf_selector){PF_NFPROTO}, i ? AF_INET6 : AF_INET);
		pf_rule_verdict(rule, PF_RETURN, NULL);
	}
	rule = pf_rule_add(chain);
	pf_rule_any_flag(rule, state, 8);
	pf_rule_equal(rule, (struct pf_selector){PF_CT_DIRECTION}, 0);
	pf_rule_flags(rule, (struct pf_selector){PF_TCP_FLAGS}, 0x12, 0x02);
	pf_rule_set_label(rule, 100);
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_CT_DIRECTION}, 1);
	pf_rule_label(rule, 100);
	pf_rule_verdict(rule, PF_ACCEPT, NULL);
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_FIB_SADDR_IIF}, 0);
	pf_rule_verdict(rule, PF_GOTO, "end");
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_LOOSE_SOURCE_ROUTE}, 1);
	pf_rule_equal(rule, (struct pf_selector){PF_STRICT_SOURCE_ROUTE}, 0);
	pf_rule_verdict(rule, PF_GOTO, "end");
}

static void add_lookups(struct pf_chain *chain)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_lookup_not(rule, "ifs", PF_FIELDS({PF_IIF}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "protos", PF_FIELDS({PF_L4PROTO}));
	pf_rule_verdict(rule, PF_GOTO, "end");
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "ports", PF_FIELDS({PF_UDP_DPORT}));
	pf_rule_verdict(rule, PF_JUMP, "end");
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "nets4", PF_FIELDS({PF_IP_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "nets6", PF_FIELDS({PF_IP6_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "boxes4", PF_FIELDS({PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "boxes6", PF_FIELDS({PF_IP6_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "services", PF_FIELDS({PF_L4PROTO}, {PF_TH_DPORT}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "flows6",
		       PF_FIELDS({PF_IP6_SADDR}, {PF_IP6_DADDR}, {PF_L4PROTO}, {PF_UDP_DPORT}));
	pf_rule_verdict(rule, PF_DROP, NULL);
	pf_rule_vmap(pf_rule_add(chain), "links", PF_FIELDS({PF_IIF}));
	pf_rule_vmap(pf_rule_add(chain), "pods4", PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_rule_vmap(pf_rule_add(chain), "pods6", PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
}

/* A known flow, a new one, one too many; with the ports of ICMP, and none. */
static void add_ledger(struct pf_chain *chain, bool is_output)
{
	static const struct pf_rate rate = {100, 200}, rare = {5, 5};
	struct pf_rule *rule = pf_rule_add(chain);

	if (is_output) {
		pf_rule_lookup(
			rule, "ledger_out4",
			PF_FIELDS({PF_CGROUP, 2}, {PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
		pf_rule_verdict(rule, PF_DROP, NULL);
		rule = pf_rule_add(chain);
		pf_rule_set_mark_map(rule, "marks", PF_FIELDS({PF_CGROUP, 2}));
		pf_rule_set_add(
			rule, "ledger_out4",
			PF_FIELDS({PF_CGROUP, 2}, {PF_IP_DADDR}, {PF_L4PROTO}, {PF_TH_SPORT}));
		pf_rule_log(rule, 1789, 128, 0, "podfence:new");
		pf_rule_verdict(rule, PF_DROP, NULL);
		return;
	}
	pf_rule_lookup(
		rule, "ledger6",
		PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}, {PF_IP6_DADDR}, {PF_L4PROTO}, {PF_TH_SPORT}));
	pf_rule_verdict(rule, PF_DROP, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "protos", PF_FIELDS({PF_L4PROTO}));
	pf_rule_set_meter(rule, "meter6", PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}), &rate);
	pf_rule_set_add(
		rule, "ledger6",
		PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}, {PF_IP6_DADDR}, {PF_L4PROTO}, {PF_TH_DPORT}));
	pf_rule_counter(rule, "denied");
	pf_rule_log(rule, 1789, 128, 0, "podfence:new");
	pf_rule_verdict(rule, PF_DROP, NULL);
	pf_rule_set_meter(pf_rule_add(chain), "meter4", PF_FIELDS({PF_IIF}, {PF_IP_SADDR}), &rate);
	rule = pf_rule_add(chain);
	pf_rule_limit(rule, &rare);
	pf_rule_log(rule, 1789, 128, 0, "podfence:over");
}

static void add_output(struct pf_chain *chain)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_lookup(rule, "roots", PF_FIELDS({PF_CGROUP, 1}));
	pf_rule_verdict(rule, PF_JUMP, "end");
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_FIB_SADDR_TYPE}, 2);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_FIB_DADDR_TYPE}, 2);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_vmap(pf_rule_add(chain), "cgroups", PF_FIELDS({PF_CGROUP, 3}));
}

static void add_end(struct pf_chain *chain)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_set_mark(rule, 0);
	pf_rule_set_mark_map(pf_rule_add(chain), "marks", PF_FIELDS({PF_CGROUP, 2}));
	rule = pf_rule_add(chain);
	pf_rule_counter(rule, "denied");
	pf_rule_log(rule, 1789, 128, 10, "podfence:deny");
	pf_rule_log(pf_rule_add(chain), 1789, 128, 0, "podfence:other");
	pf_rule_reject(pf_rule_add(chain), PF_REJECT_TCP_RESET);
	pf_rule_reject(pf_rule_add(chain), PF_REJECT_ADMIN_PROHIBITED);
	pf_rule_verdict(pf_rule_add(chain), PF_DROP, NULL);
}

static struct pf_key box(const char *address, uint8_t protocol, uint16_t port)
{
	struct pf_key key = {};

	if (address) {
		struct pf_prefix value = prefix(address);
		pf_key_add_address(&key, &value.address);
	}
	pf_key_add_u8(&key, protocol);
	pf_key_add_port(&key, port);
	return key;
}

/* Prefixes, other ranges and lone values, in each field. */
static void add_boxes(struct pf_table *table)
{
	static const struct {
		const char *set, *first, *last;
		uint8_t protocol;
		uint16_t first_port, last_port;
	} boxes[] = {
		{"boxes4", "10.0.0.0", "10.255.255.255", 6, 80, 80},
		{"boxes4", "10.0.0.0", "10.255.255.255", 17, 0, 65535},
		{"boxes4", "192.0.2.3", "192.0.2.9", 6, 8000, 8999},
		{"boxes4", "192.0.2.10", "192.0.2.10", 132, 1, 2},
		{"boxes6", "2001:db8::", "2001:db8::ffff", 6, 443, 443},
		{"boxes6", "2001:db8::1:0", "2001:db8::1:7", 6, 443, 444},
		{"services", NULL, NULL, 6, 1, 1023},
		{"services", NULL, NULL, 17, 53, 53},
	};

	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		struct pf_key first = box(boxes[i].first, boxes[i].protocol, boxes[i].first_port);
		struct pf_key last = box(boxes[i].last, boxes[i].protocol, boxes[i].last_port);
		pf_element_add_range(pf_set_find(table, boxes[i].set), &first, &last);
	}
}

static void add_elements(struct pf_table *table, unsigned n)
{
	static const char *const nets[] = {"10.0.0.0/8", "11.0.0.0/8", "10.1.0.0/16",
					   "192.0.2.0/24", "255.255.255.255"};
	const struct pf_set_options vmap = {.data = PF_DATA_VERDICT, .size = 65536};
	const struct pf_set_options marks = {.data = PF_DATA_MARK, .size = 65536};
	const struct pf_set_options interval = {.is_interval = true};
	struct pf_set *pods = pf_set_add(table, "many4", &vmap, PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	struct pf_set *marked = pf_set_add(table, "manymarks", &marks, PF_FIELDS({PF_IIF}));
	struct pf_set *four = pf_set_add(table, "some4", &interval, PF_FIELDS({PF_IP_DADDR}));
	struct pf_set *six = pf_set_add(table, "some6", &interval, PF_FIELDS({PF_IP6_DADDR}));

	for (unsigned i = 0; i < n; i++) {
		struct pf_key key = {}, mark = {};
		struct pf_address address = {.family = 2,
					     .bytes = {10, 244, i >> 8 & 255, i & 255}};
		pf_key_add_u32(&key, 1000 + i);
		pf_key_add_address(&key, &address);
		pf_element_add_verdict(pods, &key, PF_GOTO, "end");
		pf_key_add_u32(&mark, 1000 + i);
		pf_element_add_mark(marked, &mark, i);
	}
	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		struct pf_prefix value = prefix(nets[i]);
		pf_element_add_prefix(four, &value);
	}
	struct pf_prefix value = prefix("2001:db8::/33");
	pf_element_add_prefix(six, &value);
	value = prefix("fc00::/7");
	pf_element_add_prefix(six, &value);
	add_boxes(table);
}

static void add_bridge(struct pf_table *table)
{
	const struct pf_set_options plain = {.size = 1024};

	pf_set_add(table, "ports4", &plain, PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_set_add(table, "ports6", &plain, PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
	pf_set_add(table, "targets6", &plain, PF_FIELDS({PF_IIF}, {PF_ND_TARGET}));
	struct pf_chain *chain = pf_chain_add(table, "guard");
	struct pf_rule *rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "ports4", PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "ports6", PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "ports4", PF_FIELDS({PF_IIF}, {PF_ARP_SADDR_IP}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_ICMPV6_TYPE}, 136);
	pf_rule_lookup_not(rule, "targets6", PF_FIELDS({PF_IIF}, {PF_ND_TARGET}));
	pf_rule_verdict(rule, PF_DROP, NULL);
	pf_rule_verdict(pf_rule_add(pf_base_chain_add(table, "base-guard", PF_PREROUTING, -310)),
			PF_JUMP, "guard");
}

/* A device that every namespace has. */
static void add_netdev(struct pf_table *table)
{
	const struct pf_set_options interval = {.is_interval = true};
	struct pf_prefix four = prefix("10.0.0.0/8"), six = prefix("fd00::/8");
	struct pf_set *nets4 = pf_set_add(table, "nets4", &interval,
					  PF_FIELDS({PF_FRAME_IP_DADDR}));
	struct pf_set *nets6 = pf_set_add(table, "nets6", &interval,
					  PF_FIELDS({PF_FRAME_IP6_DADDR}));
	struct pf_chain *chain = pf_chain_add(table, "frame");
	struct pf_rule *rule = pf_rule_add(chain);

	pf_element_add_prefix(nets4, &four);
	pf_element_add_prefix(nets6, &six);
	pf_rule_equal(rule, (struct pf_selector){PF_FRAME_TYPE}, 0x0800);
	pf_rule_lookup(rule, "nets4", PF_FIELDS({PF_FRAME_IP_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_FRAME_TYPE}, 0x86dd);
	pf_rule_lookup(rule, "nets6", PF_FIELDS({PF_FRAME_IP6_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_not_equal(rule, (struct pf_selector){PF_TAGGED_TYPE}, 0x0800);
	pf_rule_lookup(rule, "nets4", PF_FIELDS({PF_TAGGED_IP_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_lookup(rule, "nets6", PF_FIELDS({PF_TAGGED_IP6_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	rule = pf_rule_add(chain);
	pf_rule_equal(rule, (struct pf_selector){PF_PROTOCOL}, 0x0806);
	pf_rule_equal(rule, (struct pf_selector){PF_ARP_HEAD}, 0x000108000604);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_verdict(pf_rule_add(chain), PF_DROP, NULL);
	chain = pf_egress_chain_add(table, "base-egress", "lo", 0);
	rule = pf_rule_add(chain);
	pf_rule_not_equal(rule, (struct pf_selector){PF_ROUTE_REALM}, UINT32_MAX);
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "frame");
}

struct pf_ruleset *sample_ruleset(const char *name, unsigned n_elements)
{
	struct pf_ruleset *ruleset = pf_ruleset_new();
	struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, name);

	pf_counter_add(table, "denied");
	add_sets(table);
	add_end(pf_chain_add(table, "end"));
	add_matches(pf_chain_add(table, "matches"));
	add_lookups(pf_chain_add(table, "lookups"));
	add_output(pf_chain_add(table, "output"));
	add_ledger(pf_chain_add(table, "ledger"), false);
	add_ledger(pf_chain_add(table, "ledger-out"), true);
	add_elements(table, n_elements);
	pf_rule_verdict(
		pf_rule_add(pf_base_chain_add(table, "base-prerouting", PF_PREROUTING, -310)),
		PF_JUMP, "matches");
	pf_rule_verdict(pf_rule_add(pf_base_chain_add(table, "base-output", PF_OUTPUT, -10)),
			PF_JUMP, "output");
	add_bridge(pf_table_add(ruleset, PF_FAMILY_BRIDGE, name));
	add_netdev(pf_table_add(ruleset, PF_FAMILY_NETDEV, name));
	if (pf_ruleset_seal(ruleset) < 0) {
		fprintf(stderr, "# %s\n", pf_ruleset_error(ruleset));
		return pf_ruleset_free(ruleset);
	}
	return ruleset;
}

struct pf_ruleset *sample_variant(const char *name, unsigned variant)
{
	struct pf_ruleset *ruleset = pf_ruleset_new();
	struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, name);
	const struct pf_set_options vmap = {.data = PF_DATA_VERDICT, .size = 64};
	const struct pf_set_options interval = {.is_interval = true};

	pf_counter_add(table, "denied");
	if (variant == 3)
		pf_counter_add(table, "extra");
	struct pf_set *links = pf_set_add(table, "links", &vmap, PF_FIELDS({PF_IIF}));
	struct pf_set *nets = pf_set_add(table, "nets4", &interval, PF_FIELDS({PF_IP_DADDR}));
	for (unsigned i = 0; i < 4 + variant; i++) {
		struct pf_key key = {};
		pf_key_add_u32(&key, 100 + i);
		pf_element_add_verdict(links, &key, PF_GOTO,
				       variant == 2 && i == 1 ? "other" : "one");
	}
	struct pf_prefix value = prefix(variant ? "10.0.0.0/8" : "192.0.2.0/24");
	pf_element_add_prefix(nets, &value);
	struct pf_rule *rule = pf_rule_add(pf_chain_add(table, "one"));
	pf_rule_counter(rule, "denied");
	pf_rule_verdict(rule, variant == 1 ? PF_ACCEPT : PF_DROP, NULL);
	if (variant >= 2)
		pf_rule_verdict(pf_rule_add(pf_chain_add(table, "other")), PF_RETURN, NULL);
	struct pf_chain *forward = pf_chain_add(table, "forward");
	rule = pf_rule_add(forward);
	pf_rule_lookup(rule, "nets4", PF_FIELDS({PF_IP_DADDR}));
	pf_rule_verdict(rule, PF_RETURN, NULL);
	pf_rule_vmap(pf_rule_add(forward), "links", PF_FIELDS({PF_IIF}));
	pf_rule_verdict(pf_rule_add(pf_base_chain_add(table, "base-forward", PF_FORWARD, -10)),
			PF_JUMP, "forward");
	if (pf_ruleset_seal(ruleset) < 0) {
		fprintf(stderr, "# %s\n", pf_ruleset_error(ruleset));
		return pf_ruleset_free(ruleset);
	}
	return ruleset;
}
