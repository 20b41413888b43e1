/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Sealing a ruleset: after it every name a rule or element uses is known to exist and every key
 * fits its set, and elements stand in one order, so that the difference of two values is a merge.
 */
#include <podfence/ruleset.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int element_compare(const struct pf_set *set, const struct element *a, const struct element *b)
{
	int order = memcmp(a->key, b->key, set->key_length);

	if (order || !set->is_interval)
		return order;
	/* Wider first, so that a contained prefix follows the one that contains it. */
	return -memcmp(a->key_end, b->key_end, set->key_length);
}

bool element_data_equal(const struct element *a, const struct element *b)
{
	return a->mark == b->mark && a->verdict == b->verdict && !strcmp(a->chain, b->chain);
}

static int compare_for_sort(const void *a, const void *b, void *set)
{
	return element_compare(set, a, b);
}

void set_elements_sort(struct pf_set *set)
{
	if (set->n_elements > 1)
		qsort_r(set->elements, set->n_elements, sizeof(*set->elements), compare_for_sort,
			set);
}

/* Equal elements become one; a prefix inside another one disappears; one key with two meanings
 * fails. */
static void set_elements_merge(struct pf_set *set)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->n_elements; i++) {
		const struct element *element = &set->elements[i];
		struct element *last = kept ? &set->elements[kept - 1] : NULL;
		if (last && set->is_interval && !set->is_concatenation &&
		    memcmp(element->key_end, last->key_end, set->key_length) <= 0)
			continue;
		if (last && !element_compare(set, last, element)) {
			if (!element_data_equal(last, element))
				return ruleset_fail(set->table->ruleset, -EEXIST,
						    "set %s: one key has two meanings", set->name);
			continue;
		}
		if (kept != i)
			set->elements[kept] = *element;
		kept++;
	}
	set->n_elements = kept;
}

static void verdict_check(const struct pf_table *table, enum pf_verdict verdict, const char *chain,
			  const char *where)
{
	bool needs_chain = verdict == PF_JUMP || verdict == PF_GOTO;

	if (needs_chain != (chain[0] != '\0'))
		return ruleset_fail(table->ruleset, -EINVAL, "%s: verdict and chain disagree",
				    where);
	if (!needs_chain)
		return;
	const struct pf_chain *target = table_chain_find(table, chain);
	if (!target || target->is_base)
		ruleset_fail(table->ruleset, -ENOENT, "%s: no regular chain %s", where, chain);
}

static void set_check(struct pf_set *set)
{
	if (set->size && set->n_elements > set->size)
		return ruleset_fail(set->table->ruleset, -ENOSPC,
				    "set %s: %zu elements, room for %u", set->name, set->n_elements,
				    set->size);
	if (set->data != PF_DATA_VERDICT)
		return;
	/* Thousands of elements lead to few chains: remember the last one found good. */
	const char *good = "";
	for (size_t i = 0; i < set->n_elements; i++) {
		const struct element *element = &set->elements[i];
		if (element->chain[0] && !strcmp(element->chain, good))
			continue;
		verdict_check(set->table, element->verdict, element->chain, set->name);
		good = element->chain;
	}
}

static void lookup_check(const struct pf_table *table, const struct pf_rule *rule,
			 struct expression *expression, enum pf_data data)
{
	const struct pf_set *set = table_set_find(table, expression->name);

	if (!set)
		return ruleset_fail(table->ruleset, -ENOENT, "chain %s: no set %s",
				    rule->chain->name, expression->name);
	if (set->data != data ||
	    set->key_length != selectors_key_length(expression->selectors, expression->n_selectors))
		ruleset_fail(table->ruleset, -EINVAL, "chain %s: set %s holds something else",
			     rule->chain->name, expression->name);
	if (expression->kind == EXPRESSION_SET_ADD || expression->kind == EXPRESSION_SET_METER) {
		if (!set->is_dynamic)
			ruleset_fail(table->ruleset, -EINVAL, "chain %s: set %s is not dynamic",
				     rule->chain->name, expression->name);
		return;
	}
	expression->is_of_ranges = set->is_interval;
}

static void rule_check(struct pf_table *table, const struct pf_rule *rule)
{
	if (!rule->n_expressions)
		return ruleset_fail(table->ruleset, -EINVAL, "chain %s: an empty rule",
				    rule->chain->name);
	for (size_t i = 0; i < rule->n_expressions; i++) {
		struct expression *expression = &rule->expressions[i];
		switch (expression->kind) {
		case EXPRESSION_LOOKUP:
		case EXPRESSION_SET_ADD:
		case EXPRESSION_SET_METER:
			if (rule->chain->table == table) /* of a shared chain they came along */
				lookup_check(table, rule, expression, PF_DATA_NONE);
			break;
		case EXPRESSION_VMAP: lookup_check(table, rule, expression, PF_DATA_VERDICT); break;
		case EXPRESSION_SET_MARK_MAP:
			lookup_check(table, rule, expression, PF_DATA_MARK);
			break;
		case EXPRESSION_COUNTER:
			if (!table_has_counter(table, expression->name))
				ruleset_fail(table->ruleset, -ENOENT, "chain %s: no counter %s",
					     rule->chain->name, expression->name);
			break;
		case EXPRESSION_VERDICT:
			verdict_check(table, (enum pf_verdict)expression->number, expression->name,
				      rule->chain->name);
			break;
		default: break;
		}
	}
}

static void table_seal(struct pf_table *table)
{
	for (size_t i = 0; i < table->n_sets && !table->ruleset->error; i++) {
		struct pf_set *set = table->sets[i];
		if (set->is_sealed)
			continue; /* shared with a sealed ruleset, whose chains it cannot lead to */
		set_elements_sort(set);
		set_elements_merge(set);
		set_check(set);
		set->is_sealed = true;
	}
	for (size_t i = 0; i < table->n_chains; i++)
		for (size_t k = 0; k < table->chains[i]->n_rules && !table->ruleset->error; k++)
			rule_check(table, table->chains[i]->rules[k]);
}

int pf_ruleset_seal(struct pf_ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_tables && !ruleset->error; i++)
		table_seal(ruleset->tables[i]);
	ruleset->is_sealed = !ruleset->error;
	return ruleset->error;
}

size_t pf_ruleset_n_tables(const struct pf_ruleset *ruleset)
{
	return ruleset->n_tables;
}

size_t pf_ruleset_n_rules(const struct pf_ruleset *ruleset)
{
	size_t n = 0;

	for (size_t i = 0; i < ruleset->n_tables; i++)
		for (size_t k = 0; k < ruleset->tables[i]->n_chains; k++)
			n += ruleset->tables[i]->chains[k]->n_rules;
	return n;
}

size_t pf_ruleset_n_elements(const struct pf_ruleset *ruleset)
{
	size_t n = 0;

	for (size_t i = 0; i < ruleset->n_tables; i++)
		for (size_t k = 0; k < ruleset->tables[i]->n_sets; k++)
			n += ruleset->tables[i]->sets[k]->n_elements;
	return n;
}
