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

/* One phase of the plan looks at one pair of tables; either may be NULL. */
typedef int (*phase_fn)(struct pf_plan *plan, const struct pf_table *from,
			const struct pf_table *to);

static int add_tables(struct pf_plan *plan, const struct pf_table *from, const struct pf_table *to)
{
	return to && !from ? step_add(plan, &(struct step){STEP_ADD_TABLE, .table = to}) : 0;
}

static int add_counters(struct pf_plan *plan, const struct pf_table *from,
			const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_counters && !r; i++)
		if (!table_has_counter(from, to->counters[i].name))
			r = step_add(plan, &(struct step){STEP_ADD_COUNTER, .table = to,
							  .counter = &to->counters[i]});
	return r;
}

static int add_sets(struct pf_plan *plan, const struct pf_table *from, const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_sets && !r; i++)
		if (!table_set_find(from, to->sets[i]->name))
			r = step_add(plan,
				     &(struct step){STEP_ADD_SET, .table = to, .set = to->sets[i]});
	return r;
}

static int add_chains(struct pf_plan *plan, const struct pf_table *from, const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_chains && !r; i++)
		if (!to->chains[i]->is_base && !table_chain_find(from, to->chains[i]->name))
			r = step_add(plan, &(struct step){STEP_ADD_CHAIN, .table = to,
							  .chain = to->chains[i]});
	return r;
}

/* Elements of `set` that `other` lacks or has with other data: a merge of two sorted arrays. */
static int add_element_step(struct pf_plan *plan, enum step_kind kind, const struct pf_set *set,
			    const struct pf_set *other)
{

	const struct element **elements = NULL;
	size_t n = 0, capacity = 0, k = 0;

	if (set == other)
		return 0;
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
static int delete_elements(struct pf_plan *plan, const struct pf_table *from,
			   const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; from && to && i < from->n_sets && !r; i++)
		r = add_element_step(plan, STEP_DELETE_ELEMENTS, from->sets[i],
				     table_set_find(to, from->sets[i]->name));
	return r;
}

static int add_elements(struct pf_plan *plan, const struct pf_table *from,
			const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_sets && !r; i++)
		r = add_element_step(plan, STEP_ADD_ELEMENTS, to->sets[i],
				     table_set_find(from, to->sets[i]->name));
	return r;
}

/* What pf_plan_prepare() makes: an interval set with elements that is not there yet. */
static bool needs_preparation(const struct pf_table *from, const struct pf_set *set)
{
	return set->is_interval && set->n_elements && !table_set_find(from, set->name);
}

static bool table_needs_preparation(const struct pf_table *from, const struct pf_table *to)
{
	for (size_t i = 0; to && i < to->n_sets; i++)
		if (needs_preparation(from, to->sets[i]))
			return true;
	return false;
}

static int prepare_tables(struct pf_plan *plan, const struct pf_table *from,
			  const struct pf_table *to)
{
	return table_needs_preparation(from, to) ? add_tables(plan, from, to) : 0;
}

static int prepare_sets(struct pf_plan *plan, const struct pf_table *from,
			const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_sets && !r; i++) {
		struct pf_set *set = to->sets[i];
		if (!needs_preparation(from, set))
			continue;
		r = step_add(plan, &(struct step){STEP_ADD_SET, .table = to, .set = set});
		if (!r)
			r = add_element_step(plan, STEP_ADD_ELEMENTS, set, NULL);
	}
	return r;
}

static int finish_tables(struct pf_plan *plan, const struct pf_table *from,
			 const struct pf_table *to)
{
	return table_needs_preparation(from, to) ? 0 : add_tables(plan, from, to);
}

static int finish_sets(struct pf_plan *plan, const struct pf_table *from, const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_sets && !r; i++)
		if (!table_set_find(from, to->sets[i]->name) &&
		    !needs_preparation(from, to->sets[i]))
			r = step_add(plan,
				     &(struct step){STEP_ADD_SET, .table = to, .set = to->sets[i]});
	return r;
}

static int finish_elements(struct pf_plan *plan, const struct pf_table *from,
			   const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_sets && !r; i++)
		if (!needs_preparation(from, to->sets[i]))
			r = add_element_step(plan, STEP_ADD_ELEMENTS, to->sets[i],
					     table_set_find(from, to->sets[i]->name));
	return r;
}

/* 1: the rules of both are the same; 0: not; negative errno. */
static int chain_equal(const struct pf_chain *a, const struct pf_chain *b)
{
	if (a == b)
		return 1;
	if (!a || !b || a->n_rules != b->n_rules)
		return 0;
	for (size_t i = 0; i < a->n_rules; i++) {
		int r = rule_equal(a->rules[i], b->rules[i]);
		if (r != 1)
			return r;
	}
	return 1;
}

