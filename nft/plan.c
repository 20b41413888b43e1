/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The difference of two ruleset values as ordered steps, in place.
 *
 * The order follows from what the kernel lets refer to what: a map element or rule needs its chain,
 * a rule its set and counter; nothing can be deleted while it is referred to. Chains are flushed
 * before their rules are added and before maps get new elements, element deletes come before adds
 * so that a key can change its meaning, and base chains come last so that nothing jumps into what
 * is not there yet. All of it is one transaction: no packet sees a state between (measured: 0
 * escaped, 0 lost, while deleting and re-adding the table in one transaction lets packets through).
 */
#include <podfence/plan.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "difference.h"
#include "internal.h"

static int step_add(struct pf_plan *plan, const struct step *step)
{
	if (plan->n_steps == plan->capacity) {
		size_t capacity = plan->capacity ? 2 * plan->capacity : 16;
		struct step *steps = reallocarray(plan->steps, capacity, sizeof(*steps));
		if (!steps)
			return -ENOMEM;
		plan->steps = steps;
		plan->capacity = capacity;
	}
	plan->steps[plan->n_steps++] = *step;
	return 0;
}

struct pf_plan *pf_plan_free(struct pf_plan *plan)
{
	if (!plan)
		return NULL;
	for (size_t i = 0; i < plan->n_steps; i++)
		free(plan->steps[i].elements);
	free(plan->steps);
	free(plan);
	return NULL;
}

size_t pf_plan_n_steps(const struct pf_plan *plan)
{
	return plan->n_steps;
}

/* One phase of the plan goes through what differs in one pair of tables. */
typedef int (*phase_fn)(struct pf_plan *plan, const struct table_pair *pair);

static int add_tables(struct pf_plan *plan, const struct table_pair *pair)
{
	return pair->to && !pair->from
		       ? step_add(plan, &(struct step){STEP_ADD_TABLE, .table = pair->to})
		       : 0;
}

static int add_counters(struct pf_plan *plan, const struct table_pair *pair)
{
	const struct pf_table *to = pair->to;
	int r = 0;

	for (size_t i = 0; to && i < to->n_counters && !r; i++)
		if (!table_has_counter(pair->from, to->counters[i].name))
			r = step_add(plan, &(struct step){STEP_ADD_COUNTER, .table = to,
							  .counter = &to->counters[i]});
	return r;
}

static int add_set(struct pf_plan *plan, const struct table_pair *pair, const struct pf_set *set)
{
	return step_add(plan, &(struct step){STEP_ADD_SET, .table = pair->to, .set = set});
}

static int add_sets(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_sets && !r; i++)
		if (!pair->sets[i].from)
			r = add_set(plan, pair, pair->sets[i].to);
	return r;
}

static int add_chains(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_chains && !r; i++)
		if (!pair->chains[i].from && !pair->chains[i].to->is_base)
			r = step_add(plan, &(struct step){STEP_ADD_CHAIN, .table = pair->to,
							  .chain = pair->chains[i].to});
	return r;
}

/* Elements of `set` that `other` lacks or has with other data: a merge of two sorted arrays. */
static int add_element_step(struct pf_plan *plan, enum step_kind kind, const struct pf_set *set,
			    const struct pf_set *other)
{
	const struct element **elements = NULL;
	size_t n = 0, capacity = 0, k = 0;

	if (set->is_dynamic)
		return 0; /* the kernel's own */
	for (size_t i = 0; i < set->n_elements; i++) {
		const struct element *element = &set->elements[i];
		int order = 1;
		while (other && k < other->n_elements &&
		       (order = element_compare(set, &other->elements[k], element)) < 0)
			k++;
		if (other && k < other->n_elements && !order &&
		    element_data_equal(&other->elements[k], element))
			continue;
		if (n == capacity) {
			capacity = capacity ? 2 * capacity : 8;
			const struct element **grown = reallocarray(elements, capacity,
								    sizeof(*elements));
			if (!grown) {
				free(elements);
				return -ENOMEM;
			}
			elements = grown;
		}
		elements[n++] = element;
	}
	if (!n)
		return 0;
	int r = step_add(plan, &(struct step){kind, .table = set->table, .set = set,
					      .elements = elements, .n_elements = n});
	if (r < 0)
		free(elements);
	return r;
}

/* A set that goes away takes its elements along, but what they refer to goes first: delete them
 * too. */
static int delete_elements(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; pair->to && i < pair->n_sets && !r; i++)
		if (pair->sets[i].from)
			r = add_element_step(plan, STEP_DELETE_ELEMENTS, pair->sets[i].from,
					     pair->sets[i].to);
	return r;
}

