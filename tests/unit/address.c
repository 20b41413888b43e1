/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <arpa/inet.h>
#include <errno.h>

#include <podfence/address.h>

#include "test.h"

static void prefixes_parse(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *canonical;
	} cases[] = {
		{"10.0.0.0/8", 0, "10.0.0.0/8"},
		{"0.0.0.0/0", 0, "0.0.0.0/0"},
		{"192.0.2.1", 0, "192.0.2.1/32"},
		{"2001:DB8::/32", 0, "2001:db8::/32"},
		{"::/0", 0, "::/0"},
		{"fe80::1", 0, "fe80::1/128"},
		{"10.0.0.1/8", -EDOM, NULL},
		{"2001:db8::1/64", -EDOM, NULL},
		{"10.0.0.0/33", -ERANGE, NULL},
		{"::/129", -ERANGE, NULL},
		{"10.0.0.0/", -EINVAL, NULL},
		{"10.0.0.0/08", -EINVAL, NULL},
		{"10.0.0.0/-1", -EINVAL, NULL},
		{"10.0.0/8", -EINVAL, NULL},
		{"", -EINVAL, NULL},
		{"/8", -EINVAL, NULL},
		{"10.0.0.0/8 ", -EINVAL, NULL},
		{"fe80::1%eth0", -EINVAL, NULL},
		{"::ffff:10.0.0.1/200", -ERANGE, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pf_prefix prefix;
		char text[PF_PREFIX_TEXT];
		assert_int_equal(pf_prefix_parse(cases[i].text, &prefix), cases[i].result);
		if (cases[i].canonical)
			assert_string_equal(pf_prefix_format(&prefix, text), cases[i].canonical);
	}
}

static bool contains(const char *prefix_text, const char *address_text)
{
	struct pf_prefix prefix;
	struct pf_address address;
	assert_int_equal(pf_prefix_parse(prefix_text, &prefix), 0);
	assert_int_equal(pf_address_parse(address_text, &address), 0);
	return pf_prefix_contains(&prefix, &address);
}

static void prefixes_contain(void **state)
{
	assert_true(contains("10.0.0.0/8", "10.255.255.255"));
	assert_false(contains("10.0.0.0/8", "11.0.0.0"));
	assert_true(contains("10.128.0.0/9", "10.128.0.1"));
	assert_false(contains("10.128.0.0/9", "10.127.255.255"));
	assert_true(contains("0.0.0.0/0", "203.0.113.9"));
	assert_false(contains("0.0.0.0/0", "2001:db8::1"));
	assert_true(contains("2001:db8::/33", "2001:db8:7fff::"));
	assert_false(contains("2001:db8::/33", "2001:db8:8000::"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_parse),
		cmocka_unit_test(prefixes_contain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
