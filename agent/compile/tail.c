/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * How a chain ends: the packet is counted and logged, then dropped, answered or let pass. NFLOG
 * carries no cgroup, so whose packet it was stands in its mark or in the prefix. */
#include "compile/internal.h"

void log_add(const struct compiler *compiler, struct pf_rule *rule,
	     const struct prefix_meaning *meaning)
{
	char prefix[RULE_PREFIX_MAX];

	pf_rule_counter(rule, LOGGED);
	pf_rule_log(rule, (uint16_t)compiler->config->nflog.group,
		    compiler->config->nflog.copy_bytes, 0, rule_prefix_format(meaning, prefix));
}

static struct pf_rule *add_count_and_log(const struct compiler *compiler, struct pf_chain *chain,
					 const struct prefix_meaning *meaning)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_counter(rule, rule_facts(meaning->rule)->counter);
	log_add(compiler, rule, meaning);
	return rule;
}

void tail_add(const struct compiler *compiler, struct pf_chain *chain, enum rule_id id)
{
	const struct prefix_meaning meaning = {.rule = id};
	struct pf_rule *rule = add_count_and_log(compiler, chain, &meaning);

	if (rule_facts(id)->rejects)
		pf_rule_verdict(rule, PF_GOTO, ANSWER);
	else
		pf_rule_verdict(rule, rule_facts(id)->lets_pass ? PF_ACCEPT : PF_DROP, NULL);
}

void tail_add_tagged(const struct compiler *compiler, struct pf_chain *chain, enum rule_id id,
		     uint32_t index)
{
	const struct prefix_meaning meaning = {.rule = id, .has_index = true, .index = index};

	pf_rule_verdict(add_count_and_log(compiler, chain, &meaning),
			rule_facts(id)->lets_pass ? PF_ACCEPT : PF_DROP, NULL);
}

/* On a packet about to die: whose it was. A mark that somebody else had set must accuse nobody. */
void mark_add(const struct compiler *compiler, struct pf_chain *chain)
{
	pf_rule_set_mark(pf_rule_add(chain), 0);
	for (size_t i = compiler->pods.n; i > 0; i--) /* the last that fits stays: the deepest */
		pf_rule_set_mark_map(pf_rule_add(chain), MARKS,
				     PF_FIELDS({PF_CGROUP, compiler->pods.levels[i - 1]}));
}
