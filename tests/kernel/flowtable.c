/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <stdio.h>
#include <string.h>

#include "node/bypass.h"

#include "namespace.h"
#include "test.h"

static size_t count(const char *link)
{
	struct bypass_list list = {};
	size_t n = 0;

	assert_int_equal(bypass_read(&list), 0);
	for (size_t i = 0; i < list.n_items; i++)
		n += list.items[i].kind == BYPASS_FLOWTABLE && !strcmp(list.items[i].link, link);
	bypass_list_done(&list);
	return n;
}

static void flowtables_are_seen(void **state)
{
	assert_int_equal(count("f0"), 1);
	assert_int_equal(count("f1"), 1);
	assert_true(namespace_run("nft delete table inet f"));
	assert_int_equal(count("f0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(flowtables_are_seen)};

	namespace_enter_or_skip();
	if (!namespace_run(
		    "ip link add f0 type veth peer name f1; ip link set f0 up; ip link set f1 "
		    "up; nft 'add table inet f; add flowtable inet f ft { hook ingress "
		    "priority 0; devices = { f0, f1 }; }' 2>/dev/null")) {
		puts("1..0 # SKIP this kernel has no flowtables");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
