/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Alerts are made of events as podfenced writes them. Whole lines stand in tests/golden/events, where
 * they are held against ECS with those of flows. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/file.h"
#include "ship/alert.h"

#include "golden.h"
#include "test.h"

#define SECOND 1000000ull

static struct own_author author;
static struct buffer line;
static char *denied_line;

struct scene {
	struct alerts *alerts;
	struct ship_parser *parser;
	struct json_object *tree;
	struct ship_event event;
};

static struct alert_now at(uint64_t seconds)
{
	return (struct alert_now){seconds * SECOND, 1795535643u * SECOND + seconds * SECOND};
}

static void scene_open(struct scene *scene, size_t groups_max)
{
	const struct alert_options options = {groups_max, 300 * SECOND, 900 * SECOND, &author,
					      "fifteen letters"};

	author = (struct own_author){.node = "node-17", .version = "0.1.0"};
	assert_int_equal(alerts_new(&options, &scene->alerts), 0);
	assert_int_equal(ship_parser_new(&scene->parser), 0);
	assert_int_equal(ship_parse(scene->parser, denied_line, strlen(denied_line), &scene->tree,
				    &scene->event),
			 0);
}

static void scene_close(struct scene *scene)
{
	json_object_put(scene->tree);
	ship_parser_free(scene->parser);
	alerts_free(scene->alerts);
	buffer_done(&line);
	line = BUFFER_INIT;
}

static int see(struct scene *scene, uint64_t seconds)
{
	const struct alert_now now = at(seconds);

	return alerts_see(scene->alerts, &scene->event, scene->tree, &now, &line);
}

static int due(struct scene *scene, uint64_t seconds)
{
	const struct alert_now now = at(seconds);

	return alerts_due(scene->alerts, &now, &line);
}

static void assert_line(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "../events/%s.json", name);
	buffer_add_text(&line, "\n");
	buffer_add_char(&line, '\0');
	assert_false(line.is_broken);
	assert_golden(path, line.bytes);
}

static uint64_t number_of(const char *path)
{
	struct json_object *tree;

	buffer_add_char(&line, '\0');
	tree = json_tokener_parse(line.bytes);
	assert_non_null(tree);
	uint64_t number = ship_number(tree, path);
	json_object_put(tree);
	line.length--;
	return number;
}

static void the_life_of_a_group(void **state)
{
	struct scene scene;

	scene_open(&scene, 16);
	assert_int_equal(see(&scene, 1), 1);
	assert_line("alert-first");
	for (int i = 0; i < 4; i++) {
		scene.event.time_usec += SECOND;
		assert_int_equal(see(&scene, 2), 0);
	}
	assert_int_equal(due(&scene, 300), 0);
	assert_int_equal(due(&scene, 301), 1);
	assert_line("alert-summary");
	assert_int_equal(due(&scene, 302), 0);
	assert_int_equal(due(&scene, 901), 0);
	assert_int_equal(due(&scene, 902), 1);
	assert_line("alert-resolved");
	assert_int_equal(alerts_groups(scene.alerts), 0);
	assert_int_equal(due(&scene, 5000), 0);
	assert_int_equal(see(&scene, 6000), 1); /* and it begins again */
	scene_close(&scene);
}

/* Whatever is held back is told later: the alerts' sums are the events. */
static void nothing_is_left_out(void **state)
{
	uint64_t told = 0, seen = 0;
	struct scene scene;

	scene_open(&scene, 16);
	scene.event.packets = 3;
	for (uint64_t second = 0; second < 4000; second += 7) {
		seen++;
		if (see(&scene, second) == 1)
			told += number_of("podfence.alert.events");
		while (due(&scene, second) == 1)
			told += number_of("podfence.alert.events");
	}
	while (due(&scene, 9000) == 1)
		told += number_of("podfence.alert.events");
	assert_int_equal(told, seen);
	assert_int_equal(number_of("podfence.alert.packets_total"), 3 * seen);
	assert_int_equal(number_of("event.sequence"), author.sequence);
	scene_close(&scene);
}

