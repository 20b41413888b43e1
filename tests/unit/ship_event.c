/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Lines of the seam: what is taken of a good one, and what is no event line. */
#include <stdio.h>
#include <sys/socket.h>

#include "base/file.h"
#include "ship/event.h"

#include "test.h"
#include "text.h"

static struct ship_parser *parser;

static int parse(const char *line, size_t length, struct json_object **tree,
		 struct ship_event *event)
{
	*tree = NULL;
	return ship_parse(parser, line, length, tree, event);
}

static void a_line_of_podfenced(void **state)
{
	char path[512], *line;
	struct json_object *tree;
	struct ship_event event;
	size_t length;

	snprintf(path, sizeof(path), "%s/../events/drop-tcp.json", getenv("TEST_GOLDEN"));
	assert_int_equal(file_read(path, 1 << 20, &line, &length), 0);
	assert_int_equal(parse(line, length - 1, &tree, &event), 0);
	assert_int_equal(event.kind, SHIP_FLOW);
	assert_int_equal(event.action, SHIP_DROPPED);
	assert_int_equal(event.time_usec, 1795449197131153);
	assert_int_equal(event.packets, 1);
	assert_int_equal(event.bytes, 40);
	assert_int_equal(event.severity, 47);
	assert_int_equal(event.protocol, 6);
	assert_int_equal(event.port, 443);
	assert_int_equal(event.destination.family, AF_INET);
	assert_string_equal(event.id, "0c1d473fc97dc0369f1b671c6e9fffe0");
	assert_string_equal(event.endpoint_kind, "pod");
	assert_string_equal(event.namespace, "prod");
	assert_string_equal(event.name, "web-7c9d8b5f6-x2k4q");
	assert_string_equal(event.policy, "default-deny-external");
	json_object_put(tree);
	free(line);
}

static void no_event_lines(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"hello",
		"[]",
		"\"text\"",
		"7",
		"null",
		"{",
		"{}{}",
		"{} x",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":\xff}",
		"{\"a\":\"\xc3\"}",
		"// c\n{}",
		"{\"a\":nan}",
		"{'a':1}",
		"{\"a\":'b'}",
		"{\"a\":Infinity}",
		"{\"a\":-Infinity}",
		"{\"a\":NaN}",
		"{\"a\":\"b\tc\"}",
		"{\"a\":\"\x01\"}",
		"{/**/}",
		"{\"a\":True}",
		"{\"a",
		"{\"a\":\"\\x\"}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":.5}",
	};
	struct json_object *tree;
	struct ship_event event;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i], strlen(lines[i]), &tree, &event) != SHIP_E_NO_OBJECT)
			fail_msg("%s was taken", lines[i]);
	assert_int_equal(parse("{\"a\":\"\0\"}", 9, &tree, &event), SHIP_E_NO_OBJECT);
	char *deep = text_repeat("", "{\"a\":", 30, "1");
	assert_int_equal(parse(deep, strlen(deep), &tree, &event), SHIP_E_NO_OBJECT);
	free(deep);
	char *large = text_repeat("{\"a\":\"", "x", SHIP_LINE_MAX, "\"}");
	assert_int_equal(parse(large, strlen(large), &tree, &event), SHIP_E_NO_OBJECT);
	free(large);
	/* And the parser is as good as before. */
	assert_int_equal(parse("{}", 2, &tree, &event), 0);
	assert_int_equal(event.kind, SHIP_OTHER);
	json_object_put(tree);
}

static void odd_values_are_none(void **state)
{
	static const char line[] =
		"{\"@timestamp\":\"yesterday\",\"event\":{\"dataset\":7,\"id\":[],\"action\":{},"
		"\"severity\":-1},\"network\":{\"packets\":\"9\",\"bytes\":1e99,\"iana_number\":6},"
		"\"destination\":{\"ip\":\"::::\",\"port\":1.5},\"kubernetes\":null,"
		"\"podfence\":[]}";
	struct json_object *tree;
	struct ship_event event;

	assert_int_equal(parse(line, strlen(line), &tree, &event), 0);
	assert_int_equal(event.kind, SHIP_OTHER);
	assert_int_equal(event.action, SHIP_OTHER_ACTION);
	assert_int_equal(event.time_usec, 0);
	assert_int_equal(event.packets, 0);
	assert_int_equal(event.bytes, 0);
	assert_int_equal(event.severity, 0);
	assert_int_equal(event.port, 0);
	assert_int_equal(event.destination.family, 0);
	assert_string_equal(event.id, "");
	assert_string_equal(event.name, "");
	json_object_put(tree);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} cases[] = {
		{"2026-11-23T15:53:17Z", 1795449197000000},
		{"2026-11-23T15:53:17.1Z", 1795449197100000},
		{"2026-11-23T15:53:17.131153999Z", 1795449197131153},
		{"1970-01-01T00:00:01Z", 1000000},
		{"1969-12-31T23:59:59Z", 0},
		{"2026-11-23T15:53:17", 0},
		{"2026-11-23T15:53:17+01:00", 0},
		{"2026-11-23 15:53:17Z", 0},
		{"", 0},
	};
	struct json_object *tree;
	struct ship_event event;
	char line[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = snprintf(line, sizeof(line), "{\"@timestamp\":\"%s\"}", cases[i].text);
		assert_int_equal(parse(line, (size_t)n, &tree, &event), 0);
		if (event.time_usec != cases[i].usec)
			fail_msg("%s: %llu", cases[i].text, (unsigned long long)event.time_usec);
		json_object_put(tree);
	}
}

static int open_parser(void **state)
{
	return ship_parser_new(&parser);
}

static int close_parser(void **state)
{
	ship_parser_free(parser);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_podfenced),
		cmocka_unit_test(no_event_lines),
		cmocka_unit_test(odd_values_are_none),
		cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, open_parser, close_parser);
}
