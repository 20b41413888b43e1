/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A pod is gone, and messages of its time come. */
#include "daemon/history.h"

#include "handmade.h"
#include "scene.h"
#include "test.h"

#define GONE 1764156000000000u /* when it went */

static const struct scene by_link = {"", "podfence:deny",	    FORWARD, 10, 2, 0,
				     0,	 {WEB, EXTERNAL, 17, 5, 53}};
static const struct scene by_cgroup = {
	"", "podfence:deny", OUTPUT, 0, 2, 0, 0xbeef, {"192.0.2.17", EXTERNAL, 17, 5, 53}};

static struct snapshot *nobody_new(void)
{
	static struct node_view empty;
	struct snapshot_options options = {};
	struct snapshot *snapshot;

	assert_int_equal(snapshot_new(&options, handmade_pod_list(NULL, 0), handmade_view(&empty),
				      &snapshot),
			 0);
	return snapshot;
}

/* Whom the history names for a packet of this time; 0: the record says none. */
static const char *name_of(const struct history *history, const struct scene *scene,
			   const struct snapshot *now, uint64_t time_usec)
{
	struct rulebook rulebook = {};
	struct scene_memory memory;
	struct event event = scene_play(scene, now, &rulebook, &memory);

	memory.record.has_timestamp = time_usec != 0;
	memory.record.timestamp_usec = time_usec;
	const struct snapshot *then = history_attribute(history, &memory.record, NULL, &event);
	if (then)
		assert_ptr_equal(snapshot_find_index(then, event.endpoint->index), event.endpoint);
	return event.endpoint ? endpoint_name(event.endpoint) : "";
}

static void who_has_gone_is_known(void **state)
{
	struct snapshot *now = nobody_new();
	struct history history = {};

	assert_string_equal(name_of(&history, &by_link, now, GONE - 1), "");
	history_keep(&history, scene_snapshot(), NULL, 7, now, GONE);
	assert_int_equal(history.n, 1);
	assert_string_equal(name_of(&history, &by_link, now, GONE - 1), "web-7c9d8b5f6-x2k4q");
	/* What was logged later is not his, and without a time nobody knows. */
	assert_string_equal(name_of(&history, &by_link, now, GONE), "");
	assert_string_equal(name_of(&history, &by_link, now, 0), "");
	assert_string_equal(name_of(&history, &by_cgroup, now, 0), "node-exporter-9x7lm");
	history_forget(&history, GONE + HISTORY_KEEP_USEC);
	assert_int_equal(history.n, 1);
	history_forget(&history, GONE + HISTORY_KEEP_USEC + 1);
	assert_int_equal(history.n, 0);
	snapshot_free(now);
}

static void present_ones_are_left_alone(void **state)
{
	struct snapshot *now = scene_snapshot();
	struct history history = {};

	history_keep(&history, scene_snapshot(), NULL, 7, now, GONE);
	assert_int_equal(history.n, 0);
	struct snapshot *nobody = nobody_new();
	history_keep(&history, nobody, NULL, 8, now, GONE + 1);
	assert_int_equal(history.n, 0);
	nobody = nobody_new();
	history_keep(&history, scene_snapshot(), NULL, 9, nobody, GONE + 2);
	assert_string_equal(name_of(&history, &by_link, now, GONE - 1), "web-7c9d8b5f6-x2k4q");
	history_done(&history);
	assert_int_equal(history.n, 0);
	snapshot_free(nobody);
	snapshot_free(now);
}

/* The same link and address, another pod: each has the packets of its time. */
static void an_address_is_used_again(void **state)
{
	struct snapshot *now = scene_snapshot(), *nobody = nobody_new();
	struct history history = {};

	for (size_t i = 0; i < now->n_endpoints; i++)
		now->endpoints[i].index ^= 0x80000000;
	history_keep(&history, scene_snapshot(), NULL, 7, now, GONE);
	assert_int_equal(history.n, 1);
	struct rulebook rulebook = {};
	struct scene_memory memory;
	for (uint64_t time = GONE - 1; time <= GONE; time++) {
		struct event event = scene_play(&by_link, now, &rulebook, &memory);
		const struct endpoint *present = event.endpoint;
		memory.record.has_timestamp = true;
		memory.record.timestamp_usec = time;
		const struct snapshot *then = history_attribute(&history, &memory.record, NULL,
								&event);
		assert_int_equal(then != NULL, time < GONE);
		assert_int_equal(event.endpoint == present, time >= GONE);
	}
	history_done(&history);
	snapshot_free(nobody);
	snapshot_free(now);
}

static void it_is_bounded(void **state)
{
	struct snapshot *now = nobody_new();
	struct history history = {};

	for (unsigned i = 0; i < HISTORY_MAX + 5; i++)
		history_keep(&history, scene_snapshot(), NULL, i, now, GONE + i);
	assert_int_equal(history.n, HISTORY_MAX);
	assert_int_equal(history.formers[0].generation, 5);
	history_done(&history);
	snapshot_free(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_gone_is_known),
		cmocka_unit_test(present_ones_are_left_alone),
		cmocka_unit_test(an_address_is_used_again),
		cmocka_unit_test(it_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