/* Chains whose rules differ, and those that go away, for they may refer to each other. */
static int flush_chains(struct pf_plan *plan, const struct pf_table *from,
			const struct pf_table *to)
{
	for (size_t i = 0; from && to && i < from->n_chains; i++) {
		const struct pf_chain *chain = from->chains[i];
		int r = chain_equal(chain, table_chain_find(to, chain->name));
		if (r < 0)
			return r;
		if (r == 1 || !chain->n_rules)
			continue;
		r = step_add(plan, &(struct step){STEP_FLUSH_CHAIN, .table = from, .chain = chain});
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_chain_rules(struct pf_plan *plan, const struct pf_chain *chain)
{
	int r = 0;

	for (size_t i = 0; i < chain->n_rules && !r; i++)
		r = step_add(plan, &(struct step){STEP_ADD_RULE, .table = chain->table,
						  .chain = chain, .rule = chain->rules[i]});
	return r;
}

static int add_rules(struct pf_plan *plan, const struct pf_table *from, const struct pf_table *to)
{
	for (size_t i = 0; to && i < to->n_chains; i++) {
		const struct pf_chain *chain = to->chains[i];
		const struct pf_chain *old = table_chain_find(from, chain->name);
		if (chain->is_base && !old)
			continue; /* filled when it is made */
		int r = chain_equal(old, chain);
		if (!r)
			r = add_chain_rules(plan, chain);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_base_chains(struct pf_plan *plan, const struct pf_table *from,
			   const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; to && i < to->n_chains && !r; i++) {
		const struct pf_chain *chain = to->chains[i];
		if (!chain->is_base || table_chain_find(from, chain->name))
			continue;
		r = step_add(plan,
			     &(struct step){STEP_ADD_BASE_CHAIN, .table = to, .chain = chain});
		if (!r)
			r = add_chain_rules(plan, chain);
	}
	return r;
}

static int delete_base_chains(struct pf_plan *plan, const struct pf_table *from,
			      const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; from && to && i < from->n_chains && !r; i++)
		if (from->chains[i]->is_base && !table_chain_find(to, from->chains[i]->name))
			r = step_add(plan, &(struct step){STEP_DELETE_BASE_CHAIN, .table = from,
							  .chain = from->chains[i]});
	return r;
}

static int delete_sets(struct pf_plan *plan, const struct pf_table *from, const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; from && to && i < from->n_sets && !r; i++)
		if (!table_set_find(to, from->sets[i]->name))
			r = step_add(plan, &(struct step){STEP_DELETE_SET, .table = from,
							  .set = from->sets[i]});
	return r;
}

static int delete_chains(struct pf_plan *plan, const struct pf_table *from,
			 const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; from && to && i < from->n_chains && !r; i++)
		if (!from->chains[i]->is_base && !table_chain_find(to, from->chains[i]->name))
			r = step_add(plan, &(struct step){STEP_DELETE_CHAIN, .table = from,
							  .chain = from->chains[i]});
	return r;
}

static int delete_counters(struct pf_plan *plan, const struct pf_table *from,
			   const struct pf_table *to)
{
	int r = 0;

	for (size_t i = 0; from && to && i < from->n_counters && !r; i++)
		if (!table_has_counter(to, from->counters[i].name))
			r = step_add(plan, &(struct step){STEP_DELETE_COUNTER, .table = from,
							  .counter = &from->counters[i]});
	return r;
}

static int delete_tables(struct pf_plan *plan, const struct pf_table *from,
			 const struct pf_table *to)
{
	return from && !to ? step_add(plan, &(struct step){STEP_DELETE_TABLE, .table = from}) : 0;
}

static int run_phase(struct pf_plan *plan, phase_fn phase, const struct pf_ruleset *from,
		     const struct pf_ruleset *to)
{
	int r = 0;

	for (size_t i = 0; i < to->n_tables && !r; i++)
		r = phase(plan,
			  ruleset_table_find(from, to->tables[i]->family, to->tables[i]->name),
			  to->tables[i]);
	for (size_t i = 0; from && i < from->n_tables && !r; i++)
		if (!ruleset_table_find(to, from->tables[i]->family, from->tables[i]->name))
			r = phase(plan, from->tables[i], NULL);
	return r;
}

static const char *sets_incompatible(const struct pf_table *from, const struct pf_table *to)
{
	for (size_t i = 0; from && i < to->n_sets; i++) {
		const struct pf_set *new = to->sets[i], *old = table_set_find(from, new->name);
		if (old && (old->key_type != new->key_type || old->key_length != new->key_length ||
			    old->data != new->data || old->size != new->size ||
			    old->is_interval != new->is_interval ||
			    (new->is_interval && old->is_concatenation != new->is_concatenation)))
			return new->name;
	}
	return NULL;
}

static const char *chains_incompatible(const struct pf_table *from, const struct pf_table *to)
{
	for (size_t i = 0; from && i < to->n_chains; i++) {
		const struct pf_chain *new = to->chains[i],
				      *old = table_chain_find(from, new->name);
		if (old &&
		    (old->is_base != new->is_base ||
		     (new->is_base && (old->hook != new->hook || old->priority != new->priority))))
			return new->name;
	}
	return NULL;
}

