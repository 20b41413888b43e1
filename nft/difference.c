/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What differs between two rulesets, found once for all phases of a plan. Chains and sets that both share are
 * the same without a look inside, so the usual change of a large ruleset looks into a few. */
#include "difference.h"

#include <errno.h>
#include <stdlib.h>

void difference_done(struct difference *difference)
{
	for (size_t i = 0; i < difference->n_tables; i++) {
		free(difference->tables[i].sets);
		free(difference->tables[i].chains);
	}
	free(difference->tables);
}

static int pair_sets(struct table_pair *pair)
{
	size_t n_to = pair->to ? pair->to->n_sets : 0, n_from = pair->from ? pair->from->n_sets : 0;
	size_t n_found = 0;

	pair->sets = calloc(n_to + n_from + 1, sizeof(*pair->sets));
	if (!pair->sets)
		return -ENOMEM;
	for (size_t i = 0; i < n_to; i++) {
		struct pf_set *old = table_set_like(pair->from, pair->to->sets[i]);
		n_found += old != NULL;
		if (old != pair->to->sets[i])
			pair->sets[pair->n_sets++] = (struct set_pair){old, pair->to->sets[i]};
	}
	for (size_t i = 0; n_found < n_from && i < n_from; i++)
		if (!table_set_like(pair->to, pair->from->sets[i]))
			pair->sets[pair->n_sets++] = (struct set_pair){pair->from->sets[i], NULL};
	return 0;
}

/* 1: the rules of both are the same; 0: not; negative errno. */
static int chain_equal(const struct pf_chain *a, const struct pf_chain *b)
{
	if (!a || !b || a->n_rules != b->n_rules)
		return 0;
	for (size_t i = 0; i < a->n_rules; i++) {
		int r = rule_equal(a->rules[i], b->rules[i]);
		if (r != 1)
			return r;
	}
	return 1;
}

static int pair_chains(struct table_pair *pair)
{
	size_t n_to = pair->to ? pair->to->n_chains : 0;
	size_t n_from = pair->from ? pair->from->n_chains : 0, n_found = 0;

	pair->chains = calloc(n_to + n_from + 1, sizeof(*pair->chains));
	if (!pair->chains)
		return -ENOMEM;
	for (size_t i = 0; i < n_to; i++) {
		struct pf_chain *new = pair->to->chains[i];
		struct pf_chain *old = table_chain_like(pair->from, new);
		n_found += old != NULL;
		if (old == new)
			continue;
		int r = chain_equal(old, new);
		if (r < 0)
			return r;
		pair->chains[pair->n_chains++] = (struct chain_pair){old, new, r == 1};
	}
	for (size_t i = 0; n_found < n_from && i < n_from; i++)
		if (!table_chain_like(pair->to, pair->from->chains[i]))
			pair->chains[pair->n_chains++] = (struct chain_pair){pair->from->chains[i],
									     NULL, false};
	return 0;
}

static int pair_tables(struct difference *difference, const struct pf_table *from,
		       const struct pf_table *to)
{
	struct table_pair *pair = &difference->tables[difference->n_tables++];

	*pair = (struct table_pair){.from = from, .to = to};
	int r = pair_sets(pair);
	return r < 0 ? r : pair_chains(pair);
}

int difference_find(const struct pf_ruleset *from, const struct pf_ruleset *to,
		    struct difference *difference)
{
	size_t n_from = from ? from->n_tables : 0;
	int r = 0;

	difference->tables = calloc(to->n_tables + n_from + 1, sizeof(*difference->tables));
	if (!difference->tables)
		return -ENOMEM;
	for (size_t i = 0; i < to->n_tables && !r; i++) {
		const struct pf_table *table = to->tables[i];
		r = pair_tables(difference, ruleset_table_find(from, table->family, table->name),
				table);
	}
	for (size_t i = 0; i < n_from && !r; i++)
		if (!ruleset_table_find(to, from->tables[i]->family, from->tables[i]->name))
			r = pair_tables(difference, from->tables[i], NULL);
	return r;
}
