/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Documents as one text: "LINE: JSON" each, then what the report says. */
#include <errno.h>
#include <stdio.h>

#include "base/yaml_json.h"

#include "test.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

struct hearing {
	FILE *stream;
	unsigned n_documents;
	int answer; /* of the third one */
};

static int hear(void *userdata, struct json_object *object, size_t line)
{
	struct hearing *hearing = userdata;

	fprintf(hearing->stream, "%zu: %s\n", line,
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
	return ++hearing->n_documents == 3 ? hearing->answer : 0;
}

/* All that is made of it; to be freed. */
static char *read_text(const char *text, size_t length, int answer, int *ret_result)
{
	struct hearing hearing = {.answer = answer};
	struct report report;
	char *made, *exact = malloc(length ? length : 1);
	size_t made_length;

	hearing.stream = open_memstream(&made, &made_length);
	assert_non_null(hearing.stream);
	assert_non_null(exact);
	memcpy(exact, text, length);
	report_init(&report);
	*ret_result = yaml_json_parse("f", exact, length, &report, hear, &hearing);
	report_print(&report, hearing.stream);
	report_done(&report);
	fclose(hearing.stream);
	free(exact);
	return made;
}

static void check(const char *text, const char *expected, int result)
{
	int r;
	char *made = read_text(text, strlen(text), 0, &r);

	assert_string_equal(made, expected);
	assert_int_equal(r, result);
	free(made);
}

static const struct {
	const char *text, *json;
} scalars[] = {
	{"null", "null"},
	{"~", "null"},
	{"Null", "null"},
	{"", "null"},
	{"'null'", "\"null\""},
	{"\"~\"", "\"~\""},
	{"nUll", "\"nUll\""},
	{"true", "true"},
	{"false", "false"},
	{"'true'", "\"true\""},
	/* truth of YAML 1.1 */
	{"yes", "\"yes\""},
	{"no", "\"no\""},
	{"on", "\"on\""},
	{"off", "\"off\""},
	{"y", "\"y\""},
	{"0", "0"},
	{"-0", "0"},
	{"7", "7"},
	{"+7", "7"},
	{"-7", "-7"},
	{"'7'", "\"7\""},
	{"999999999999999999", "999999999999999999"},
	{"-999999999999999999", "-999999999999999999"},
	{"1234567890123456789012345", "1234567890123456789012345"}, /* as a number with a point */
	/* numbers of YAML 1.1 */
	{"010", "\"010\""},
	{"00", "\"00\""},
	{"0x1f", "\"0x1f\""},
	{"0b1", "\"0b1\""},
	{"1_000", "\"1_000\""},
	{"1:30", "\"1:30\""},
	{"2026-11-23", "\"2026-11-23\""},
	{"1.5", "1.5"},
	{"-1.5", "-1.5"},
	{"0.5", "0.5"},
	{"1e3", "1e3"},
	{"1.5E-3", "1.5E-3"},
	{"00.5", "\"00.5\""},
	{"1.2.3", "\"1.2.3\""},
	{"10.0.0.1", "\"10.0.0.1\""},
	{"10.0.0.0/8", "\"10.0.0.0/8\""},
	{"1e", "\"1e\""},
	{"1-2", "\"1-2\""},
	{"--1", "\"--1\""},
	{"-", "[ null ]"},
	{"+", "\"+\""},
	{".", "\".\""},
	{".inf", "\".inf\""},
	{".nan", "\".nan\""},
	{"infinity", "\"infinity\""},
	{"nan", "\"nan\""},
	{"a b", "\"a b\""},
	{"'it''s'", "\"it's\""},
	{"\"a\\tb\\u00e9\\/\"", "\"a\\tb\xc3\xa9/\""},
	{"|\n  a\n  b\n", "\"a\\nb\\n\""},
	{">-\n  a\n  b\n", "\"a b\""},
};

static void plain_scalars_have_types(void **state)
{
	for (size_t i = 0; i < N(scalars); i++) {
		char text[128], expected[128];
		snprintf(text, sizeof(text), "k:\n  %s", scalars[i].text);
		snprintf(expected, sizeof(expected), "1: { \"k\": %s }\n", scalars[i].json);
		check(text, expected, 0);
	}
}

static int take_number(void *userdata, struct json_object *object, size_t line)
{
	int *types = userdata;

	for (size_t i = 0; i < json_object_array_length(object); i++)
		types[json_object_get_type(json_object_array_get_idx(object, i))]++;
	return 0;
}

/* What a number is in JSON its text does not tell. */
static void whole_numbers_are_no_others(void **state)
{
	static const char text[] =
		"[1, -20, 999999999999999999, 1.0, 1e3, 1000000000000000000, '1']";
	int types[json_type_string + 1] = {};
	struct report report;

	report_init(&report);
	assert_int_equal(yaml_json_parse("f", text, strlen(text), &report, take_number, types), 0);
	assert_int_equal(types[json_type_int], 3);
	assert_int_equal(types[json_type_double], 3);
	assert_int_equal(types[json_type_string], 1);
	report_done(&report);
}

static void documents_are_told_one_by_one(void **state)
{
	check("", "", 0);
	check("\n# nothing\n", "", 0);
	check("---\n---\n...\n", "", 0);
	check("a: 1\n", "1: { \"a\": 1 }\n", 0);
	check("\n\n- a\n- b: [c, {d: e}]\n",
	      "3: [ \"a\", { \"b\": [ \"c\", { \"d\": \"e\" } ] } ]\n", 0);
	check("word\n", "1: \"word\"\n", 0);
	check("{\"a\":[1,\t\"b\"],\r\n\"c\":{}}", "1: { \"a\": [ 1, \"b\" ], \"c\": { } }\n", 0);
	check("\xef\xbb\xbf{a: b}", "1: { \"a\": \"b\" }\n", 0);
	check("%YAML 1.2\n---\na: 1\n...\n---\n---\nb: 2\n--- 3\n",
	      "1: { \"a\": 1 }\n6: { \"b\": 2 }\n8: 3\n", 0);
	check("5: a\nnull: b\n'': c\n", "1: { \"5\": \"a\", \"null\": \"b\", \"\": \"c\" }\n", 0);
}

static void the_caller_can_end_it(void **state)
{
	static const char text[] = "--- 1\n--- 2\n--- 3\n--- 4\n--- [\n";
	static const int answers[] = {7, -ENOMEM};
	int r;

	for (size_t i = 0; i < N(answers); i++) {
		char *made = read_text(text, strlen(text), answers[i], &r);
		assert_string_equal(made, "1: 1\n2: 2\n3: 3\n");
		assert_int_equal(r, answers[i]);
		free(made);
	}
}

#define DECORATED "anchors, aliases and tags are not allowed\n"

static const struct {
	const char *text, *said;
} refused[] = {
	{"a: &b 1\n", "f:1: " DECORATED},
	{"a: 1\nb: &c {}\n", "f:2: " DECORATED},
	{"a:\n- 1\n- &c []\n", "f:3: " DECORATED},
	{"&a b: 1\n", "f:1: " DECORATED},
	{"a: *b\n", "f:1: " DECORATED},
	{"a: 1\n\nb: *a\n", "f:3: " DECORATED},
	{"a: !!str 1\n", "f:1: " DECORATED},
	{"a: !x {}\n", "f:1: " DECORATED},
	{"!!map {}\n", "f:1: " DECORATED},
	{"a: !!binary \"aGVsbG8=\"\n", "f:1: " DECORATED},
	{"a: ! b\n", "f:1: " DECORATED},
	{"a: {}\n<<: {}\n", "f:2: merge keys are not allowed\n"},
	{"\"<<\": 1\n", "f:1: merge keys are not allowed\n"},
	{"a: 1\nb: 2\na: 3\n", "f:3: \"a\" stands twice\n"},
	{"a: ~\na: 3\n", "f:2: \"a\" stands twice\n"},
	{"{\"a\": 1, 'a': 2}\n", "f:1: \"a\" stands twice\n"},
	{"\"a\\u001bb\": 1\n\"a\\u001bb\": 1\n", "f:2: \"a?b\" stands twice\n"},
	{"? [a]\n: 1\n", "f:1: a key has to be a word\n"},
	{"a: 1\n? {b: c}\n", "f:2: a key has to be a word\n"},
	{"a: \"b\\0c\"\n", "f:1: holds a NUL character\n"},
	{"a: 1\n\"b\\0c\": 1\n", "f:2: holds a NUL character\n"},
	{"a: [1\n", "f:2: no YAML: did not find expected ',' or ']'\n"},
	{"a: 1\n b: 2\n", "f:2: no YAML: mapping values are not allowed in this context\n"},
	{"a: 1\n\tb: 2\n", "f:2: no YAML: found a tab character that violates indentation\n"},
	{"a: 'b\n", "f:2: no YAML: found unexpected end of stream\n"},
	{"a: \"\\q\"\n", "f:1: no YAML: found unknown escape character\n"},
	{"a: 1\n%b\n", "f:2: no YAML: found unknown directive name\n"},
	{"%YAML 3.0\n---\na: 1\n", "f:1: no YAML: found incompatible YAML document\n"},
	{"a: @b\n", "f:1: no YAML: found character that cannot start any token\n"},
	{"}\n", "f:1: no YAML: did not find expected node content\n"},
};

static void what_is_not_plain_is_refused(void **state)
{
	for (size_t i = 0; i < N(refused); i++)
		check(refused[i].text, refused[i].said, YAML_JSON_E_INVALID);
	check("--- 1\n--- {a: 2}\n--- &a 3\n--- 4\n", "1: 1\n2: { \"a\": 2 }\nf:3: " DECORATED,
	      YAML_JSON_E_INVALID);
}

/* libyaml knows no line for a byte that is no character. */
static void bytes_that_are_no_text_are_refused(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *said;
	} cases[] = {
		{"a: \xff\n", 5, "invalid leading UTF-8 octet"},
		{"a: \xc3", 4, "incomplete UTF-8 octet sequence"},
		{"a: \xed\xa0\x80\n", 7, "invalid Unicode character"},
		{"a: \0\n", 5, "control characters are not allowed"},
		{"a: \x1b[2J\n", 8, "control characters are not allowed"},
		{"\xff\xfe{\0}\0", 6, "invalid leading UTF-8 octet"},
		{"{\0}\0", 4, "control characters are not allowed"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		int r;
		char *made = read_text(cases[i].text, cases[i].length, 0, &r);
		assert_int_equal(r, YAML_JSON_E_INVALID);
		assert_memory_equal(made, "f:1: no YAML: ", 14);
		assert_non_null(strstr(made, cases[i].said));
		free(made);
	}
}

static void nesting_is_bounded(void **state)
{
	static const struct {
		const char *unit, *end;
	} cases[] = {{"[", "]"}, {"{a: ", "}"}, {"- ", ""}};

	for (size_t i = 0; i < N(cases); i++)
		for (unsigned depth = 60; depth < 70; depth++) {
			int r;
			char *open = text_repeat("\n", cases[i].unit, depth, "");
			char *text = text_repeat(open, cases[i].end, depth, "\n");
			char *made = read_text(text, strlen(text), 0, &r);
			assert_int_equal(r, depth <= 64 ? 0 : YAML_JSON_E_INVALID);
			if (r)
				assert_string_equal(made, "f:2: is nested deeper than 64 levels\n");
			free(open);
			free(text);
			free(made);
		}
}

/* Unclosed and endless: refused when the limit is reached, long before all of it is read. */
static void deep_texts_are_refused_early(void **state)
{
	static const char *const units[] = {"[", "{a: ", "{\"a\":[", "- "};

	for (size_t i = 0; i < N(units); i++) {
		char *text = text_repeat("", units[i], 1 << 20, "");
		check(text, "f:1: is nested deeper than 64 levels\n", YAML_JSON_E_INVALID);
		free(text);
	}
}

static void long_texts_are_read_and_cut_in_messages(void **state)
{
	char *text = text_repeat("a: \"", "0123456789abcdef", 1 << 16, "\"\n");
	int r;
	char *made = read_text(text, strlen(text), 0, &r);

	assert_int_equal(r, 0);
	assert_int_equal(strlen(made), strlen("1: { \"a\": \"\" }\n") + (16 << 16));
	free(made);
	free(text);
	char *head = text_repeat("", "k", 900, ": 1\n");
	text = text_repeat(head, "k", 900, ": 2\n");
	made = read_text(text, strlen(text), 0, &r);
	assert_int_equal(r, YAML_JSON_E_INVALID);
	assert_int_equal(strlen(made), strlen("f:2: \"\" stands twice\n") + 64);
	free(made);
	free(head);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_scalars_have_types),
		cmocka_unit_test(whole_numbers_are_no_others),
		cmocka_unit_test(documents_are_told_one_by_one),
		cmocka_unit_test(the_caller_can_end_it),
		cmocka_unit_test(what_is_not_plain_is_refused),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(deep_texts_are_refused_early),
		cmocka_unit_test(long_texts_are_read_and_cut_in_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
