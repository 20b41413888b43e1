/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * How a packet that nothing allows is recorded. What is known costs a look-up, what is new one NFLOG message:
 *
 *	NAME		count; the flow is in the ledger (its element counts) -> verdict
 *			the sender's pace of new flows is not exceeded, and there is room: take it in, log -> verdict
 *	NAME-rest	the same for what has no port of interest: other protocols, TCP without SYN
 *	NAME-over	neither: the sender's own counter
 *	NAME-sample	a few of those are logged -> verdict
 *
 * Every way ends in the verdict, which is the end's alone: a full ledger or an exceeded pace changes what is
 * recorded, never what passes. A set of paces that is full counts as exceeded.
 *
 * The pace is that of a link and source address, or of a cgroup. A link whose sender may choose among many
 * source addresses has one of its own beside, LINK_PACE times as high, so that it cannot fill the ledger.
 *
 * What is allowed has a ledger too, of packets that begin a connection: the same keys and sets, but nothing is
 * logged and nobody has a pace; what finds no room is counted for nobody.
 *
 * TCP without SYN is late, not an attempt: were it in one element with the attempts, the first packet would
 * decide what the others are taken for. */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <string.h>

#include "compile/internal.h"

#define LINK_PACE    8
#define PACE_TIMEOUT 60 /* seconds; an element that goes begins anew with a full burst */

static const struct pf_selector l4proto = {PF_L4PROTO};
static const struct pf_selector tcp_flags = {PF_TCP_FLAGS};
static const uint8_t with_ports[] = {17, 6, 33, 132, 136};

struct key {
	struct pf_selector selectors[PF_SELECTORS_MAX];
	size_t n;
	const char *set;
};

static enum ledger_class class_of(const struct ledger_end *end)
{
	return rule_facts(end->meaning.rule)->class;
}

static void key_make(const struct ledger_end *end, enum ledger_kind kind, uint8_t family,
		     bool is_icmp, struct key *key)
{
	enum ledger_class class = class_of(end);
	const struct ledger_set *set = ledger_set_find(&(struct ledger_set){
		.class = class,
		.kind = kind,
		.who = ledger_flow_who(class, end->is_output),
		.family = family,
	});

	key->set = set->name;
	key->n = ledger_set_selectors(set, is_icmp, key->selectors);
	if (key->selectors[0].field == PF_CGROUP)
		key->selectors[0].level = end->level;
}

/* ICMP of its own family only: of ICMP in IPv6 nobody knows type and code. */
static void begin_icmp(struct pf_rule *rule, uint8_t family)
{
	pf_rule_equal(rule, l4proto, family == AF_INET ? 1 : 58);
}

static void add_known(const struct ledger_end *end, struct pf_chain *chain, enum ledger_kind kind,
		      uint8_t family, bool is_icmp)
{
	struct key key;

	if (class_of(end) == LEDGER_ALLOWED)
		return; /* to add is to count */
	struct pf_rule *rule = pf_rule_add(chain);
	key_make(end, kind, family, is_icmp, &key);
	if (is_icmp)
		begin_icmp(rule, family);
	pf_rule_lookup(rule, key.set, key.selectors, key.n);
	verdict_add(rule, end->meaning.rule);
}

/* Goes on while the sender's pace is not exceeded. */
static void add_pace(const struct compiler *compiler, const struct ledger_end *end,
		     struct pf_rule *rule, uint8_t family)
{
	uint32_t per_second = compiler->config->ledger.new_flows;
	const struct pf_rate rate = {per_second, 2 * per_second};
	const struct pf_rate link = {LINK_PACE * rate.per_second, LINK_PACE * rate.burst};
	struct key key;

	key_make(end, LEDGER_OVER, family, false, &key);
	if (end->is_output) {
		pf_rule_set_meter(rule, class_of(end) == LEDGER_DENIED ? PACE_OUT : PACE_CGROUPS,
				  key.selectors, key.n, &rate);
		return;
	}
	pf_rule_set_meter(rule, family == AF_INET ? PACE4 : PACE6, key.selectors, key.n, &rate);
	pf_rule_set_meter(rule, PACE_LINKS, PF_FIELDS({PF_IIF}), &link);
}

