/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <stdio.h>
#include <string.h>

#include "node/bypass.h"

#include "namespace.h"
#include "test.h"

static size_t count(enum bypass_kind kind, const char *link)
{
	struct bypass_list list = {};
	size_t n = 0;

	assert_int_equal(bypass_read(&list), 0);
	for (size_t i = 0; i < list.n_items; i++)
		n += list.items[i].kind == kind && !strcmp(list.items[i].link, link);
	bypass_list_done(&list);
	return n;
}

static void programs_at_links_are_seen(void **state)
{
	assert_true(namespace_run("ip link add v0 type veth peer name v1"));
	assert_int_equal(count(BYPASS_BPF, "v0"), 0);
	assert_true(namespace_run("tc qdisc add dev v0 clsact"));
	assert_int_equal(count(BYPASS_BPF, "v0"), 0);
	/* One that lets everything go on is a program like any other: what it does is not known. */
	assert_true(
		namespace_run("tc filter add dev v0 ingress bpf bytecode '1,6 0 0 4294967295,'"));
	assert_int_equal(count(BYPASS_BPF, "v0"), 1);
	assert_int_equal(count(BYPASS_BPF, "v1"), 0);
	assert_true(
		namespace_run("tc filter add dev v1 ingress protocol ip u32 match u32 0 0 2>&1 | "
			      "grep -q . ; tc qdisc add dev v1 clsact && tc filter add dev v1 "
			      "egress bpf bytecode '1,6 0 0 4294967295,'"));
	assert_int_equal(count(BYPASS_BPF, "v1"), 0); /* towards the pod */
	assert_true(namespace_run("tc filter del dev v0 ingress"));
	assert_int_equal(count(BYPASS_BPF, "v0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_at_links_are_seen),
	};

	namespace_enter_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
