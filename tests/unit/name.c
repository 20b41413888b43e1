/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "base/name.h"

#include "test.h"

#define TEN(x)	 x x x x x x x x x x
#define SIXTY(x) TEN(x) TEN(x) TEN(x) TEN(x) TEN(x) TEN(x)

static void names(void **state)
{
	static const struct {
		const char *text;
		bool is_label, is_subdomain;
	} cases[] = {
		{"a", true, true},
		{"0", true, true},
		{"web-1", true, true},
		{"a.b", false, true},
		{"ip-10-0-2-15.ec2.internal", false, true},
		{"", false, false},
		{"-a", false, false},
		{"a-", false, false},
		{"a..b", false, false},
		{".a", false, false},
		{"a.", false, false},
		{"a.-b", false, false},
		{"A", false, false},
		{"a_b", false, false},
		{"a/b", false, false},
		{"a b", false, false},
		{"a\n", false, false},
		{"\xc3\xa9", false, false},
		{SIXTY("a") "aaa", true, true},
		{SIXTY("a") "aaaa", false, true},
		{SIXTY("a") SIXTY("b") SIXTY("c") SIXTY("d") TEN("e") "fff", false, true},
		{SIXTY("a") SIXTY("b") SIXTY("c") SIXTY("d") TEN("e") "ffff", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(name_is_label(cases[i].text), cases[i].is_label);
		assert_int_equal(name_is_subdomain(cases[i].text), cases[i].is_subdomain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
