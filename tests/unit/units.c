/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Which cgroups are units, what becomes of them, and what holds for them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "inventory/unit_endpoints.h"
#include "node/own_cgroup.h"
#include "node/units.h"
#include "policy/decision.h"
#include "policy/own.h"

#include "handmade.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void globs_match(void **state)
{
	static const struct {
		const char *glob, *path;
		bool matches;
	} cases[] = {
		{"web.service", "web.service", true},
		{"web.service", "system.slice/web.service", true},
		{"web.service", "system.slice/web.service/inner", false},
		{"web.service", "system.slice/my-web.service", false},
		{"web@*.service", "system.slice/system-web.slice/web@a.service", true},
		{"web@?.service", "system.slice/web@ab.service", false},
		{"web@[ab].service", "web@b.service", true},
		{"*", "a.slice/b.slice", true},
		{"system-a\\x2db.slice", "system.slice/system-a\\x2db.slice", true},
		{"/system.slice", "system.slice", true},
		{"/system.slice", "system.slice/web.service", false},
		{"/system.slice/*", "system.slice/web.service", true},
		{"/system.slice/*", "system.slice/a.slice/web.service", false},
		{"/*/web.service", "system.slice/web.service", true},
		{"/web.service", "system.slice/web.service", false},
	};

	for (size_t i = 0; i < N(cases); i++)
		if ((unit_match(&cases[i].glob, 1, cases[i].path) == 0) != cases[i].matches)
			fail_msg("%s %s", cases[i].glob, cases[i].path);
}

static void the_first_glob_counts(void **state)
{
	static const char *const globs[] = {"a.service", "*.service", "/x.slice"};

	assert_int_equal(unit_match(globs, 3, "s.slice/a.service"), 0);
	assert_int_equal(unit_match(globs, 3, "s.slice/b.service"), 1);
	assert_int_equal(unit_match(globs, 3, "x.slice"), 2);
	assert_int_equal(unit_match(globs, 3, "y.slice"), 3);
	assert_int_equal(unit_match(globs, 0, "y.slice"), 0);
}

static void own_cgroups_are_read(void **state)
{
	static const struct {
		const char *line, *path;
	} cases[] = {
		{"0::/system.slice/podfenced.service\n", "system.slice/podfenced.service"},
		{"0::/\n", ""},
		{"0::/a b", "a b"},
		{"1:name=systemd:/a\n", NULL},
		{"0::/../a\n", NULL},
		{"0::", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < N(cases); i++) {
		char path[64];
		int r = own_cgroup_parse(cases[i].line, path, sizeof(path));
		assert_int_equal(r, cases[i].path ? 0 : -ENOENT);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
	}
	char small[4];
	assert_int_equal(own_cgroup_parse("0::/abcd\n", small, sizeof(small)), -ENOENT);
}

/* mail: 0, 1; loose: 2; all: 3 */
static const char *const mail_globs[] = {"postfix@*.service", "dovecot.service"};
static const char *const loose_globs[] = {"loose.service"}, *const all_globs[] = {"/system.slice"};
static struct destination smtp;
static struct unit_rule rules[] = {
	{.name = (char *)"mail", .match = {(char **)mail_globs, 2}, .allow = {&smtp, 1}},
	{.name = (char *)"loose", .match = {(char **)loose_globs, 1}},
	{.name = (char *)"all", .match = {(char **)all_globs, 1}},
};
static const struct unit_rule_list rule_list = {rules, N(rules)};

static int set_up(void **state)
{
	rules[0].mode = CONFIG_MODE_DENY;
	rules[0].action = CONFIG_ACTION_REJECT;
	rules[1].mode = CONFIG_MODE_OFF;
	rules[2].mode = CONFIG_MODE_AUDIT;
	return destination_parse("203.0.113.0/24:25/tcp", &smtp);
}

static struct snapshot *snapshot_of(struct node_unit *units, size_t n, const char *own,
				    struct node_sandbox *sandbox, struct pod *pod)
{
	struct node_netns netns = {.is_host = true, .nsid = -1};
	struct node_view model = {
		.netnses = &netns,
		.n_netnses = 1,
		.sandboxes = sandbox,
		.n_sandboxes = sandbox ? 1 : 0,
		.units = units,
		.n_units = n,
		.own_cgroup = (char *)own,
	};
	const struct snapshot_options options = {.units = &rule_list};
	struct snapshot *snapshot;

	assert_int_equal(snapshot_new(&options, handmade_pod_list(&pod, pod ? 1 : 0),
				      handmade_view(&model), &snapshot),
			 0);
	return snapshot;
}

#define UNIT(path_text, id, depth, glob_index)                                                     \
	{                                                                                          \
		.path = (char *)(path_text), .cgroup = (id), .level = (depth),                     \
		.glob = (glob_index)                                                               \
	}

static void units_are_endpoints(void **state)
{
	struct node_unit units[] = {
		UNIT("a.slice/dovecot.service", 0x100000005, 2, 1),
		UNIT("b.slice/dovecot.service", 6, 2, 1),
		UNIT("c.slice/postfix@x.service", 7, 2, 0),
		UNIT("loose.service", 8, 1, 2),
	};
	static const char *const names[] = {"/a.slice/dovecot.service", "/b.slice/dovecot.service",
					    "postfix@x.service", "queue"};
	struct node_sandbox sandbox = {.uid = "u", .path = (char *)"k/u", .cgroup = 9, .level = 2};
	struct snapshot *snapshot = snapshot_of(units, N(units), NULL, &sandbox,
						handmade_pod("shop", "queue", "u", true));

	assert_int_equal(snapshot->n_endpoints, N(names));
	for (size_t i = 0; i < N(names); i++)
		assert_string_equal(endpoint_name(&snapshot->endpoints[i]), names[i]);
	const struct endpoint *first = &snapshot->endpoints[0];
	assert_int_equal(first->kind, ENDPOINT_UNIT);
	assert_int_equal(first->coverage, COVERAGE_ENFORCED);
	assert_int_equal(first->index, 5);
	assert_int_equal(first->unit_rule, 0);
	assert_string_equal(first->group, "mail");
	assert_string_equal(endpoint_namespace(first), "");
	assert_ptr_equal(snapshot_find_index(snapshot, 5), first);
	assert_ptr_equal(snapshot_find_index(snapshot, 9), &snapshot->endpoints[3]);
	assert_null(snapshot_find_index(snapshot, 8));
	assert_int_equal(snapshot->n_exempt, 0); /* nothing that is judged stands above */
	snapshot_free(snapshot);
}

static bool is_exempt(const struct snapshot *snapshot, uint64_t cgroup)
{
	for (size_t i = 0; i < snapshot->n_exempt; i++)
		if (snapshot->exempt[i].cgroup == cgroup)
			return true;
	return false;
}

static void what_is_exempt_inside_a_unit_is_kept(void **state)
{
	struct node_unit units[] = {
		UNIT("system.slice", 5, 1, 3),
		UNIT("system.slice/loose.service", 6, 2, 2),
		UNIT("system.slice/podfenced.service", 7, 2, 3),
	};
	units[2].is_exempt = units[2].is_own = true;
	struct snapshot *snapshot = snapshot_of(units, N(units), "system.slice/podfenced.service",
						NULL, NULL);

	assert_int_equal(snapshot->n_endpoints, 1);
	assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_AUDIT);
	assert_int_equal(snapshot->n_exempt, 2);
	assert_true(is_exempt(snapshot, 6) && is_exempt(snapshot, 7));
	snapshot_free(snapshot);
}

