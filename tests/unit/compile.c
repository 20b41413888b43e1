/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The compiler against golden files: the whole ruleset as nft text for made-up nodes, and the plan
 * for the changes that happen most. With UPDATE_GOLDEN set the files are written instead; read the
 * difference. */
#include <stdio.h>

#include <podfence/plan.h>

#include "compile/compile.h"
#include "golden.h"
#include "handmade.h"
#include "node.h"
#include "test.h"

static struct pf_ruleset *compiled(unsigned n_pods, unsigned n_host_pods, unsigned flags)
{
	struct made_node *made = made_node_new(n_pods, n_host_pods, flags);
	const struct compile_input input = {&made->config, &made->snapshot, NULL};
	struct pf_ruleset *ruleset;
	char reason[160];

	assert_int_equal(compile(&input, &ruleset, reason), 0);
	made_node_free(made);
	return ruleset;
}

static void rulesets_are_golden(void **state)
{
	static const struct {
		const char *name;
		unsigned n_pods, n_host_pods, flags;
	} cases[] = {
		{"deny.nft", 2, 2, 0},
		{"audit.nft", 2, 2, MADE_AUDIT},
		{"reject.nft", 1, 1, MADE_REJECT},
		{"bridge.nft", 1, 0, MADE_BRIDGE},
		{"bridge-audit.nft", 0, 0, MADE_BRIDGE | MADE_AUDIT},
		{"networks.nft", 0, 0, MADE_MANY_NETWORKS | MADE_NODE_CIDRS},
		{"uplinks.nft", 1, 1, MADE_MANY_UPLINKS},
		{"metadata.nft", 1, 1, MADE_SHARED_NETWORK},
		{"units.nft", 0, 1, MADE_UNITS},
		{"backstop.nft", 0, 1, MADE_BACKSTOP},
		{"backstop-audit.nft", 0, 1, MADE_BACKSTOP | MADE_AUDIT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pf_ruleset *ruleset = compiled(cases[i].n_pods, cases[i].n_host_pods,
						      cases[i].flags);
		char *text;
		size_t length;
		FILE *stream = open_memstream(&text, &length);
		assert_int_equal(pf_ruleset_print(ruleset, stream), 0);
		fclose(stream);
		assert_golden(cases[i].name, text);
		free(text);
		pf_ruleset_free(ruleset);
	}
}

/* A routed pod by hand, one behind a bridge by its label, a host pod by hand: with all there is to say. */
static void quarantines_are_golden(void **state)
{
	struct made_node *made = made_node_new(2, 2, MADE_BRIDGE);
	struct quarantine_list list = {};
	struct compile_input input = {
		.config = &made->config, .snapshot = &made->snapshot, .quarantines = &list};
	struct pf_ruleset *ruleset;
	char reason[160], *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	struct pod *pods[6];

	for (size_t i = 0; i < 6; i++) {
		char name[8];
		snprintf(name, sizeof(name), "p%zu", i);
		pods[i] = handmade_pod("ns", name, name, i > 3);
		made->snapshot.endpoints[i].pod = pods[i];
	}
	handmade_pod_label(pods[3], QUARANTINE_LABEL, QUARANTINE_LABEL_PROBES);
	for (size_t i = 0; i < 6; i += 4) {
		struct quarantine item = {.namespace = strdup("ns"),
					  .name = strdup(pods[i]->name),
					  .reason = strdup(""),
					  .keeps_probes = i == 4};
		item.allow.prefixes = calloc(2, sizeof(struct pf_prefix));
		item.allow.n_prefixes = 2;
		assert_int_equal(pf_prefix_parse("10.9.0.0/16", &item.allow.prefixes[0]), 0);
		assert_int_equal(pf_prefix_parse("fd09::/64", &item.allow.prefixes[1]), 0);
		assert_int_equal(quarantine_set(&list, &item), 0);
	}
	assert_int_equal(compile(&input, &ruleset, reason), 0);
	assert_int_equal(pf_ruleset_print(ruleset, stream), 0);
	fclose(stream);
	assert_golden("quarantine.nft", text);
	free(text);
	pf_ruleset_free(ruleset);
	quarantine_list_done(&list);
	for (size_t i = 0; i < 6; i++)
		pod_free(pods[i]);
	made_node_free(made);
}

static void derived_networks_are_golden(void **state)
{
	struct made_node *made = made_node_new(0, 0, 0);
	struct pf_address resolvers[2], server;
	struct cluster *cluster;
	const struct compile_input input = {&made->config, &made->snapshot, NULL};
	struct pf_ruleset *ruleset;
	char reason[160], *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(pf_address_parse("192.0.2.53", &resolvers[0]), 0);
	assert_int_equal(pf_address_parse("2001:db8::53", &resolvers[1]), 0);
	assert_int_equal(pf_address_parse("192.0.2.9", &server), 0);
	assert_int_equal(cluster_new("n", &cluster), 0);
	cluster_note_server(cluster, &server);
	const struct network_facts facts = {cluster, resolvers, 2, "resolv.conf"};
	assert_int_equal(network_list_new(&facts, &made->snapshot.networks), 0);
	assert_int_equal(compile(&input, &ruleset, reason), 0);
	assert_int_equal(pf_ruleset_print(ruleset, stream), 0);
	fclose(stream);
	assert_golden("derived.nft", text);
	free(text);
	pf_ruleset_free(ruleset);
	network_list_free(made->snapshot.networks);
	cluster_free(cluster);
	made_node_free(made);
}

static void plans_are_golden(void **state)
{
	static const struct {
		const char *name;
		unsigned from_pods, from_host, from_flags, to_pods, to_host, to_flags;
	} cases[] = {
		{"pod-comes.plan", 2, 1, 0, 3, 1, 0},
		{"pod-goes.plan", 3, 1, 0, 2, 1, 0},
		{"host-pod-comes.plan", 1, 1, 0, 1, 2, 0},
		{"audit-to-deny.plan", 1, 1, MADE_AUDIT, 1, 1, 0},
		{"bridge-comes.plan", 1, 0, 0, 1, 0, MADE_BRIDGE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pf_ruleset *from = compiled(cases[i].from_pods, cases[i].from_host,
						   cases[i].from_flags);
		struct pf_ruleset *to = compiled(cases[i].to_pods, cases[i].to_host,
						 cases[i].to_flags);
		struct pf_plan *plan;
		char *text;
		size_t length;
		FILE *stream = open_memstream(&text, &length);
		assert_int_equal(pf_plan_new(from, to, &plan, NULL), 0);
		assert_int_equal(pf_plan_print(plan, stream), 0);
		fclose(stream);
		assert_golden(cases[i].name, text);
		free(text);
		pf_plan_free(plan);
		pf_ruleset_free(from);
		pf_ruleset_free(to);
	}
}

/* Rules do not grow with pods, only elements do. */
static void rules_do_not_grow_with_pods(void **state)
{
	struct pf_ruleset *few = compiled(10, 10, 0), *many = compiled(5000, 200, 0);

	assert_int_equal(pf_ruleset_n_rules(few), pf_ruleset_n_rules(many));
	assert_true(pf_ruleset_n_elements(many) > pf_ruleset_n_elements(few) + 5000);
	pf_ruleset_free(few);
	pf_ruleset_free(many);
}

static void too_many_endpoints_are_refused_with_a_reason(void **state)
{
	struct made_node *made = made_node_new(20000, 0, 0);
	const struct compile_input input = {&made->config, &made->snapshot, NULL};
	struct pf_ruleset *ruleset;
	char reason[160];

	assert_int_equal(compile(&input, &ruleset, reason), COMPILE_E_REFUSED);
	assert_string_equal(reason, "set links_v1: 20000 elements, room for 16384");
	made_node_free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rulesets_are_golden),
		cmocka_unit_test(quarantines_are_golden),
		cmocka_unit_test(derived_networks_are_golden),
		cmocka_unit_test(plans_are_golden),
		cmocka_unit_test(rules_do_not_grow_with_pods),
		cmocka_unit_test(too_many_endpoints_are_refused_with_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
