/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whom a policy can be about, as far as the namespace decides. A namespace that nobody told us of has the one
 * label that every namespace has: its name. */
#include "policy/select.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find_labels(struct candidates *candidates, const struct decision_input *input,
		       const char *name)
{
	const struct namespace *namespace = input->namespaces
						    ? namespace_list_find(input->namespaces, name)
						    : NULL;
	int r = 0;

	if (!namespace) {
		r = namespace_new(name, &candidates->unknown);
		namespace = candidates->unknown;
	}
	if (r == 0)
		candidates->labels = &namespace->labels;
	return r;
}

static bool is_candidate(const struct policy *policy, const char *namespace,
			 const struct label_list *labels)
{
	if (policy->tier == POLICY_TIER_NETWORK_POLICY)
		return !strcmp(policy->namespace, namespace);
	return label_selector_matches(&policy->namespaces, labels);
}

int candidates_select(struct candidates *candidates, const struct decision_input *input,
		      const char *namespace)
{
	size_t n = input->policies ? input->policies->n_policies : 0;

	if (candidates->namespace && !strcmp(candidates->namespace, namespace))
		return 0;
	candidates_done(candidates);
	candidates->namespace = strdup(namespace);
	candidates->policies = calloc(n + 1, sizeof(*candidates->policies));
	if (!candidates->namespace || !candidates->policies ||
	    find_labels(candidates, input, namespace) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (is_candidate(input->policies->policies[i], namespace, candidates->labels))
			candidates->policies[candidates->n++] = input->policies->policies[i];
	return 0;
}

void candidates_done(struct candidates *candidates)
{
	free(candidates->namespace);
	free(candidates->policies);
	namespace_free(candidates->unknown);
	*candidates = (struct candidates){};
}
