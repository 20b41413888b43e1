/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Values of decisions: references, names, look-ups. How they are made stands in evaluate.c. */
#include "policy/decision.h"

#include <stdlib.h>

struct decision *decision_ref(struct decision *decision)
{
	decision->n_references++;
	return decision;
}

struct decision *decision_free(struct decision *decision)
{
	if (!decision || --decision->n_references)
		return NULL;
	for (size_t i = 0; i < decision->n_policies; i++)
		policy_free(decision->policies[i]);
	free(decision->policies);
	policy_free(decision->own);
	free(decision);
	return NULL;
}

struct decisions *decisions_ref(struct decisions *decisions)
{
	decisions->n_references++;
	return decisions;
}

struct decisions *decisions_free(struct decisions *decisions)
{
	if (!decisions || --decisions->n_references)
		return NULL;
	for (size_t i = 0; i < decisions->n_distinct; i++)
		decision_free(decisions->distinct[i]);
	for (size_t i = 0; decisions->pods && i < decisions->n_endpoints; i++)
		pod_free(decisions->pods[i]);
	policy_list_free(decisions->policies);
	namespace_list_free(decisions->namespaces);
	free(decisions->slots);
	free(decisions->distinct);
	free(decisions->of);
	free(decisions->pods);
	free(decisions);
	return NULL;
}

const struct decision *decisions_of(const struct decisions *decisions,
				    const struct snapshot *snapshot,
				    const struct endpoint *endpoint)
{
	return decisions->distinct[decisions->of[endpoint - snapshot->endpoints]];
}

uint32_t *decisions_slot(const struct decisions *decisions, uint64_t number)
{
	size_t mask = decisions->n_slots - 1, at = number & mask;

	while (decisions->slots[at] &&
	       decisions->distinct[decisions->slots[at] - 1]->number != number)
		at = (at + 1) & mask;
	return &decisions->slots[at];
}

bool decisions_have(const struct decisions *decisions, const struct decision *decision)
{
	uint32_t place = decisions ? *decisions_slot(decisions, decision->number) : 0;

	return place && decisions->distinct[place - 1] == decision;
}
