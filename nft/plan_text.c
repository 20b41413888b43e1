/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A plan as text, one line a step: for golden files, `podfence plan` and what the kernel refuses. */
#include <podfence/plan.h>

#include <errno.h>

#include "internal.h"

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
