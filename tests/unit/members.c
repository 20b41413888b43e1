/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "event/event.h"
#include "event/timestamp.h"

#include "handmade.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct event_context context = {"node-17", "", "0.1.0", "00"};

static void images_are_split(void **state)
{
	static const struct {
		const char *image, *text;
	} cases[] = {
		{"nginx", "\"image\":{\"name\":\"nginx\"}"},
		{"nginx:1.27", "\"image\":{\"name\":\"nginx\",\"tag\":[\"1.27\"]}"},
		{"r.io:5000/a/b", "\"image\":{\"name\":\"r.io:5000/a/b\"}"},
		{"r.io:5000/a/b:v1", "\"image\":{\"name\":\"r.io:5000/a/b\",\"tag\":[\"v1\"]}"},
		{"a/b@sha256:00ff", "\"image\":{\"name\":\"a/b\"}"},
		{"a/b:v1@sha256:00ff", "\"image\":{\"name\":\"a/b\",\"tag\":[\"v1\"]}"},
		{"a:", "\"image\":{\"name\":\"a\"}"},
		{":", "\"image\":{\"name\":\"\"}"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct pod *pod = handmade_pod("ns", "x", "uid", false);
		struct endpoint endpoint = {.pod = pod};
		struct buffer buffer = BUFFER_INIT;

		handmade_pod_container(pod,
				       &(struct handmade_container){"c", "", "", cases[i].image});
		event_endpoint_members(&endpoint, NULL, &context, &buffer);
		buffer_add_char(&buffer, '\0');
		assert_non_null(strstr(buffer.bytes, cases[i].text));
		buffer_done(&buffer);
		struct pod_list *list = handmade_pod_list(&pod, 1);
		pod_list_free(list);
	}
}

/* However many labels somebody hangs on a pod, an event stays below what container logs carry. */
static void labels_are_bounded(void **state)
{
	struct pod *pod = handmade_pod("ns", "x", "uid", false);
	struct endpoint endpoint = {.pod = pod};
	struct buffer buffer = BUFFER_INIT;

	for (unsigned i = 0; i < 500; i++) {
		char key[32], value[64];
		snprintf(key, sizeof(key), "example.com/label-%03u", i);
		memset(value, 'v', sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';
		handmade_pod_label(pod, key, value);
	}
	buffer_add_char(&buffer, '{');
	event_endpoint_members(&endpoint, NULL, &context, &buffer);
	buffer_add(&buffer, "}", 2); /* with its NUL */
	struct json_object *object = json_tokener_parse(buffer.bytes);
	assert_non_null(object);
	json_object_put(object);
	assert_in_range(buffer.length, 4096, 6000);
	buffer_done(&buffer);
	pod_list_free(handmade_pod_list(&pod, 1));
}

static void times_are_those_of_libc(void **state)
{
	for (uint64_t i = 0; i < 100000; i++) {
		/* strides that meet all months and leap years until 2600 */
		uint64_t seconds = i * 199999 % 19880899199ull;
		time_t time = (time_t)seconds;
		struct tm tm;
		char expected[64], text[TIMESTAMP_LENGTH + 1] = {};

		assert_non_null(gmtime_r(&time, &tm));
		size_t n = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(expected + n, sizeof(expected) - n, ".%06uZ", (unsigned)(i * 7 % 1000000));
		timestamp_text(seconds * 1000000 + i * 7 % 1000000, text);
		assert_string_equal(text, expected);
		assert_int_equal(timestamp_parse(text), seconds * 1000000 + i * 7 % 1000000);
	}
	char text[TIMESTAMP_LENGTH + 1] = {};
	timestamp_text(UINT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.551615Z");
	assert_int_equal(timestamp_parse("2026-11-23T15:00:00Z"), 1795446000000000);
	assert_int_equal(timestamp_parse("2026-11-23T15:00:00.5Z"), 1795446000500000);
	static const char *const wrong[] = {"",
					    "yesterday",
					    "2026-11-23",
					    "2026-11-23T15:00:00",
					    "2026-11-23T15:00:00Zx",
					    "1969-12-31T23:59:59Z"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(timestamp_parse(wrong[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_are_split),
		cmocka_unit_test(labels_are_bounded),
		cmocka_unit_test(times_are_those_of_libc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
