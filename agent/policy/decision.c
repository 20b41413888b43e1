/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Values of decisions: references, names, look-ups. How they are made stands in evaluate.c. */
#include "policy/decision.h"

#include <stdlib.h>
#include <string.h>

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

bool decisions_have(const struct decisions *decisions, const struct decision *decision)
{
	size_t low = 0, high = decisions ? decisions->n_distinct : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(decisions->distinct[middle]->name, decision->name);
		if (!order)
			return decisions->distinct[middle] == decision;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
