/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "control/call.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

static int parse(const char *text, struct call *call)
{
	const char *reason = NULL;
	int r = call_parse(text, strlen(text), call, &reason);

	assert_true(!r == !reason);
	return r;
}

static void test_good(void **state)
{
	struct call call;

	assert_int_equal(parse("{\"method\":\"a.b.C\"}", &call), 0);
	assert_string_equal(call.method, "a.b.C");
	assert_null(call.parameters);
	assert_false(call.wants_more || call.is_oneway || call.wants_upgrade);
	call_done(&call);
	assert_int_equal(
		parse(" {\"parameters\":{\"x\":[1]},\"more\":true,\"method\":\"a.B\"}", &call), 0);
	assert_true(call.wants_more);
	assert_int_equal(json_object_object_length(call.parameters), 1);
	call_done(&call);
	assert_int_equal(parse("{\"method\":\"a.B\",\"parameters\":null,\"oneway\":true}", &call),
			 0);
	assert_true(call.is_oneway);
	assert_null(call.parameters);
	call_done(&call);
}

static void test_bad(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"null",
		"[]",
		"\"a.B\"",
		"{}{}",
		"{\"method\":\"a.B\"} x",
		"{\"method\":null}",
		"{\"method\":\"B\"}",
		"{\"method\":\".B\"}",
		"{\"method\":\"a.\"}",
		"{\"method\":\"a.B c\"}",
		"{\"method\":\"a.B\\u0000\"}",
		"{\"method\":\"a.B\",\"more\":1}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"more\":null}",
		"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{'method':'a.B'}",
		"{\"method\":\"a.\xc3\x28\"}",
	};
	char name[CALL_METHOD_MAX + 32];
	struct call call;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parse(texts[i], &call) != CALL_E_INVALID)
			fail_msg("%s is taken", texts[i]);
	snprintf(name, sizeof(name), "{\"method\":\"a.%0*d\"}", CALL_METHOD_MAX - 2, 1);
	assert_int_equal(parse(name, &call), 0);
	call_done(&call);
	snprintf(name, sizeof(name), "{\"method\":\"a.%0*d\"}", CALL_METHOD_MAX - 1, 1);
	assert_int_equal(parse(name, &call), CALL_E_INVALID);
}

struct wishes {
	const char *name;
	uint64_t number;
	bool flag;
	struct json_object *list;
};

static const struct call_field fields[] = {
	{"name", CALL_STRING, true, 5, offsetof(struct wishes, name)},
	{"number", CALL_NUMBER, false, 10, offsetof(struct wishes, number)},
	{"flag", CALL_BOOL, false, 0, offsetof(struct wishes, flag)},
	{"list", CALL_STRINGS, false, 2, offsetof(struct wishes, list)},
};

/* The name of the parameter that is refused; "": none. */
static const char *read_wishes(const char *text, struct wishes *wishes)
{
	static char bad[32];
	const char *name = "";
	struct json_object *tree = text ? json_tokener_parse(text) : NULL;

	*wishes = (struct wishes){};
	int r = call_parameters(tree, fields, sizeof(fields) / sizeof(fields[0]), wishes, &name);
	snprintf(bad, sizeof(bad), "%s", r == CALL_E_INVALID ? name : "");
	json_object_put(tree);
	return bad;
}

static void test_parameters(void **state)
{
	static const struct {
		const char *text, *bad;
	} cases[] = {
		{"{\"name\":\"a\"}", ""},
		{"{\"name\":\"abcde\",\"number\":10,\"flag\":true,\"list\":[\"x\",\"y\"]}", ""},
		{"{\"name\":\"a\",\"number\":null}", ""},
		{NULL, "name"},
		{"{}", "name"},
		{"{\"name\":null}", "name"},
		{"{\"name\":\"abcdef\"}", "name"},
		{"{\"name\":\"a\\u0000\"}", "name"},
		{"{\"name\":1}", "name"},
		{"{\"name\":\"a\",\"number\":11}", "number"},
		{"{\"name\":\"a\",\"number\":-1}", "number"},
		{"{\"name\":\"a\",\"number\":1.5}", "number"},
		{"{\"name\":\"a\",\"number\":99999999999999999999}", "number"},
		{"{\"name\":\"a\",\"flag\":0}", "flag"},
		{"{\"name\":\"a\",\"list\":[\"x\",\"y\",\"z\"]}", "list"},
		{"{\"name\":\"a\",\"list\":[1]}", "list"},
		{"{\"name\":\"a\",\"list\":{}}", "list"},
		{"{\"name\":\"a\",\"strange\":1}", "strange"},
	};
	struct wishes wishes;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(read_wishes(cases[i].text, &wishes), cases[i].bad);
	assert_string_equal(read_wishes("{\"name\":\"a\",\"number\":7,\"flag\":true}", &wishes),
			    "");
	assert_int_equal(wishes.number, 7);
	assert_true(wishes.flag);
	assert_null(wishes.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