static const char *find_incompatible(const struct pf_ruleset *from, const struct pf_ruleset *to)
{
	const char *object = NULL;

	for (size_t i = 0; i < to->n_tables && !object; i++) {
		const struct pf_table *new = to->tables[i];
		const struct pf_table *old = ruleset_table_find(from, new->family, new->name);
		object = sets_incompatible(old, new);
		if (!object)
			object = chains_incompatible(old, new);
	}
	return object;
}

static int run_phases(const phase_fn *phases, size_t n_phases, const struct pf_ruleset *from,
		      const struct pf_ruleset *to, struct pf_plan **ret_plan)
{
	struct pf_plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return -ENOMEM;
	for (size_t i = 0; i < n_phases; i++) {
		int r = run_phase(plan, phases[i], from, to);
		if (r < 0) {
			pf_plan_free(plan);
			return r;
		}
	}
	*ret_plan = plan;
	return 0;
}

#define RUN(phases, from, to, ret_plan)                                                            \
	run_phases(phases, sizeof(phases) / sizeof((phases)[0]), from, to, ret_plan)

static int check_compatible(const struct pf_ruleset *from, const struct pf_ruleset *to,
			    const char **ret_object)
{
	const char *object = find_incompatible(from, to);

	if (object && ret_object)
		*ret_object = object;
	return object ? PF_PLAN_E_INCOMPATIBLE : 0;
}

int pf_plan_new(const struct pf_ruleset *from, const struct pf_ruleset *to,
		struct pf_plan **ret_plan, const char **ret_object)
{
	static const phase_fn phases[] = {
		add_tables,	 add_counters,	     add_sets,	  add_chains,
		flush_chains,	 delete_elements,    add_rules,	  add_elements,
		add_base_chains, delete_base_chains, delete_sets, delete_chains,
		delete_counters, delete_tables,
	};
	int r = check_compatible(from, to, ret_object);

	return r ? r : RUN(phases, from, to, ret_plan);
}

int pf_plan_prepare(const struct pf_ruleset *from, const struct pf_ruleset *to,
		    struct pf_plan **ret_plan, const char **ret_object)
{
	static const phase_fn phases[] = {prepare_tables, prepare_sets};
	int r = check_compatible(from, to, ret_object);

	return r ? r : RUN(phases, from, to, ret_plan);
}

int pf_plan_finish(const struct pf_ruleset *from, const struct pf_ruleset *to,
		   struct pf_plan **ret_plan, const char **ret_object)
{
	static const phase_fn phases[] = {
		finish_tables,	 add_counters,	     finish_sets, add_chains,
		flush_chains,	 delete_elements,    add_rules,	  finish_elements,
		add_base_chains, delete_base_chains, delete_sets, delete_chains,
		delete_counters, delete_tables,
	};
	int r = check_compatible(from, to, ret_object);

	return r ? r : RUN(phases, from, to, ret_plan);
}

static const char *step_verb(enum step_kind kind)
{
	switch (kind) {
	case STEP_ADD_TABLE: return "add table";
	case STEP_ADD_COUNTER: return "add counter";
	case STEP_ADD_SET: return "add set";
	case STEP_ADD_CHAIN:
	case STEP_ADD_BASE_CHAIN: return "add chain";
	case STEP_DELETE_ELEMENTS: return "delete element";
	case STEP_FLUSH_CHAIN: return "flush chain";
	case STEP_ADD_RULE: return "add rule";
	case STEP_ADD_ELEMENTS: return "add element";
	case STEP_DELETE_BASE_CHAIN:
	case STEP_DELETE_CHAIN: return "delete chain";
	case STEP_DELETE_SET: return "delete set";
	case STEP_DELETE_COUNTER: return "delete counter";
	case STEP_DELETE_TABLE: return "delete table";
	}
	return "";
}

void step_print(const struct step *step, size_t n_elements_max, FILE *stream)
{
	fprintf(stream, "%s %s %s", step_verb(step->kind), family_text(step->table->family),
		step->table->name);
	if (step->chain)
		fprintf(stream, " %s", step->chain->name);
	if (step->set)
		fprintf(stream, " %s", step->set->name);
	if (step->counter)
		fprintf(stream, " %s", step->counter->name);
	if (step->rule) {
		fputc(' ', stream);
		rule_print(step->rule, stream);
	}
	for (size_t i = 0; i < step->n_elements && i < n_elements_max; i++) {
		fputs(i ? ", " : " { ", stream);
		element_print(step->set, step->elements[i], stream);
	}
	if (step->n_elements > n_elements_max)
		fprintf(stream, ", and %zu more", step->n_elements - n_elements_max);
	if (step->n_elements)
		fputs(" }", stream);
}

int pf_plan_print(const struct pf_plan *plan, FILE *stream)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		step_print(&plan->steps[i], SIZE_MAX, stream);
		fputc('\n', stream);
	}
	return ferror(stream) ? -EIO : 0;
}
