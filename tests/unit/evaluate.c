/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Decisions: who shares one, what is kept from one round to the next, and names that somebody made clash. */
#include <stdlib.h>

#include "node.h"
#include "policy/own.h"
#include "policy/verdict.h"
#include "test.h"

static struct pod *pod_new(const char *namespace, const char *name, const char *app)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	pod->n_references = 1;
	pod->namespace = strdup(namespace);
	pod->name = strdup(name);
	assert_int_equal(label_list_put(&pod->labels, "app", app), 0);
	return pod;
}

/* Selects app `app` of namespace shop. */
static struct policy *policy_new(const char *name, const char *app)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	struct label_requirement *one = calloc(1, sizeof(*one));

	policy->n_references = 1;
	policy->tier = POLICY_TIER_NETWORK_POLICY;
	policy->namespace = strdup("shop");
	policy->name = strdup(name);
	policy->uid = strdup("");
	policy->origin = strdup("test");
	*one = (struct label_requirement){strdup("app"), LABEL_IN, calloc(1, sizeof(char *)), 1};
	one->values[0] = strdup(app);
	policy->pods = (struct label_selector){one, 1};
	return policy;
}

struct world {
	struct made_node *made;
	struct policy_list *list;
};

static struct world world_new(void)
{
	static const char *const pods[][3] = {{"lab", "a", "web"},
					      {"shop", "a", "web"},
					      {"shop", "b", "web"},
					      {"shop", "c", "db"}};
	struct world world = {.made = made_node_new(4, 0, 0)};
	struct policy *policies[] = {policy_new("db", "db"), policy_new("web", "web")};

	for (size_t i = 0; i < 4; i++)
		world.made->snapshot.endpoints[i].pod = pod_new(pods[i][0], pods[i][1], pods[i][2]);
	assert_int_equal(policy_list_new(policies, 2, &world.list), 0);
	policy_free(policies[0]);
	policy_free(policies[1]);
	return world;
}

static void world_free(struct world *world)
{
	for (size_t i = 0; i < 4; i++)
		pod_free((struct pod *)world->made->snapshot.endpoints[i].pod);
	policy_list_free(world->list);
	made_node_free(world->made);
}

static struct decisions *decide(const struct world *world, const struct decisions *before)
{
	const struct decision_input input = {
		.config = &world->made->config,
		.policies = world->list,
		.version = 1,
	};
	struct decisions *decisions;

	assert_int_equal(decisions_new(&input, &world->made->snapshot, before, &decisions), 0);
	return decisions;
}

static const struct decision *of(const struct world *world, const struct decisions *decisions,
				 size_t i)
{
	return decisions_of(decisions, &world->made->snapshot, &world->made->snapshot.endpoints[i]);
}

static void who_is_selected_alike_shares(void **state)
{
	struct world world = world_new();
	struct decisions *decisions = decide(&world, NULL);

	assert_int_equal(decisions->n_distinct, 3);
	assert_string_equal(of(&world, decisions, 0)->name, DECISION_DEFAULT);
	assert_ptr_equal(of(&world, decisions, 0), decisions->distinct[0]);
	assert_ptr_equal(of(&world, decisions, 1), of(&world, decisions, 2));
	assert_ptr_not_equal(of(&world, decisions, 1), of(&world, decisions, 3));
	assert_int_equal(of(&world, decisions, 3)->n_policies, 1);
	decisions_free(decisions);
	world_free(&world);
}

static void what_is_the_same_is_kept(void **state)
{
	struct world world = world_new();
	struct decisions *first = decide(&world, NULL), *second = decide(&world, first);

	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(of(&world, first, i), of(&world, second, i));
	/* Another label is another pod: its decision moves, no other does. */
	pod_free((struct pod *)world.made->snapshot.endpoints[2].pod);
	world.made->snapshot.endpoints[2].pod = pod_new("shop", "b", "db");
	struct decisions *third = decide(&world, second);
	assert_ptr_equal(of(&world, third, 1), of(&world, second, 1));
	assert_ptr_equal(of(&world, third, 2), of(&world, second, 3));
	decisions_free(first);
	assert_true(decisions_have(second, of(&world, third, 3)));
	assert_false(decisions_have(NULL, of(&world, third, 3)));
	decisions_free(second);
	decisions_free(third);
	world_free(&world);
}

