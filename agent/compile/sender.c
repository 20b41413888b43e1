/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * How a packet is recorded that is stopped wherever it goes: a forged source, tunnel transport, quarantine, a frame of a
 * packet socket. Its destinations are the sender's to invent, so it is counted for its sender as a whole:
 *
 *	NAME		count; the sender's element counts -> NAME-log
 *			no room for another sender: counted for nobody, and a few of those are logged -> verdict
 *	NAME-log	the sender's first packets are logged, then a few a second -> verdict
 *
 * A flood costs as many messages as its sender's pace allows, and takes nothing from the pace of others. What is not
 * logged is told from the element's count. The sets of paces have the same keys, and forget who is quiet. */
#include <arpa/inet.h>
#include <stdio.h>

#include "compile/internal.h"

#define PACE_TIMEOUT 60 /* seconds; an element that goes begins anew with a full burst */

static struct pf_table *table_of(const struct compiler *compiler, enum pf_family family)
{
	switch (family) {
	case PF_FAMILY_BRIDGE: return compiler->bridge;
	case PF_FAMILY_NETDEV: return compiler->netdev;
	default: return compiler->inet;
	}
}

/* The end's set for the family; where the key has no address both are the same. */
static const struct ledger_set *set_of(const struct sender_end *end, uint8_t family)
{
	const struct rule_facts *facts = rule_facts(end->meaning.rule);
	const struct ledger_set like = {
		.class = facts->class,
		.kind = LEDGER_OVER,
		.who = end->who,
		.family = family,
		.is_bridge = end->is_bridge,
		.is_inbound = facts->is_inbound,
	};

	return ledger_set_find(&like);
}

static size_t key_make(const struct sender_end *end, const struct ledger_set *set,
		       struct pf_selector selectors[static PF_SELECTORS_MAX])
{
	size_t n = ledger_set_selectors(set, false, selectors);

	if (selectors[0].field == PF_CGROUP)
		selectors[0].level = end->level;
	return n;
}

void sender_add(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		const struct sender_end *end)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	const struct pf_rate pace = {SAMPLES_PER_SECOND, 2 * SAMPLES_PER_SECOND};
	struct pf_selector selectors[PF_SELECTORS_MAX];
	char log_name[PF_NAME_MAX];

	snprintf(log_name, sizeof(log_name), "%.27s-log", name);
	struct pf_table *table = table_of(compiler, ledger_set_family(set_of(end, AF_INET)));
	struct pf_chain *log = pf_chain_add(table, log_name);
	for (size_t i = 0; i < 2; i++) {
		const struct ledger_set *set = set_of(end, families[i]);
		if (i > 0 && !set->family)
			break;
		size_t n = key_make(end, set, selectors);
		struct pf_rule *rule = pf_rule_add(chain);
		pf_rule_set_add(rule, set->name, selectors, n);
		pf_rule_counter(rule, rule_facts(end->meaning.rule)->counter);
		pf_rule_verdict(rule, PF_GOTO, log_name);
		rule = pf_rule_add(log);
		pf_rule_set_meter(rule, set->pace, selectors, n, &pace);
		log_add(compiler, rule, &end->meaning);
	}
	verdict_add(pf_rule_add(log), end->meaning.rule);
	nobody_add(compiler, chain, &end->meaning);
}

void sender_add_out(const struct compiler *compiler, struct pf_chain *chain, const char *name,
		    enum rule_id rule)
{
	const struct sender_end end = {.meaning.rule = rule, .who = LEDGER_BY_INDEX};
	bool is_spoof = rule_facts(rule)->class == LEDGER_SPOOFED;

	if (!rule_facts(rule)->lets_pass) {
		mark_add(compiler, chain);
		sender_add(compiler, chain, name, &end);
		return;
	}
	for (size_t i = 0; i < compiler->pods.n; i++)
		pf_rule_vmap(pf_rule_add(chain), is_spoof ? SPOOF_TAGS : TUNNEL_TAGS,
			     PF_FIELDS({PF_CGROUP, compiler->pods.levels[i]}));
	nobody_add(compiler, chain, &end.meaning);
}

static void add_tag(const struct compiler *compiler, const struct sender_end *end, uint64_t cgroup,
		    const char *map, const char *word)
{
	struct pf_key key = {};
	char name[PF_NAME_MAX];

	pf_key_add_u64(&key, cgroup);
	snprintf(name, sizeof(name), "%s-%x", word, end->meaning.index);
	sender_add(compiler, pf_chain_add(compiler->inet, name), name, end);
	pf_element_add_verdict(pf_set_find(compiler->inet, map), &key, PF_GOTO, name);
}

void sender_add_tags(const struct compiler *compiler, uint64_t cgroup, unsigned level)
{
	struct sender_end end = {
		.meaning = {RULE_SPOOF_OUTPUT_AUDIT, true, (uint32_t)cgroup},
		.who = LEDGER_BY_CGROUP,
		.level = (uint8_t)level,
	};

	add_tag(compiler, &end, cgroup, SPOOF_TAGS, "spoof");
	end.meaning.rule = RULE_TUNNEL_AUDIT;
	add_tag(compiler, &end, cgroup, TUNNEL_TAGS, "tunnel");
}

static void add_sets(struct pf_table *table, const struct ledger_set *set)
{
	const struct pf_set_options counts = {
		.size = DYNAMIC_MAX, .is_dynamic = true, .has_counter = true};
	const struct pf_set_options paces = {
		.size = DYNAMIC_MAX, .is_dynamic = true, .timeout_seconds = PACE_TIMEOUT};
	struct pf_selector selectors[PF_SELECTORS_MAX];
	size_t n = ledger_set_selectors(set, false, selectors);

	pf_set_add(table, set->name, &counts, selectors, n);
	pf_set_add(table, set->pace, &paces, selectors, n);
}

void compile_senders(const struct compiler *compiler, enum pf_family family)
{
	struct pf_table *table = table_of(compiler, family);
	bool are_here[LEDGER_CLASS_N] = {};

	for (size_t i = 0; i < n_ledger_sets; i++) {
		if (!ledger_sets[i].pace || ledger_set_family(&ledger_sets[i]) != family)
			continue;
		add_sets(table, &ledger_sets[i]);
		are_here[ledger_sets[i].class] = true;
	}
	for (enum ledger_class class = 0; class < LEDGER_CLASS_N; class ++) {
		if (!are_here[class])
			continue;
		pf_counter_add(table, ledger_class_name(class));
		pf_counter_add(table, unkept_counter(class));
	}
	if (family != PF_FAMILY_INET)
		pf_counter_add(table, LOGGED);
}