static int add_elements(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_sets && !r; i++)
		if (pair->sets[i].to)
			r = add_element_step(plan, STEP_ADD_ELEMENTS, pair->sets[i].to,
					     pair->sets[i].from);
	return r;
}

/* Of the first part of a split plan: an interval set with elements that is not there yet. */
static bool needs_preparation(const struct set_pair *sets)
{
	return sets->to && !sets->from && sets->to->is_interval && sets->to->n_elements;
}

static bool table_needs_preparation(const struct table_pair *pair)
{
	for (size_t i = 0; i < pair->n_sets; i++)
		if (needs_preparation(&pair->sets[i]))
			return true;
	return false;
}

static int prepare_tables(struct pf_plan *plan, const struct table_pair *pair)
{
	return table_needs_preparation(pair) ? add_tables(plan, pair) : 0;
}

static int prepare_sets(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_sets && !r; i++) {
		if (!needs_preparation(&pair->sets[i]))
			continue;
		r = add_set(plan, pair, pair->sets[i].to);
		if (!r)
			r = add_element_step(plan, STEP_ADD_ELEMENTS, pair->sets[i].to, NULL);
	}
	return r;
}

static int finish_tables(struct pf_plan *plan, const struct table_pair *pair)
{
	return table_needs_preparation(pair) ? 0 : add_tables(plan, pair);
}

static int finish_sets(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_sets && !r; i++)
		if (!pair->sets[i].from && !needs_preparation(&pair->sets[i]))
			r = add_set(plan, pair, pair->sets[i].to);
	return r;
}

static int finish_elements(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_sets && !r; i++)
		if (pair->sets[i].to && !needs_preparation(&pair->sets[i]))
			r = add_element_step(plan, STEP_ADD_ELEMENTS, pair->sets[i].to,
					     pair->sets[i].from);
	return r;
}

/* Chains whose rules differ, and those that go away, for they may refer to each other. */
static int flush_chains(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; pair->to && i < pair->n_chains && !r; i++) {
		const struct chain_pair *chains = &pair->chains[i];
		if (chains->from && chains->from->n_rules && !chains->is_same)
			r = step_add(plan, &(struct step){STEP_FLUSH_CHAIN, .table = pair->from,
							  .chain = chains->from});
	}
	return r;
}

static int add_chain_rules(struct pf_plan *plan, const struct table_pair *pair,
			   const struct pf_chain *chain)
{
	int r = 0;

	for (size_t i = 0; i < chain->n_rules && !r; i++)
		r = step_add(plan, &(struct step){STEP_ADD_RULE, .table = pair->to, .chain = chain,
						  .rule = chain->rules[i]});
	return r;
}

static int add_rules(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_chains && !r; i++) {
		const struct chain_pair *chains = &pair->chains[i];
		if (!chains->to || chains->is_same || (chains->to->is_base && !chains->from))
			continue; /* a new base chain is filled when it is made */
		r = add_chain_rules(plan, pair, chains->to);
	}
	return r;
}

static int add_base_chains(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; i < pair->n_chains && !r; i++) {
		const struct pf_chain *chain = pair->chains[i].to;
		if (!chain || !chain->is_base || pair->chains[i].from)
			continue;
		r = step_add(plan, &(struct step){STEP_ADD_BASE_CHAIN, .table = pair->to,
						  .chain = chain});
		if (!r)
			r = add_chain_rules(plan, pair, chain);
	}
	return r;
}

static int delete_chains_of(struct pf_plan *plan, const struct table_pair *pair, bool is_base,
			    enum step_kind kind)
{
	int r = 0;

	for (size_t i = 0; pair->to && i < pair->n_chains && !r; i++) {
		const struct pf_chain *chain = pair->chains[i].from;
		if (chain && !pair->chains[i].to && chain->is_base == is_base)
			r = step_add(plan,
				     &(struct step){kind, .table = pair->from, .chain = chain});
	}
	return r;
}

static int delete_base_chains(struct pf_plan *plan, const struct table_pair *pair)
{
	return delete_chains_of(plan, pair, true, STEP_DELETE_BASE_CHAIN);
}

static int delete_chains(struct pf_plan *plan, const struct table_pair *pair)
{
	return delete_chains_of(plan, pair, false, STEP_DELETE_CHAIN);
}

static int delete_sets(struct pf_plan *plan, const struct table_pair *pair)
{
	int r = 0;

	for (size_t i = 0; pair->to && i < pair->n_sets && !r; i++)
		if (pair->sets[i].from && !pair->sets[i].to)
			r = step_add(plan, &(struct step){STEP_DELETE_SET, .table = pair->from,
							  .set = pair->sets[i].from});
	return r;
}

