/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Rules of policies as nft text, and the plans of the two changes that happen most: a pod's label moves one
 * element, an edited policy fills its chain anew. */
#include <stdio.h>
#include <stdlib.h>

#include <podfence/plan.h>

#include "compile/compile.h"
#include "golden.h"
#include "node.h"
#include "policies.h"
#include "test.h"

#define CLUSTER                                                                                    \
	"apiVersion: policy.networking.k8s.io/v1alpha2\n"                                          \
	"kind: ClusterNetworkPolicy\n"

static const char lab[] = CLUSTER
	"metadata: {name: lab, annotations: {podfence.io/mode: audit}}\n"
	"spec:\n"
	"  tier: Admin\n"
	"  priority: 1\n"
	"  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}\n"
	"  egress: [{action: Deny, to: [{networks: [203.0.113.0/25]}]}]\n";
static const char edge[] = CLUSTER
	"metadata: {name: edge}\n"
	"spec:\n"
	"  tier: Admin\n"
	"  priority: 2\n"
	"  subject: {namespaces: {}}\n"
	"  egress:\n"
	"  - {action: Accept, to: [{networks: [203.0.113.0/24, '2001:db8::/48']}],\n"
	"     protocols: [{tcp: {destinationPort: {number: 443}}}]}\n"
	"  - {action: Pass, to: [{networks: [198.51.100.0/24]}]}\n";
#define WEB                                                                                        \
	"apiVersion: networking.k8s.io/v1\n"                                                       \
	"kind: NetworkPolicy\n"                                                                    \
	"metadata: {name: web, namespace: shop}\n"                                                 \
	"spec:\n"                                                                                  \
	"  podSelector: {matchLabels: {app: web}}\n"                                               \
	"  policyTypes: [Egress]\n"                                                                \
	"  egress: [{to: [{ipBlock: {cidr: %s}}]}]\n"

static struct pod *pod_new(const char *name, const char *app)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	pod->n_references = 1;
	pod->namespace = strdup("shop");
	pod->name = strdup(name);
	assert_int_equal(label_list_put(&pod->labels, "app", app), 0);
	return pod;
}

struct world {
	struct made_node *made;
	struct decisions *decisions;
	struct pf_ruleset *ruleset;
};

static struct policy_list *list_new(const char *cidr)
{
	struct policy *policies[3];
	struct policy_list *list;
	struct report report;
	char text[512];

	snprintf(text, sizeof(text), WEB, cidr);
	const char *const texts[] = {lab, edge, text};
	report_init(&report);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(policies_parse(texts[i], true, &report, &policies[i]), 0);
	report_done(&report);
	assert_int_equal(policy_list_new(policies, 3, &list), 0);
	for (size_t i = 0; i < 3; i++)
		policy_free(policies[i]);
	return list;
}

/* Three ordinary pods and a host pod; `app`: of the second. */
static struct world world_new(const char *app, const char *cidr)
{
	struct world world = {.made = made_node_new(3, 1, 0)};
	struct policy_list *list = list_new(cidr);
	char reason[160] = "";

	world.made->snapshot.endpoints[0].pod = pod_new("a", "web");
	world.made->snapshot.endpoints[1].pod = pod_new("b", app);
	world.made->snapshot.endpoints[2].pod = pod_new("c", "db");
	world.made->snapshot.endpoints[3].pod = pod_new("d", "db");
	world.made->config.fallback.ceiling = CONFIG_ON;
	const struct decision_input input = {.config = &world.made->config, .policies = list};
	assert_int_equal(decisions_new(&input, &world.made->snapshot, NULL, &world.decisions), 0);
	const struct compile_input compiling = {&world.made->config, &world.made->snapshot,
						world.decisions};
	if (compile(&compiling, &world.ruleset, reason) != 0)
		fail_msg("%s", reason);
	policy_list_free(list);
	return world;
}

static void world_free(struct world *world)
{
	for (size_t i = 0; i < 4; i++)
		pod_free((struct pod *)world->made->snapshot.endpoints[i].pod);
	decisions_free(world->decisions);
	pf_ruleset_free(world->ruleset);
	made_node_free(world->made);
}

static void rules_are_golden(void **state)
{
	struct world world = world_new("web", "198.51.100.0/25");
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(pf_ruleset_print(world.ruleset, stream), 0);
	fclose(stream);
	assert_golden("policy.nft", text);
	free(text);
	world_free(&world);
}

static void assert_plan(const char *name, struct world *from, struct world *to)
{
	struct pf_plan *plan;
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(pf_plan_new(from->ruleset, to->ruleset, &plan, NULL), 0);
	assert_int_equal(pf_plan_print(plan, stream), 0);
	fclose(stream);
	assert_golden(name, text);
	free(text);
	pf_plan_free(plan);
	world_free(from);
	world_free(to);
}

static void another_label_moves_an_element(void **state)
{
	struct world from = world_new("web", "198.51.100.0/25"),
		     to = world_new("db", "198.51.100.0/25");

	assert_plan("policy-label.plan", &from, &to);
}

static void an_edit_replaces_its_chain(void **state)
{
	struct world from = world_new("web", "198.51.100.0/25"),
		     to = world_new("web", "198.51.100.128/25");

	assert_plan("policy-edit.plan", &from, &to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_golden),
		cmocka_unit_test(another_label_moves_an_element),
		cmocka_unit_test(an_edit_replaces_its_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
