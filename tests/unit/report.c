/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <stdio.h>

#include "base/report.h"

#include "test.h"

static void texts_are_cleaned(void **state)
{
	static const struct {
		const char *given, *kept;
	} cases[] = {
		{"plain", "plain"},
		{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7",
		 "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7"},
		{"two\nlines\r\t\x1b[31m\x7f", "two?lines???[31m?"},
		{"C1 \xc2\x9b.", "C1 ?."},
		{"turned \xe2\x80\xae and \xe2\x81\xa6.", "turned ? and ?."},
		{"line \xe2\x80\xa8.", "line ?."},
		{"cut \xe2\x82", "cut ??"},
		{"alone \x80\xff", "alone ??"},
		{"overlong \xc0\x80 \xe0\x80\xaf", "overlong ?? ???"},
		{"surrogate \xed\xa0\x80", "surrogate ???"},
		{"beyond \xf4\x90\x80\x80 \xf8", "beyond ???? ?"},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct report report;
		report_init(&report);
		assert_true(report_is_empty(&report));
		report_add(&report, cases[i].given, "%s", cases[i].given);
		assert_false(report_is_empty(&report));
		assert_int_equal(report.n_entries, 1);
		assert_string_equal(report.entries[0].place, cases[i].kept);
		assert_string_equal(report.entries[0].text, cases[i].kept);
		report_done(&report);
	}
}

static char *printed(const struct report *report)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	report_print(report, stream);
	fclose(stream);
	return text;
}

static void a_full_report_counts(void **state)
{
	struct report report;

	report_init(&report);
	for (unsigned i = 0; i < REPORT_MAX + 3; i++)
		report_add(&report, "place", "%u", i);
	assert_int_equal(report.n_entries, REPORT_MAX);
	assert_int_equal(report.n_left_out, 3);
	char *text = printed(&report);
	assert_ptr_equal(strstr(text, "place: 0\nplace: 1\n"), text);
	assert_string_equal(text + strlen(text) - strlen("place: 255\nand 3 more\n"),
			    "place: 255\nand 3 more\n");
	free(text);
	report_done(&report);
	assert_true(report_is_empty(&report));
}

static void long_texts_are_cut(void **state)
{
	char text[2000];
	struct report report;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	report_init(&report);
	report_add(&report, text, "%s", text);
	assert_int_equal(strlen(report.entries[0].place), sizeof(text) - 1);
	assert_int_equal(strlen(report.entries[0].text), 511);
	report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_cleaned),
		cmocka_unit_test(a_full_report_counts),
		cmocka_unit_test(long_texts_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
