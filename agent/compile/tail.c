/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * How a chain ends: the packet is counted and perhaps logged, then dropped, answered or let pass. NFLOG carries no
 * cgroup, so whose packet it was stands in its mark or in the prefix. */
#include "compile/internal.h"

const char *unkept_counter(enum ledger_class class)
{
	static const char *const names[LEDGER_CLASS_N] = {
		[LEDGER_DENIED] = "denied_unkept",
		[LEDGER_AUDITED] = "audited_unkept",
		[LEDGER_ALLOWED] = "allowed_unkept",
		[LEDGER_SPOOFED] = "spoofed_unkept",
		[LEDGER_TUNNELED] = "tunneled_unkept",
		[LEDGER_QUARANTINED] = "quarantined_unkept",
		[LEDGER_BACKSTOPPED] = "backstopped_unkept",
	};

	return names[class];
}

void log_add(const struct compiler *compiler, struct pf_rule *rule,
	     const struct prefix_meaning *meaning)
{
	char prefix[RULE_PREFIX_MAX];

	pf_rule_counter(rule, LOGGED);
	pf_rule_log(rule, (uint16_t)compiler->config->nflog.group,
		    compiler->config->nflog.copy_bytes, 0, rule_prefix_format(meaning, prefix));
}

void verdict_add(struct pf_rule *rule, enum rule_id id)
{
	const struct rule_facts *facts = rule_facts(id);

	if (facts->rejects)
		pf_rule_verdict(rule, PF_GOTO, ANSWER);
	else
		pf_rule_verdict(rule, facts->lets_pass ? PF_ACCEPT : PF_DROP, NULL);
}

void sample_add(const struct compiler *compiler, struct pf_chain *chain,
		const struct prefix_meaning *meaning)
{
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_limit(rule, &(struct pf_rate){SAMPLES_PER_SECOND, SAMPLES_PER_SECOND});
	log_add(compiler, rule, meaning);
	verdict_add(pf_rule_add(chain), meaning->rule);
}

void nobody_add(const struct compiler *compiler, struct pf_chain *chain,
		const struct prefix_meaning *meaning)
{
	const struct rule_facts *facts = rule_facts(meaning->rule);
	struct pf_rule *rule = pf_rule_add(chain);

	pf_rule_counter(rule, facts->counter);
	pf_rule_counter(rule, unkept_counter(facts->class));
	sample_add(compiler, chain, meaning);
}

/* On a packet about to die: whose it was. A mark that somebody else had set must accuse nobody. */
void mark_add(const struct compiler *compiler, struct pf_chain *chain)
{
	pf_rule_set_mark(pf_rule_add(chain), 0);
	for (size_t i = compiler->pods.n; i > 0; i--) /* the last that fits stays: the deepest */
		pf_rule_set_mark_map(pf_rule_add(chain), MARKS,
				     PF_FIELDS({PF_CGROUP, compiler->pods.levels[i - 1]}));
}