static int delete_counters(struct pf_plan *plan, const struct table_pair *pair)
{
	const struct pf_table *from = pair->from;
	int r = 0;

	for (size_t i = 0; from && pair->to && i < from->n_counters && !r; i++)
		if (!table_has_counter(pair->to, from->counters[i].name))
			r = step_add(plan, &(struct step){STEP_DELETE_COUNTER, .table = from,
							  .counter = &from->counters[i]});
	return r;
}

static int delete_tables(struct pf_plan *plan, const struct table_pair *pair)
{
	return pair->from && !pair->to
		       ? step_add(plan, &(struct step){STEP_DELETE_TABLE, .table = pair->from})
		       : 0;
}

static bool set_is_compatible(const struct set_pair *sets)
{
	const struct pf_set *old = sets->from, *new = sets->to;

	return !old || !new ||
	       (old->key_type == new->key_type && old->key_length == new->key_length &&
		old->data == new->data && (old->size == new->size || new->is_dynamic) &&
		old->is_dynamic == new->is_dynamic && old->has_counter == new->has_counter &&
		old->timeout_seconds == new->timeout_seconds &&
		old->is_interval == new->is_interval &&
		(!new->is_interval || old->is_concatenation == new->is_concatenation));
}

static bool chain_is_compatible(const struct chain_pair *chains)
{
	const struct pf_chain *old = chains->from, *new = chains->to;

	return !old || !new ||
	       (old->is_base == new->is_base &&
		(!new->is_base || (old->hook == new->hook && old->priority == new->priority &&
				   !strcmp(old->device, new->device))));
}

static const char *find_incompatible(const struct difference *difference)
{
	for (size_t i = 0; i < difference->n_tables; i++) {
		const struct table_pair *pair = &difference->tables[i];
		for (size_t k = 0; k < pair->n_sets; k++)
			if (!set_is_compatible(&pair->sets[k]))
				return pair->sets[k].to->name;
		for (size_t k = 0; k < pair->n_chains; k++)
			if (!chain_is_compatible(&pair->chains[k]))
				return pair->chains[k].to->name;
	}
	return NULL;
}

static int run_phases(const phase_fn *phases, const struct difference *difference,
		      struct pf_plan **ret_plan)
{
	struct pf_plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return -ENOMEM;
	for (; *phases; phases++)
		for (size_t i = 0; i < difference->n_tables; i++) {
			int r = (*phases)(plan, &difference->tables[i]);
			if (r < 0) {
				pf_plan_free(plan);
				return r;
			}
		}
	*ret_plan = plan;
	return 0;
}

static int find_difference(const struct pf_ruleset *from, const struct pf_ruleset *to,
			   struct difference *difference, const char **ret_object)
{
	int r = difference_find(from, to, difference);
	const char *object = r < 0 ? NULL : find_incompatible(difference);

	if (object && ret_object)
		*ret_object = object;
	return object ? PF_PLAN_E_INCOMPATIBLE : r;
}

int pf_plan_new(const struct pf_ruleset *from, const struct pf_ruleset *to,
		struct pf_plan **ret_plan, const char **ret_object)
{
	static const phase_fn phases[] = {
		add_tables,	 add_counters,	     add_sets,	  add_chains,
		flush_chains,	 delete_elements,    add_rules,	  add_elements,
		add_base_chains, delete_base_chains, delete_sets, delete_chains,
		delete_counters, delete_tables,	     NULL,
	};
	struct difference difference = {};
	int r = find_difference(from, to, &difference, ret_object);

	if (!r)
		r = run_phases(phases, &difference, ret_plan);
	difference_done(&difference);
	return r;
}

int pf_plan_split(const struct pf_ruleset *from, const struct pf_ruleset *to,
		  struct pf_plan *ret_plans[static 2], const char **ret_object)
{
	static const phase_fn prepare[] = {prepare_tables, prepare_sets, NULL};
	static const phase_fn finish[] = {
		finish_tables,	 add_counters,	     finish_sets, add_chains,
		flush_chains,	 delete_elements,    add_rules,	  finish_elements,
		add_base_chains, delete_base_chains, delete_sets, delete_chains,
		delete_counters, delete_tables,	     NULL,
	};
	struct difference difference = {};
	struct pf_plan *first = NULL, *second = NULL;
	int r = find_difference(from, to, &difference, ret_object);

	if (!r)
		r = run_phases(prepare, &difference, &first);
	if (!r)
		r = run_phases(finish, &difference, &second);
	difference_done(&difference);
	if (r) {
		pf_plan_free(first);
		return r;
	}
	ret_plans[0] = first;
	ret_plans[1] = second;
	return 0;
}