static void add_new(const struct compiler *compiler, const struct ledger_end *end,
		    struct pf_chain *chain, enum ledger_kind kind, uint8_t family, bool is_icmp)
{
	struct pf_rule *rule = pf_rule_add(chain);
	struct key key;

	key_make(end, kind, family, is_icmp, &key);
	if (is_icmp)
		begin_icmp(rule, family);
	bool is_logged = class_of(end) != LEDGER_ALLOWED;
	if (is_logged)
		add_pace(compiler, end, rule, family);
	pf_rule_set_add(rule, key.set, key.selectors, key.n);
	if (is_logged)
		log_add(compiler, rule, &end->meaning);
	verdict_add(rule, end->meaning.rule);
}

static void add_goto(struct pf_chain *chain, const char *target)
{
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, target);
}

struct names {
	char rest[PF_NAME_MAX], over[PF_NAME_MAX], sample[PF_NAME_MAX];
};

static void names_make(const char *name, struct names *names)
{
	snprintf(names->rest, PF_NAME_MAX, "%.20s-rest", name);
	snprintf(names->over, PF_NAME_MAX, "%.20s-over", name);
	snprintf(names->sample, PF_NAME_MAX, "%.20s-sample", name);
}

static const uint8_t families[] = {AF_INET, AF_INET6};

static void add_rest(const struct compiler *compiler, const struct ledger_end *end,
		     const struct names *names)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, names->rest);

	for (unsigned i = 0; i < 2; i++) {
		add_known(end, chain, LEDGER_PORTS, families[i], true);
		add_new(compiler, end, chain, LEDGER_PORTS, families[i], true);
	}
	for (unsigned i = 0; i < 2; i++)
		add_known(end, chain, LEDGER_REST, families[i], false);
	for (unsigned i = 0; i < 2; i++)
		add_new(compiler, end, chain, LEDGER_REST, families[i], false);
	add_goto(chain, names->over);
}

static void add_over(const struct compiler *compiler, const struct ledger_end *end,
		     const struct names *names)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, names->over);
	struct pf_rule *rule;

	for (unsigned i = 0; i < (end->is_output ? 1 : 2); i++) {
		struct key key;
		key_make(end, LEDGER_OVER, families[i], false, &key);
		rule = pf_rule_add(chain);
		pf_rule_set_add(rule, key.set, key.selectors, key.n);
		pf_rule_verdict(rule, PF_GOTO, names->sample);
	}
	rule = pf_rule_add(chain);
	pf_rule_counter(rule, unkept_counter(class_of(end)));
	pf_rule_verdict(rule, PF_GOTO, names->sample);
}

static void add_sample(const struct compiler *compiler, const struct ledger_end *end,
		       const struct names *names)
{
	struct prefix_meaning meaning = end->meaning;

	meaning.is_over = true;
	sample_add(compiler, pf_chain_add(compiler->inet, names->sample), &meaning);
}

static void add_unkept(const struct compiler *compiler, const struct ledger_end *end,
		       const struct names *names)
{
	struct pf_rule *rule = pf_rule_add(pf_chain_add(compiler->inet, names->over));

	pf_rule_counter(rule, unkept_counter(LEDGER_ALLOWED));
	verdict_add(rule, end->meaning.rule);
}

void ledger_add(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		const struct ledger_end *end)
{
	struct names names;
	struct pf_rule *rule = pf_rule_add(chain);

	names_make(name, &names);
	if (class_of(end) == LEDGER_ALLOWED) {
		add_unkept(compiler, end, &names);
	} else {
		add_sample(compiler, end, &names);
		add_over(compiler, end, &names);
	}
	add_rest(compiler, end, &names);
	pf_rule_counter(rule, rule_facts(end->meaning.rule)->counter);
	rule = pf_rule_add(chain);
	pf_rule_flags(rule, tcp_flags, 0x02 /* SYN */, 0);
	pf_rule_verdict(rule, PF_GOTO, names.rest);
	rule = pf_rule_add(chain);
	for (size_t i = 0; i < sizeof(with_ports); i++)
		pf_rule_not_equal(rule, l4proto, with_ports[i]);
	pf_rule_verdict(rule, PF_GOTO, names.rest);
	for (unsigned i = 0; i < 2; i++)
		add_known(end, chain, LEDGER_PORTS, families[i], false);
	for (unsigned i = 0; i < 2; i++)
		add_new(compiler, end, chain, LEDGER_PORTS, families[i], false);
	add_goto(chain, names.over);
}

