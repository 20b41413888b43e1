/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Which policy an event names. The lines stand in tests/golden/events, policy-*.json. */
#include <stdio.h>
#include <stdlib.h>

#include "event/event.h"
#include "golden.h"
#include "handmade.h"
#include "policies.h"
#include "scene.h"
#include "test.h"

#define SUBJECT "  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: prod}}}\n"

static const char edge[] =
	"apiVersion: policy.networking.k8s.io/v1alpha2\n"
	"kind: ClusterNetworkPolicy\n"
	"metadata: {name: edge}\n"
	"spec:\n"
	"  tier: Admin\n"
	"  priority: 10\n" SUBJECT "  egress:\n"
	"  - {name: partner, action: Accept, to: [{networks: [198.51.100.0/24]}]}\n"
	"  - {name: no-lab, action: Deny, to: [{networks: [203.0.113.8/29]}]}\n";
static const char web[] = "apiVersion: networking.k8s.io/v1\n"
			  "kind: NetworkPolicy\n"
			  "metadata: {name: web, namespace: prod}\n"
			  "spec:\n"
			  "  podSelector: {}\n"
			  "  policyTypes: [Egress]\n"
			  "  egress: [{to: [{ipBlock: {cidr: 203.0.113.64/26}}]}]\n";
static const char trial[] = "apiVersion: policy.networking.k8s.io/v1alpha2\n"
			    "kind: ClusterNetworkPolicy\n"
			    "metadata: {name: trial, annotations: {podfence.io/mode: audit}}\n"
			    "spec:\n"
			    "  tier: Admin\n"
			    "  priority: 5\n" SUBJECT "  egress:\n"
			    "  - {action: Deny, to: [{networks: [198.51.100.128/25]}]}\n";

static struct snapshot *snapshot;
static struct decisions *decisions;

static int decide(void **state)
{
	static const char *const texts[] = {trial, edge, web}; /* in the order of a list */
	struct policy_list list = {.n_references = 2,
				   .policies = calloc(3, sizeof(struct policy *))};
	struct config config = {.fallback = {.mode = CONFIG_MODE_DENY, .ceiling = CONFIG_ON}};
	const struct decision_input input = {.config = &config, .policies = &list};
	struct report report;

	report_init(&report);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			policies_parse(texts[i], true, &report, &list.policies[list.n_policies++]),
			0);
	report_done(&report);
	snapshot = scene_snapshot();
	assert_int_equal(decisions_new(&input, snapshot, NULL, &decisions), 0);
	policy_list_free(decisions->policies);
	decisions->policies = NULL;
	for (size_t i = 0; i < 3; i++)
		policy_free(list.policies[i]);
	free(list.policies);
	return 0;
}

static int forget(void **state)
{
	decisions_free(decisions);
	snapshot_free(snapshot);
	return 0;
}

static void policies_are_named(void **state)
{
	static const struct scene scenes[] = {
		{"policy-rule",
		 "podfence:deny",
		 FORWARD,
		 10,
		 2,
		 0,
		 0,
		 {WEB, "203.0.113.9", 6, 50514, 443, SYN}},
		{"policy-isolation",
		 "podfence:deny",
		 FORWARD,
		 10,
		 2,
		 0,
		 0,
		 {WEB, "192.0.2.7", 6, 50514, 443, SYN}},
		{"policy-ceiling",
		 "podfence:deny",
		 FORWARD,
		 10,
		 2,
		 0,
		 0,
		 {WEB, "203.0.113.70", 6, 50514, 443, SYN}},
		{"policy-trial",
		 "podfence:audit",
		 FORWARD,
		 10,
		 2,
		 0,
		 0,
		 {WEB, "198.51.100.200", 6, 50514, 443, SYN}},
		/* Accepted by what is in force now: it was something else that denied it. */
		{"policy-outdated",
		 "podfence:deny",
		 FORWARD,
		 10,
		 2,
		 0,
		 0,
		 {WEB, "198.51.100.7", 6, 50514, 443, SYN}},
	};
	const struct rulebook rulebook = {.decisions = decisions, .generation = 12};
	struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct scene_memory memory;
		struct event event = scene_play(&scenes[i], snapshot, &rulebook, &memory);
		char name[64];
		buffer_clear(&line);
		event_format(&event, &scene_context, &rulebook, &line);
		buffer_add_char(&line, '\0');
		assert_false(line.is_broken);
		snprintf(name, sizeof(name), "../events/%s.json", scenes[i].name);
		assert_golden(name, line.bytes);
	}
	buffer_done(&line);
}

/* A forged source is not what a policy is about. */
static void guards_name_no_policy(void **state)
{
	static const char *const prefixes[] = {"podfence:spoof", "podfence:tunnel",
					       "podfence:pending"};
	const struct rulebook rulebook = {.decisions = decisions};

	for (size_t i = 0; i < 3; i++) {
		struct scene scene = {"", prefixes[i], FORWARD, 10, .shape = {WEB, EXTERNAL, 17}};
		struct scene_memory memory;
		struct event event = scene_play(&scene, snapshot, &rulebook, &memory);
		assert_false(event.has_ruling);
		assert_false(event.is_outdated);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_are_named),
		cmocka_unit_test(guards_name_no_policy),
	};
	return cmocka_run_group_tests(tests, decide, forget);
}
