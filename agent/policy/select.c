/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whom a policy can be about, as far as the namespace decides. A namespace that nobody told us of has the one
 * label that every namespace has: its name. */
#include "policy/select.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE_NAME "kubernetes.io/metadata.name" /* set by the API server since 1.21 */

static const struct namespace *find_namespace(const struct decision_input *input, const char *name)
{
	size_t low = 0, high = input->n_namespaces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(input->namespaces[middle]->name, name);
		if (!order)
			return input->namespaces[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Its labels with the name among them; the array is the caller's, labels and texts are borrowed. */
static int labels_of(const struct decision_input *input, const char *name,
		     struct label_list *ret_labels)
{
	const struct namespace *namespace = find_namespace(input, name);
	size_t n = namespace ? namespace->labels.n_labels : 0, at = 0;
	struct label *labels = calloc(n + 1, sizeof(*labels));

	if (!labels)
		return -ENOMEM;
	if (n)
		memcpy(labels, namespace->labels.labels, n * sizeof(*labels));
	*ret_labels = (struct label_list){labels, n};
	if (label_list_find(ret_labels, NAMESPACE_NAME))
		return 0;
	while (at < n && strcmp(labels[at].key, NAMESPACE_NAME) < 0)
		at++;
	memmove(&labels[at + 1], &labels[at], (n - at) * sizeof(*labels));
	labels[at] = (struct label){(char *)NAMESPACE_NAME, (char *)name};
	ret_labels->n_labels++;
	return 0;
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
	struct label_list labels;

	if (candidates->namespace && !strcmp(candidates->namespace, namespace))
		return 0;
	candidates_done(candidates);
	candidates->namespace = strdup(namespace);
	candidates->policies = calloc(n + 1, sizeof(*candidates->policies));
	if (!candidates->namespace || !candidates->policies ||
	    labels_of(input, namespace, &labels) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (is_candidate(input->policies->policies[i], namespace, &labels))
			candidates->policies[candidates->n++] = input->policies->policies[i];
	free(labels.labels);
	return 0;
}

void candidates_done(struct candidates *candidates)
{
	free(candidates->namespace);
	free(candidates->policies);
	*candidates = (struct candidates){};
}
