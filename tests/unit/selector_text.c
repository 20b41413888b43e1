/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <stdlib.h>
#include <string.h>

#include "kube/selector_text.h"

#include "test.h"
#include "text.h"

static bool selects(const char *text, const char *key, const char *value)
{
	struct label_selector selector = {};
	struct label_list labels = {};
	const char *why = "";

	if (label_selector_parse(text, &selector, &why) != 0)
		fail_msg("%s: %s", text, why);
	if (key)
		assert_int_equal(label_list_put(&labels, key, value), 0);
	bool is_selected = label_selector_matches(&selector, &labels);
	label_selector_done(&selector);
	label_list_done(&labels);
	return is_selected;
}

static void texts_select_as_kubectl_does(void **state)
{
	static const struct {
		const char *text, *key, *value;
		bool is_selected;
	} cases[] = {
		{"", NULL, NULL, true},
		{" \t ", "a", "b", true},
		{"a=b", "a", "b", true},
		{"a = b", "a", "b", true},
		{"a==b", "a", "c", false},
		{"a=", "a", "", true},
		{"a!=b", "a", "b", false},
		{"a != b", NULL, NULL, true},
		{"a", "a", "", true},
		{"a", "b", "", false},
		{"!a", "b", "", true},
		{" ! a ", "a", "", false},
		{"a in (b)", "a", "b", true},
		{"a in ( c ,b)", "a", "b", true},
		{"a in (,c)", "a", "", true},
		{"a in ()", "a", "", true},
		{"a in (c)", NULL, NULL, false},
		{"a notin (b,c)", "a", "c", false},
		{"a notin(b)", NULL, NULL, true},
		{"in in (in)", "in", "in", true},
		{"a,!b", "a", "1", true},
		{"a,a!=1", "a", "1", false},
		{"kubernetes.io/metadata.name in (kube-system, x)", "kubernetes.io/metadata.name",
		 "kube-system", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (selects(cases[i].text, cases[i].key, cases[i].value) != cases[i].is_selected)
			fail_msg("%s", cases[i].text);
}

static void assert_refused(const char *text)
{
	struct label_selector selector = {};
	const char *why = NULL;

	if (label_selector_parse(text, &selector, &why) != SELECTOR_E_INVALID)
		fail_msg("%s", text);
	assert_non_null(why);
	assert_null(selector.requirements);
}

static void what_is_no_selector_is_refused(void **state)
{
	static const char *const texts[] = {
		",",	      "a,",	      "a,,b",	   "=b",      "!",	  "!!a",
		"!a=b",	      "a b",	      "a in",	   "a in b",  "a in (b",  "a in (b)c",
		"a in (b) c", "a in (b c)",   "a=b c",	   "a>1",     "a=b=c",	  "a=(b)",
		"a()",	      "a in ((b))",   "a = \"b\"", "a=b,c d", "a in(b),", "a=b\n",
		"\xc3\xa4",   "a not in (b)", "a===b",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_refused(texts[i]);
}

static void selectors_are_bounded(void **state)
{
	char *text = text_repeat("a", ",a", 64, "");

	assert_refused(text);
	free(text);
	text = text_repeat("a in (a", ",a", 64, ")");
	assert_refused(text);
	free(text);
	text = text_repeat("a=", "a", 64, "");
	assert_refused(text);
	free(text);
	text = text_repeat("a in (a", ",a", 63, ")");
	assert_true(selects(text, "a", "a"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_select_as_kubectl_does),
		cmocka_unit_test(what_is_no_selector_is_refused),
		cmocka_unit_test(selectors_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
