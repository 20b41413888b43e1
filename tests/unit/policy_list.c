/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "kube/policy.h"

#include <string.h>

#include "test.h"

static struct policy *policy_named(enum policy_tier tier, int32_t priority, const char *namespace,
				   const char *name, const char *origin)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	assert_non_null(policy);
	policy->tier = tier;
	policy->priority = priority;
	policy->namespace = strdup(namespace);
	policy->name = strdup(name);
	policy->origin = strdup(origin);
	policy->uid = strdup("");
	policy->n_references = 1;
	return policy;
}

static void a_list_is_in_order(void **state)
{
	struct policy *policies[] = {
		policy_named(POLICY_TIER_BASELINE, 0, "", "a", "API"),
		policy_named(POLICY_TIER_NETWORK_POLICY, 0, "b", "a", "API"),
		policy_named(POLICY_TIER_NETWORK_POLICY, 0, "a", "b", "API"),
		policy_named(POLICY_TIER_NETWORK_POLICY, 0, "a", "a", "b.yaml"),
		policy_named(POLICY_TIER_NETWORK_POLICY, 0, "a", "a", "a.yaml"),
		policy_named(POLICY_TIER_ADMIN, 10, "", "a", "API"),
		policy_named(POLICY_TIER_ADMIN, 9, "", "b", "API"),
		policy_named(POLICY_TIER_ADMIN, 9, "", "a", "API"),
	};
	enum { N = sizeof(policies) / sizeof(policies[0]) };
	struct policy_list *list;

	assert_int_equal(policy_list_new(policies, N, &list), 0);
	assert_int_equal(list->n_policies, N);
	for (size_t i = 0; i < N; i++) {
		assert_ptr_equal(list->policies[i], policies[N - 1 - i]);
		assert_int_equal(policies[i]->n_references, 2);
		policy_free(policies[i]);
	}
	assert_ptr_equal(policy_list_ref(list), list);
	assert_null(policy_list_free(list));
	assert_int_equal(list->policies[0]->n_references, 1);
	assert_null(policy_list_free(list));
	assert_null(policy_list_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