/* An edited policy keeps the name of its chain and is another decision. */
static void an_edit_keeps_the_name(void **state)
{
	struct world world = world_new();
	struct decisions *before = decide(&world, NULL);
	struct policy *edited[] = {policy_ref(world.list->policies[0]), policy_new("web", "web")};

	edited[1]->is_audit = true;
	policy_list_free(world.list);
	assert_int_equal(policy_list_new(edited, 2, &world.list), 0);
	policy_free(edited[0]);
	policy_free(edited[1]);
	struct decisions *after = decide(&world, before);
	assert_string_equal(of(&world, before, 1)->name, of(&world, after, 1)->name);
	assert_ptr_not_equal(of(&world, before, 1), of(&world, after, 1));
	assert_true(of(&world, after, 1)->has_audit);
	assert_ptr_equal(of(&world, before, 3), of(&world, after, 3));
	decisions_free(before);
	decisions_free(after);
	world_free(&world);
}

static void exceptions_are_by_namespace(void **state)
{
	struct world world = world_new();
	char *key = (char *)"kubernetes.io/metadata.name", *value = (char *)"lab";
	struct label_requirement one = {key, LABEL_IN, &value, 1};
	struct default_override override = {{&one, 1}, CONFIG_MODE_AUDIT, CONFIG_ACTION_DROP};

	world.made->config.fallback.overrides = (struct default_override_list){&override, 1};
	struct decisions *decisions = decide(&world, NULL);
	assert_int_equal(of(&world, decisions, 0)->mode, CONFIG_MODE_AUDIT);
	assert_int_equal(of(&world, decisions, 1)->mode, CONFIG_MODE_DENY);
	assert_string_not_equal(of(&world, decisions, 0)->name, DECISION_DEFAULT);
	decisions_free(decisions);
	world.made->config.fallback.overrides = (struct default_override_list){};
	world_free(&world);
}

/* By its number, and nobody by that of another. */
static void numbers_find_decisions(void **state)
{
	struct world world = world_new();
	struct decisions *decisions = decide(&world, NULL);
	uint64_t number = of(&world, decisions, 3)->number;
	uint32_t *taken = decisions_slot(decisions, number);

	assert_int_not_equal(number, 0);
	assert_int_not_equal(*taken, 0);
	assert_ptr_equal(decisions->distinct[*taken - 1], of(&world, decisions, 3));
	assert_int_equal(*decisions_slot(decisions, number + 1), 0);
	assert_ptr_not_equal(decisions_slot(decisions, number + 1), taken);
	decisions_free(decisions);
	world_free(&world);
}

static void allow_lists_become_rules(void **state)
{
	struct destination destinations[3];
	struct destination_list list = {destinations, 3}, none = {};
	struct policy *policy;

	assert_int_equal(destination_parse("203.0.113.0/24", &destinations[0]), 0);
	assert_int_equal(destination_parse("198.51.100.7:443-444/tcp", &destinations[1]), 0);
	assert_int_equal(destination_parse("[2001:db8::/32]:53", &destinations[2]), 0);
	assert_int_equal(own_policy_new("default.allow", &list, NULL, &policy), 0);
	assert_int_equal(policy->n_rules, 3);
	assert_true(policy->rules[0].matches_all_ports);
	assert_int_equal(policy->rules[1].n_ports, 1);
	assert_int_equal(policy->rules[1].ports[0].last, 444);
	assert_int_equal(policy->rules[2].n_ports, 2); /* TCP and UDP */
	policy_free(policy);
	assert_int_equal(own_policy_new("default.allow", &none, &none, &policy), 0);
	assert_null(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_selected_alike_shares),
		cmocka_unit_test(what_is_the_same_is_kept),
		cmocka_unit_test(an_edit_keeps_the_name),
		cmocka_unit_test(exceptions_are_by_namespace),
		cmocka_unit_test(numbers_find_decisions),
		cmocka_unit_test(allow_lists_become_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