static void add_pace_sets(const struct compiler *compiler)
{
	const struct pf_set_options options = {
		.size = DYNAMIC_MAX,
		.is_dynamic = true,
		.timeout_seconds = PACE_TIMEOUT,
	};
	struct pf_table *table = compiler->inet;

	pf_set_add(table, PACE4, &options, PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
	pf_set_add(table, PACE6, &options, PF_FIELDS({PF_IIF}, {PF_IP6_SADDR}));
	pf_set_add(table, PACE_LINKS, &options, PF_FIELDS({PF_IIF}));
	pf_set_add(table, PACE_OUT, &options, PF_FIELDS({PF_MARK}));
	pf_set_add(table, PACE_CGROUPS, &options, PF_FIELDS({PF_CGROUP}));
}

/* Only a packet that begins a connection is recorded; all that is allowed passes here. */
static void add_allowed(const struct compiler *compiler)
{
	struct pf_chain *chain = pf_chain_add(compiler->inet, ALLOWED);
	struct ledger_end end = {.meaning.rule = RULE_ALLOW};
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_any_flag(rule, (struct pf_selector){PF_CT_STATE}, NF_CT_STATE_BIT(IP_CT_NEW));
	pf_rule_verdict(rule, PF_GOTO, "allowed-new");
	ledger_add(compiler, pf_chain_add(compiler->inet, "allowed-new"), ALLOWED, &end);
	chain = pf_chain_add(compiler->inet, ALLOWED_OUT);
	end.is_output = true;
	for (size_t i = 0; i < compiler->pods.n; i++) {
		char name[PF_NAME_MAX];
		end.level = compiler->pods.levels[i];
		snprintf(name, sizeof(name), "allowed-out-%u", end.level);
		rule = pf_rule_add(chain);
		pf_rule_any_flag(rule, (struct pf_selector){PF_CT_STATE},
				 NF_CT_STATE_BIT(IP_CT_NEW));
		pf_rule_lookup(rule, SENDERS, PF_FIELDS({PF_CGROUP, end.level}));
		pf_rule_verdict(rule, PF_GOTO, name);
		ledger_add(compiler, pf_chain_add(compiler->inet, name), name, &end);
	}
}

void compile_ledger(const struct compiler *compiler)
{
	for (size_t i = 0; i < n_ledger_sets; i++) {
		const struct ledger_set *set = &ledger_sets[i];
		if (!ledger_class_has_flows(set->class))
			continue;
		const struct pf_set_options options = {
			.size = set->kind == LEDGER_OVER ? DYNAMIC_MAX
							 : compiler->config->ledger.flows,
			.is_dynamic = true,
			.has_counter = true,
		};
		struct pf_selector selectors[PF_SELECTORS_MAX];
		size_t n = ledger_set_selectors(set, false, selectors);
		pf_set_add(compiler->inet, set->name, &options, selectors, n);
	}
	add_pace_sets(compiler);
	pf_counter_add(compiler->inet, unkept_counter(LEDGER_DENIED));
	pf_counter_add(compiler->inet, unkept_counter(LEDGER_AUDITED));
	pf_counter_add(compiler->inet, unkept_counter(LEDGER_ALLOWED));
	pf_counter_add(compiler->inet, rule_facts(RULE_ALLOW)->counter);
	if (compiler->config->ledger.allowed == CONFIG_ON)
		add_allowed(compiler);
	struct pf_chain *chain = pf_chain_add(compiler->inet, ANSWER);
	pf_rule_reject(pf_rule_add(chain), PF_REJECT_TCP_RESET);
	pf_rule_reject(pf_rule_add(chain), PF_REJECT_ADMIN_PROHIBITED);
}