static void what_makes_a_group(void **state)
{
	struct scene scene;

	scene_open(&scene, 16);
	assert_int_equal(see(&scene, 1), 1);
	scene.event.port = 80; /* ports of one destination are one group */
	scene.event.action = SHIP_REJECTED;
	assert_int_equal(see(&scene, 1), 0);
	scene.event.action = SHIP_WOULD_DROP; /* a forecast is none of the incident */
	assert_int_equal(see(&scene, 1), 1);
	scene.event.name = "another";
	assert_int_equal(see(&scene, 1), 1);
	scene.event.destination.bytes[3]++;
	assert_int_equal(see(&scene, 1), 1);
	scene.event.action = SHIP_ALLOWED;
	assert_int_equal(see(&scene, 1), 0);
	scene.event.action = SHIP_DROPPED;
	scene.event.kind = SHIP_ALERT;
	assert_int_equal(see(&scene, 1), 0);
	scene.event.kind = SHIP_OTHER;
	assert_int_equal(see(&scene, 1), 0);
	assert_int_equal(alerts_groups(scene.alerts), 4);
	scene_close(&scene);
}

static void a_scan_does_not_grow_without_end(void **state)
{
	struct scene scene;
	unsigned alerts = 0;

	scene_open(&scene, 16);
	for (unsigned i = 0; i < 5000; i++) {
		scene.event.destination.bytes[2] = (uint8_t)(i >> 8);
		scene.event.destination.bytes[3] = (uint8_t)i;
		int r = see(&scene, 1);
		alerts += r == 1;
		if (r == 1 && alerts == 17)
			assert_line("alert-others");
	}
	assert_int_equal(alerts, 17);
	assert_int_equal(alerts_groups(scene.alerts), 17);
	scene_close(&scene);
}

/* An event that names no node and no time is told with what is known of here and now. */
static void an_event_that_says_little(void **state)
{
	static const char text[] = "{\"event\":{\"dataset\":\"podfence.flow\",\"action\":"
				   "\"dropped\"}}";
	struct json_object *tree;
	struct scene scene;

	scene_open(&scene, 16);
	assert_int_equal(ship_parse(scene.parser, text, strlen(text), &tree, &scene.event), 0);
	const struct alert_now now = at(5);
	assert_int_equal(alerts_see(scene.alerts, &scene.event, tree, &now, &line), 1);
	json_object_put(tree);
	assert_line("alert-bare");
	scene_close(&scene);
}

static void a_store_that_was_set_aside(void **state)
{
	struct json json;

	author = (struct own_author){.node = "node-17", .version = "0.1.0"};
	json_init(&json, &line);
	own_event_set_aside(&json, &author, 1795535643u * SECOND, "/var/lib/x/events.db.damaged-1");
	assert_line("store-set-aside");
	buffer_done(&line);
	line = BUFFER_INIT;
}

static int read_event(void **state)
{
	char path[512];
	size_t length;

	snprintf(path, sizeof(path), "%s/../events/drop-tcp.json", getenv("TEST_GOLDEN"));
	int r = file_read(path, 1 << 20, &denied_line, &length);
	if (r == 0)
		denied_line[strcspn(denied_line, "\n")] = '\0';
	return r;
}

static int free_event(void **state)
{
	free(denied_line);
	return 0;
}

/* The end of a flow, and packets of a connection older than the rules. */
static void what_is_no_attempt_is_no_alert(void **state)
{
	struct scene scene;

	scene_open(&scene, 100);
	scene.event.is_end = true;
	assert_int_equal(see(&scene, 1), 0);
	scene.event.is_end = false;
	scene.event.is_midstream = true;
	assert_int_equal(see(&scene, 2), 0);
	assert_int_equal(line.length, 0);
	scene.event.is_midstream = false;
	assert_int_not_equal(see(&scene, 3), 0);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_attempt_is_no_alert),
		cmocka_unit_test(the_life_of_a_group),
		cmocka_unit_test(nothing_is_left_out),
		cmocka_unit_test(what_makes_a_group),
		cmocka_unit_test(a_scan_does_not_grow_without_end),
		cmocka_unit_test(an_event_that_says_little),
		cmocka_unit_test(a_store_that_was_set_aside),
	};
	return cmocka_run_group_tests(tests, read_event, free_event);
}
