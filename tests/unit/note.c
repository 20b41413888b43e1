/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What receivers for people and for clusters get of the golden alerts; and that a name which an attacker
 * chose is a text there and nothing else. */
#include <stdio.h>

#include "base/file.h"
#include "ship/note.h"

#include "test.h"

static struct json_object *read_alert(const char *name)
{
	char path[512], *text;
	size_t length;

	snprintf(path, sizeof(path), "%s/../events/%s.json", getenv("TEST_GOLDEN"), name);
	assert_int_equal(file_read(path, 1 << 20, &text, &length), 0);
	struct json_object *tree = json_tokener_parse(text);
	assert_non_null(tree);
	free(text);
	return tree;
}

static struct json_object *body_of(struct buffer *body)
{
	buffer_add_char(body, '\0');
	assert_false(body->is_broken);
	struct json_object *tree = json_tokener_parse(body->bytes);
	assert_non_null(tree);
	buffer_clear(body);
	return tree;
}

static void assert_at(struct json_object *tree, const char *path, const char *text)
{
	if (strcmp(ship_text(tree, path), text) != 0)
		fail_msg("%s is \"%s\"", path, ship_text(tree, path));
}

static void slack(void **state)
{
	struct json_object *alerts[2] = {read_alert("alert-summary"), read_alert("alert-first")};
	struct buffer body = BUFFER_INIT;

	note_slack(alerts, 2, &body);
	struct json_object *tree = body_of(&body);
	assert_at(tree, "text",
		  "egress denied: prod/web-7c9d8b5f6-x2k4q to 203.0.113.9:443/tcp by "
		  "default-deny-external (4 since the last alert, 5 in all) (and 1 more)");
	struct json_object *blocks = ship_find(tree, "blocks");
	assert_int_equal(json_object_array_length(blocks), 2);
	struct json_object *first = json_object_array_get_idx(blocks, 0);
	assert_at(first, "type", "section");
	assert_at(first, "text.type", "mrkdwn");
	assert_at(first, "text.text",
		  "*egress denied: prod/web-7c9d8b5f6-x2k4q to 203.0.113.9:443/tcp by "
		  "default-deny-external (4 since the last alert, 5 in all)*\n"
		  "Who: prod/web-7c9d8b5f6-x2k4q\n"
		  "Container: web\n"
		  "Node: node-17\n"
		  "What: dropped\n"
		  "Where to: 203.0.113.9:443/tcp\n"
		  "How often: 4 events since the last message, 5 in all, from "
		  "2026-11-23T15:53:17.131153Z\n"
		  "Rule: default-deny-external\n"
		  "Because: The destination is external and nothing allows it.\n"
		  "Look further: podfence why prod/web-7c9d8b5f6-x2k4q 203.0.113.9:443/tcp; "
		  "podfence who 203.0.113.9");
	json_object_put(tree);
	json_object_put(alerts[0]);
	json_object_put(alerts[1]);
	buffer_done(&body);
}

static void dingtalk(void **state)
{
	struct json_object *alert = read_alert("alert-first");
	struct buffer body = BUFFER_INIT;

	note_dingtalk(&alert, 1, "podfence", &body);
	struct json_object *tree = body_of(&body);
	assert_at(tree, "msgtype", "markdown");
	const char *text = ship_text(tree, "markdown.text");
	assert_memory_equal(text, "podfence\n\n#### egress denied: prod/web-", 38);
	assert_non_null(strstr(text, "\n- Where to: 203.0.113.9:443/tcp\n"));
	json_object_put(tree);
	json_object_put(alert);
	buffer_done(&body);
}

static void markup_of_others_is_none(void **state)
{
	static const char text[] =
		"{\"message\":\"<!channel> *b* [a](http://x) `c`\\u001b\",\"process\":{\"name\":"
		"\"<http://evil|click>\"},\"kubernetes\":{\"namespace\":\"n\",\"pod\":{\"name\":"
		"\"@all\"}}}";
	struct json_object *alert = json_tokener_parse(text);
	struct buffer body = BUFFER_INIT;

	note_slack(&alert, 1, &body);
	buffer_add_char(&body, '\0');
	assert_null(strpbrk(body.bytes + 1, "<>`"));
	assert_null(strstr(body.bytes, "@all"));
	buffer_clear(&body);
	note_dingtalk(&alert, 1, "", &body);
	buffer_add_char(&body, '\0');
	assert_null(strstr(body.bytes, "]("));
	assert_null(strstr(body.bytes, "@all"));
	assert_null(strchr(body.bytes, '`'));
	json_object_put(alert);
	buffer_done(&body);
}