/* The shipper is another container of the pod. */
static void the_pod_of_the_agent_is_exempt(void **state)
{
	static const struct {
		const char *own;
		bool is_own;
	} cases[] = {
		{"kubepods/podu/container", true},
		{"kubepods/podu", true},
		{"kubepods/podu2/container", false},
		{"system.slice/podfenced.service", false},
		{NULL, false},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct node_sandbox sandbox = {
			.uid = "u", .path = (char *)"kubepods/podu", .cgroup = 9, .level = 2};
		struct snapshot *snapshot = snapshot_of(NULL, 0, cases[i].own, &sandbox,
							handmade_pod("podfence", "p", "u", true));
		assert_int_equal(is_exempt(snapshot, 9), cases[i].is_own);
		assert_int_equal(snapshot->n_endpoints, cases[i].is_own ? 0 : 1);
		if (!cases[i].is_own) {
			assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_ENFORCED);
			assert_int_equal(snapshot->endpoints[0].cgroup, 9);
		}
		snapshot_free(snapshot);
	}
}

static void entries_decide(void **state)
{
	struct node_unit units[] = {
		UNIT("a.slice/postfix@x.service", 5, 2, 0),
		UNIT("a.slice/postfix@y.service", 6, 2, 0),
		UNIT("system.slice", 7, 1, 3),
	};
	struct config config = {.units = rule_list};
	struct snapshot *snapshot = snapshot_of(units, N(units), NULL, NULL, NULL);
	struct own_policies own;
	struct decisions *decisions;

	config.fallback.mode = CONFIG_MODE_DENY;
	assert_int_equal(own_policies_make(&config, &own), 0);
	const struct decision_input input = {.config = &config, .unit_own = own.units};
	assert_int_equal(decisions_new(&input, snapshot, NULL, &decisions), 0);
	const struct decision *mail = decisions_of(decisions, snapshot, &snapshot->endpoints[0]);
	const struct decision *all = decisions_of(decisions, snapshot, &snapshot->endpoints[2]);
	assert_int_equal(mail->mode, CONFIG_MODE_DENY);
	assert_int_equal(mail->action, CONFIG_ACTION_REJECT);
	assert_ptr_equal(mail->own, own.units[0]);
	assert_int_equal(mail->own->n_rules, 1);
	assert_ptr_equal(mail, decisions_of(decisions, snapshot, &snapshot->endpoints[1]));
	assert_int_equal(all->mode, CONFIG_MODE_AUDIT);
	assert_null(all->own);
	assert_int_equal(decisions->n_distinct, 3);
	decisions_free(decisions);
	own_policies_done(&own);
	snapshot_free(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs_match),
		cmocka_unit_test(the_first_glob_counts),
		cmocka_unit_test(own_cgroups_are_read),
		cmocka_unit_test(units_are_endpoints),
		cmocka_unit_test(what_is_exempt_inside_a_unit_is_kept),
		cmocka_unit_test(the_pod_of_the_agent_is_exempt),
		cmocka_unit_test(entries_decide),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
