/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include <podfence/attributes.h>
#include <podfence/ruleset.h>

/* The ordered steps that lead from one ruleset value to another, in place: elements one by one,
 * regular chains flushed and filled again, base chains and tables never touched once they are
 * there. Both values must outlive the plan. Pure.
 *
 * Order: new tables, counters, sets and chains; element deletes; flushes of changed chains; rules
 * of new and changed chains; element adds; new base chains; then what is no longer wanted: base
 * chains, rules, sets, chains, counters, tables. */
struct pf_plan;

enum {
	/* A set, base chain or counter of the same name differs in what cannot be changed in place
	 * (type, size, hook, priority). A format change takes a new name. */
	PF_PLAN_E_INCOMPATIBLE = 1,
};

/* 0, PF_PLAN_E_INCOMPATIBLE with the object in ret_object (if not NULL), -ENOMEM. `from` may be
 * NULL. */
PF_MUST_CHECK int pf_plan_new(const struct pf_ruleset *from, const struct pf_ruleset *to,
			      struct pf_plan **ret_plan, const char **ret_object);

/* The same as two plans, for two transactions one after the other. The elements of a new interval set are seen
 * milliseconds after a rule that comes with it in one transaction (measured on kernel 6.18: they are published
 * when the commit ends, rules when it begins), so what it allows would be denied meanwhile, and what it denies
 * allowed. First such sets with their elements, which nothing looks at yet, often no step at all; then the rest.
 * A first part that is not followed by the second is undone by any later plan. */
PF_MUST_CHECK int pf_plan_split(const struct pf_ruleset *from, const struct pf_ruleset *to,
				struct pf_plan *ret_plans[static 2], const char **ret_object);

struct pf_plan *pf_plan_free(struct pf_plan *plan);

size_t pf_plan_n_steps(const struct pf_plan *plan); /* 0: nothing to do */

/* One line a step, in order: "add element inet podfence links { 12 : goto p_default }". */
PF_MUST_CHECK int pf_plan_print(const struct pf_plan *plan, FILE *stream);