static void alertmanager(void **state)
{
	static const struct {
		const char *golden, *ends;
	} cases[] = {
		{"alert-summary", "2026-11-23T15:54:21.000000Z"}, /* a minute from the last event */
		{"alert-resolved", "2026-11-23T15:53:22.000000Z"},
	};
	struct buffer body = BUFFER_INIT;

	for (int i = 0; i < 2; i++) {
		struct json_object *alert = read_alert(cases[i].golden);
		note_alertmanager(&alert, 1, "fallback", 60000000, &body);
		struct json_object *list = body_of(&body);
		assert_int_equal(json_object_array_length(list), 1);
		struct json_object *one = json_object_array_get_idx(list, 0);
		assert_at(one, "labels.alertname", "PodfenceEgressDenied");
		assert_at(one, "labels.severity", "warning");
		assert_at(one, "labels.cluster", "prod-bj-1");
		assert_at(one, "labels.node", "node-17");
		assert_at(one, "labels.namespace", "prod");
		assert_at(one, "labels.pod", "web-7c9d8b5f6-x2k4q");
		assert_at(one, "labels.rule", "default-deny-external");
		assert_int_equal(json_object_object_length(ship_find(one, "labels")), 7);
		assert_at(one, "startsAt", "2026-11-23T15:53:17.131153Z");
		assert_at(one, "endsAt", cases[i].ends);
		json_object_put(list);
		json_object_put(alert);
	}
	buffer_done(&body);
}

static void kubernetes(void **state)
{
	static const char name[] = "web-7c9d8b5f6-x2k4q.0a72341ea9cdb4ac14eef6843e8cd405";
	struct json_object *first = read_alert("alert-first"), *next = read_alert("alert-summary");
	struct buffer body = BUFFER_INIT;
	struct note_kubernetes note;

	assert_int_equal(note_kubernetes(first, false, &note, &body), 0);
	assert_false(note.is_patch);
	assert_string_equal(note.path, "/apis/events.k8s.io/v1/namespaces/prod/events");
	struct json_object *tree = body_of(&body);
	assert_at(tree, "metadata.name", name);
	assert_at(tree, "regarding.name", "web-7c9d8b5f6-x2k4q");
	assert_at(tree, "regarding.uid", "7d0f2c54-5d0e-4f3a-9c58-0a6f8d3e2b11");
	assert_at(tree, "reason", "EgressDenied");
	assert_at(tree, "type", "Warning");
	assert_at(tree, "eventTime", "2026-11-23T15:53:17.131153Z");
	assert_null(ship_find(tree, "series")); /* the API server wants two at least */
	json_object_put(tree);

	assert_int_equal(note_kubernetes(next, false, &note, &body), 0);
	assert_true(note.is_patch);
	assert_memory_equal(note.path, "/apis/events.k8s.io/v1/namespaces/prod/events/web", 49);
	tree = body_of(&body);
	assert_int_equal(json_object_object_length(tree), 1);
	assert_int_equal(ship_number(tree, "series.count"), 5);
	json_object_put(tree);

	assert_int_equal(note_kubernetes(next, true, &note, &body), 0);
	assert_false(note.is_patch);
	tree = body_of(&body);
	assert_at(tree, "metadata.name", name);
	assert_int_equal(ship_number(tree, "series.count"), 5);
	json_object_put(tree);
	json_object_put(first);
	json_object_put(next);
	buffer_done(&body);
}

static void a_static_pod_is_its_manifest(void **state)
{
	struct json_object *alert = read_alert("alert-first"),
			   *annotations = json_object_new_object();
	struct buffer body = BUFFER_INIT;
	struct note_kubernetes note;

	json_object_object_add(annotations, "kubernetes_io/config_hash",
			       json_object_new_string("0123456789abcdef0123456789abcdef"));
	json_object_object_add(ship_find(alert, "kubernetes"), "annotations", annotations);
	assert_int_equal(note_kubernetes(alert, false, &note, &body), 0);
	struct json_object *tree = body_of(&body);
	assert_at(tree, "regarding.uid", "0123456789abcdef0123456789abcdef");
	json_object_put(tree);
	json_object_put(alert);
	buffer_done(&body);
}

static void what_has_no_object(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"kubernetes\":{\"namespace\":\"n\"}}",
		"{\"kubernetes\":{\"namespace\":\"../x\",\"pod\":{\"name\":\"p\"}}}",
		"{\"kubernetes\":{\"namespace\":\"n\",\"pod\":{\"name\":\"a/b\"}}}",
		("{\"kubernetes\":{\"namespace\":\"n\",\"pod\":{\"name\":\"p\"}},\"podfence\":{"
		 "\"alert\":{\"state\":\"resolved\"}}}"),
	};
	struct buffer body = BUFFER_INIT;
	struct note_kubernetes note;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *tree = json_tokener_parse(texts[i]);
		assert_int_equal(note_kubernetes(tree, false, &note, &body), NOTE_E_NOT_FOR_IT);
		json_object_put(tree);
	}
	buffer_done(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slack),
		cmocka_unit_test(dingtalk),
		cmocka_unit_test(markup_of_others_is_none),
		cmocka_unit_test(alertmanager),
		cmocka_unit_test(kubernetes),
		cmocka_unit_test(a_static_pod_is_its_manifest),
		cmocka_unit_test(what_has_no_object),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
