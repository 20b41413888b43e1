/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct policy *policy_ref(struct policy *policy)
{
	policy->n_references++;
	return policy;
}

static void rule_done(struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->n_networks; i++)
		free(rule->networks[i].except);
	free(rule->networks);
	free(rule->ports);
	free(rule->name);
}

struct policy *policy_free(struct policy *policy)
{
	if (!policy || (policy->n_references && --policy->n_references))
		return NULL;
	free(policy->namespace);
	free(policy->name);
	free(policy->uid);
	free(policy->origin);
	label_selector_done(&policy->namespaces);
	label_selector_done(&policy->pods);
	for (size_t i = 0; i < policy->n_rules; i++)
		rule_done(&policy->rules[i]);
	free(policy->rules);
	free(policy);
	return NULL;
}

static bool is_same_prefix(const struct pf_prefix *a, const struct pf_prefix *b)
{
	return a->length == b->length && pf_address_equal(&a->address, &b->address);
}

static bool is_same_network(const struct policy_network *a, const struct policy_network *b)
{
	if (!is_same_prefix(&a->prefix, &b->prefix) || a->n_except != b->n_except)
		return false;
	for (size_t i = 0; i < a->n_except; i++)
		if (!is_same_prefix(&a->except[i], &b->except[i]))
			return false;
	return true;
}

static bool is_same_port(const struct policy_port *a, const struct policy_port *b)
{
	return a->protocol == b->protocol && a->first == b->first && a->last == b->last;
}

static bool is_same_rule(const struct policy_rule *a, const struct policy_rule *b)
{
	if (a->action != b->action || a->matches_all_networks != b->matches_all_networks ||
	    a->matches_all_ports != b->matches_all_ports || a->has_unknown != b->has_unknown ||
	    a->n_networks != b->n_networks || a->n_ports != b->n_ports ||
	    strcmp(a->name, b->name) != 0)
		return false;
	for (size_t i = 0; i < a->n_networks; i++)
		if (!is_same_network(&a->networks[i], &b->networks[i]))
			return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (!is_same_port(&a->ports[i], &b->ports[i]))
			return false;
	return true;
}

bool policy_means_same(const struct policy *a, const struct policy *b)
{
	if (a->tier != b->tier || a->priority != b->priority || a->is_audit != b->is_audit ||
	    a->n_rules != b->n_rules || strcmp(a->namespace, b->namespace) != 0 ||
	    strcmp(a->name, b->name) != 0 ||
	    !label_selector_is_equal(&a->namespaces, &b->namespaces) ||
	    !label_selector_is_equal(&a->pods, &b->pods))
		return false;
	for (size_t i = 0; i < a->n_rules; i++)
		if (!is_same_rule(&a->rules[i], &b->rules[i]))
			return false;
	return true;
}

bool policy_is_equal(const struct policy *a, const struct policy *b)
{
	return !strcmp(a->uid, b->uid) && !strcmp(a->origin, b->origin) && policy_means_same(a, b);
}

int policy_compare(const struct policy *a, const struct policy *b)
{
	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	int order = strcmp(a->namespace, b->namespace);
	if (!order)
		order = strcmp(a->name, b->name);
	return order ? order : strcmp(a->origin, b->origin);
}

static int compare(const void *a, const void *b)
{
	return policy_compare(*(struct policy *const *)a, *(struct policy *const *)b);
}

int policy_list_new(struct policy *const *policies, size_t n, struct policy_list **ret_list)
{
	struct policy_list *list = calloc(1, sizeof(*list));

	if (list)
		list->policies = calloc(n + 1, sizeof(*list->policies));
	if (!list || !list->policies) {
		free(list);
		return -ENOMEM;
	}
	list->n_references = 1;
	for (; list->n_policies < n; list->n_policies++)
		list->policies[list->n_policies] = policy_ref(policies[list->n_policies]);
	qsort(list->policies, n, sizeof(*list->policies), compare);
	*ret_list = list;
	return 0;
}

void policy_list_check(const struct policy_list *list, struct report *report)
{
	for (size_t i = 1; i < list->n_policies; i++) {
		const struct policy *a = list->policies[i - 1], *b = list->policies[i];
		if (a->tier != b->tier || a->priority != b->priority ||
		    a->tier == POLICY_TIER_NETWORK_POLICY)
			continue;
		report_add(
			report, b->origin,
			"ClusterNetworkPolicy %s has priority %d of the %s tier, as %s (%s) has: "
			"podfence asks them by name",
			b->name, b->priority, b->tier == POLICY_TIER_ADMIN ? "Admin" : "Baseline",
			a->name, a->origin);
	}
}

int policy_list_join(const struct policy_list *a, const struct policy_list *b,
		     struct policy_list **ret_list)
{
	size_t n_a = a ? a->n_policies : 0, n_b = b ? b->n_policies : 0;
	struct policy **both = calloc(n_a + n_b + 1, sizeof(struct policy *));

	if (!both)
		return -ENOMEM;
	if (n_a)
		memcpy(both, a->policies, n_a * sizeof(struct policy *));
	if (n_b)
		memcpy(both + n_a, b->policies, n_b * sizeof(struct policy *));
	int r = policy_list_new(both, n_a + n_b, ret_list);
	free(both);
	return r;
}

struct policy_list *policy_list_ref(struct policy_list *list)
{
	list->n_references++;
	return list;
}

struct policy_list *policy_list_free(struct policy_list *list)
{
	if (!list || (list->n_references && --list->n_references))
		return NULL;
	for (size_t i = 0; i < list->n_policies; i++)
		policy_free(list->policies[i]);
	free(list->policies);
	free(list);
	return NULL;
}
