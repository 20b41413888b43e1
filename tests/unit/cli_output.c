/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What commands print of replies of the agent, against golden files (UPDATE_GOLDEN writes them). */
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "cli/duration.h"
#include "cli/flows.h"
#include "cli/pods.h"
#include "cli/status.h"
#include "golden.h"
#include "test.h"

#define NOW_USEC 1764156000000000ull

static struct json_object *read_case(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/../cli/%s.json", getenv("TEST_GOLDEN"), name);
	struct json_object *value = json_object_from_file(path);
	if (!value)
		fail_msg("%s: %s", path, json_util_get_last_err());
	return value;
}

static void check_golden(const char *name, char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "../cli/%s", name);
	assert_golden(path, text);
	free(text);
}

static void test_status(void **state)
{
	static const struct {
		const char *json, *golden;
		bool has_colours, is_good, is_ready;
	} cases[] = {
		{"status-good", "status-good.txt", false, true, true},
		{"status-good", "status-good-colours.txt", true, true, true},
		{"status-trouble", "status-trouble.txt", false, false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *status = read_case(cases[i].json);
		char *text = NULL;
		size_t length;
		FILE *stream = open_memstream(&text, &length);
		assert_int_equal(status_print(status, NOW_USEC, cases[i].has_colours, stream), 0);
		fclose(stream);
		check_golden(cases[i].golden, text);
		assert_int_equal(status_is_good(status), cases[i].is_good);
		assert_int_equal(status_is_ready(status), cases[i].is_ready);
		json_object_put(status);
	}
}

/* A probe is not to hold up a rollout for a pod that has a way around the rules, nor in audit. */
static void test_ready(void **state)
{
	static const struct {
		const char *json;
		bool is_ready;
	} cases[] = {
		{"{'transaction': {'generation': 1}, 'api': {'source': 'in-cluster', 'synced': "
		 "true},"
		 " 'mode': 'audit', 'endpoints': {'pending': 2, 'uncovered': 3}}",
		 true},
		{"{'transaction': {'generation': 1}, 'api': {'source': 'none', 'synced': false}}",
		 true},
		{"{'transaction': {'generation': 0}, 'api': {'source': 'none', 'synced': false}}",
		 false},
		{"{'transaction': {'generation': 1}, 'api': {'source': 'in-cluster', 'synced': "
		 "false}}",
		 false},
		{"{'transaction': {'generation': 7, 'failure': 'No buffer space available'},"
		 " 'api': {'source': 'in-cluster', 'synced': true}}",
		 false},
		{"{}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *status = json_tokener_parse(cases[i].json);
		assert_non_null(status);
		assert_int_equal(status_is_ready(status), cases[i].is_ready);
		json_object_put(status);
	}
}

static void check_table(const char *json, const char *golden, enum table_format format,
			bool has_titles, bool has_colours)
{
	struct table table = {
		.format = format, .has_titles = has_titles, .has_colours = has_colours};
	struct json_object *items = read_case(json);
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!strcmp(json, "flows")) {
		flows_table(&table);
		flows_sort(items);
	} else {
		pods_table(&table);
	}
	assert_int_equal(table_print(&table, items, stream), 0);
	fclose(stream);
	for (size_t k = 0; k < length; k++) /* the only escapes are ours */
		assert_true(has_colours || text[k] != '\033');
	check_golden(golden, text);
	json_object_put(items);
}

static void test_tables(void **state)
{
	static const struct {
		const char *json, *golden;
		enum table_format format;
		bool has_titles, has_colours;
	} cases[] = {
		{"pods", "pods.txt", TABLE_TABLE, true, false},
		{"pods", "pods-colours.txt", TABLE_TABLE, true, true},
		{"pods", "pods-wide.txt", TABLE_WIDE, false, false},
		{"pods", "pods-json.txt", TABLE_JSON, true, true},
		{"pods", "pods-jsonl.txt", TABLE_JSONL, true, true},
		{"flows", "flows.txt", TABLE_TABLE, true, false},
		{"flows", "flows-wide.txt", TABLE_WIDE, true, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_table(cases[i].json, cases[i].golden, cases[i].format, cases[i].has_titles,
			    cases[i].has_colours);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = {{"30s", 30},    {"15m", 900},    {"1h30m", 5400},
		    {"7d", 604800}, {"1d1s", 86401}, {"0s", 0}};
	static const char *const bad[] = {"",	 "1",	 "s",	"1x",	     "1m1h", "1s1s",
					  "-1s", "1.5h", "1 h", "99999999d", "3651d"};
	char text[DURATION_TEXT];
	uint64_t seconds;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &seconds), 0);
		assert_int_equal(seconds, good[i].seconds);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(duration_parse(bad[i], &seconds) < 0);
	assert_string_equal(duration_text(0, text), "0s");
	assert_string_equal(duration_text(59, text), "59s");
	assert_string_equal(duration_text(312, text), "5m12s");
	assert_string_equal(duration_text(3600, text), "1h");
	assert_string_equal(duration_text(3 * 86400 + 4 * 3600 + 59, text), "3d4h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
