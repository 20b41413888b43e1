/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <stdlib.h>
#include <string.h>

#include "node/program.h"

#include "namespace.h"
#include "test.h"

static enum link_program program_of(const char *name)
{
	enum link_program program = LINK_PROGRAM_N; /* no such link */
	struct netlink *netlink;
	struct node_link *links;
	bool is_hidden;
	size_t n;

	assert_int_equal(netlink_open(&netlink), 0);
	assert_int_equal(netlink_links(netlink, &links, &n), 0);
	assert_int_equal(programs_find(netlink, links, n, &is_hidden), 0);
	assert_false(is_hidden);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(links[i].name, name))
			program = links[i].program;
	free(links);
	netlink_free(netlink);
	return program;
}

static void programs_at_links_are_seen(void **state)
{
	assert_true(namespace_run("ip link add v0 type veth peer name v1"));
	assert_int_equal(program_of("v0"), LINK_PROGRAM_NONE);
	assert_true(namespace_run("tc qdisc add dev v0 clsact"));
	assert_int_equal(program_of("v0"), LINK_PROGRAM_NONE);
	/* One that lets everything go on is a program like any other: what it does is not known. */
	assert_true(
		namespace_run("tc filter add dev v0 ingress bpf bytecode '1,6 0 0 4294967295,'"));
	assert_int_equal(program_of("v0"), LINK_PROGRAM_TC);
	assert_int_equal(program_of("v1"), LINK_PROGRAM_NONE);
	assert_true(
		namespace_run("tc filter add dev v1 ingress protocol ip u32 match u32 0 0 2>&1 | "
			      "grep -q . ; tc qdisc add dev v1 clsact && tc filter add dev v1 "
			      "egress bpf bytecode '1,6 0 0 4294967295,'"));
	assert_int_equal(program_of("v1"), LINK_PROGRAM_NONE); /* towards the pod */
	assert_true(namespace_run("tc filter del dev v0 ingress"));
	assert_int_equal(program_of("v0"), LINK_PROGRAM_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_at_links_are_seen),
	};

	namespace_enter_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
