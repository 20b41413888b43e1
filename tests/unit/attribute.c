/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "scene.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct snapshot *snapshot;

static int setup(void **state)
{
	snapshot = scene_snapshot();
	return 0;
}

static int teardown(void **state)
{
	snapshot = snapshot_free(snapshot);
	return 0;
}

static void senders_are_named(void **state)
{
	static const char several[] =
		"none: several pods can stand behind the link, none proved this source";
	static const char no_socket[] = "none: the socket belongs to no registered endpoint";
	static const char no_link[] = "none: no endpoint is registered on the link";
	static const struct {
		struct scene scene;
		const char *pod, *attribution;
	} cases[] = {
		{{"", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 17}}, "web", "link"},
		/* a mark set by somebody says nothing about a packet that came in by a link */
		{{"", "podfence:deny", FORWARD, 77, 2, 0, 0xbeef, {WEB, EXTERNAL, 17}},
		 NULL,
		 no_link},
		{{"", "podfence:deny", FORWARD, 10, 2, 0, 0, {"10.0.0.9", EXTERNAL, 17}},
		 "web",
		 "link (source is not registered)"},
		{{"", "podfence:deny", FORWARD, 20, 2, 0, 0, {"10.1.0.2", EXTERNAL, 17}},
		 "queue",
		 "link"},
		{{"", "podfence:deny", FORWARD, 20, 2, 21, 0, {"10.1.0.2", EXTERNAL, 17}},
		 "queue",
		 "link"},
		/* the port decides, not the address behind the same bridge */
		{{"", "podfence:deny", FORWARD, 20, 2, 22, 0, {"10.1.0.2", EXTERNAL, 17}},
		 NULL,
		 no_link},
		{{"", "podfence:deny", FORWARD, 20, 2, 0, 0, {"10.1.0.9", EXTERNAL, 17}},
		 NULL,
		 several},
		{{"", "podfence:deny", FORWARD, 0, 2, 0, 0, {WEB, EXTERNAL, 17}},
		 NULL,
		 "none: the packet came in by no link"},
		{{"", "podfence:tunnel", NF_INET_LOCAL_IN, 10, 0, 0, 0, {WEB, EXTERNAL, 17}},
		 "web",
		 "link"},
		{{"", "podfence:spoof", PREROUTING, 10, 0, 0, 0, {WEB, EXTERNAL, 17}},
		 "web",
		 "link (source is spoofed)"},
		{{"", "podfence:spoof", PREROUTING, 20, 0, 0, 0, {"10.1.0.2", EXTERNAL, 17}},
		 NULL,
		 several},
		{{"", "podfence:spoof-bridge", PREROUTING, 20, 0, 21, 0, {WEB, EXTERNAL, 17}},
		 "queue",
		 "link (source is spoofed)"},
		{{"unreadable", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 17}},
		 "web",
		 "link (packet is unreadable)"},
		{{"", "podfence:deny", OUTPUT, 0, 2, 0, 0xbeef, {WEB, EXTERNAL, 17}},
		 "exporter",
		 "cgroup"},
		{{"", "podfence:spoof-out", OUTPUT, 0, 2, 0, 0xbeef, {WEB, EXTERNAL, 17}},
		 "exporter",
		 "cgroup"},
		{{"", "podfence:audit:beef", OUTPUT, 0, 2, 0, 0, {WEB, EXTERNAL, 17}},
		 "exporter",
		 "cgroup"},
		/* the mark of a packet that lives on is its sender's */
		{{"", "podfence:audit", OUTPUT, 0, 2, 0, 0xbeef, {WEB, EXTERNAL, 17}},
		 NULL,
		 no_socket},
		{{"", "podfence:pending", OUTPUT, 0, 2, 0, 0, {WEB, EXTERNAL, 17}},
		 NULL,
		 no_socket},
		{{"", "podfence:deny", OUTPUT, 0, 2, 0, 0xbee, {WEB, EXTERNAL, 17}},
		 NULL,
		 "none: the endpoint is gone"},
		/* an ordinary pod is no endpoint of the output hook */
		{{"", "podfence:deny", OUTPUT, 0, 2, 0, 0x1111, {WEB, EXTERNAL, 17}},
		 NULL,
		 "none: the endpoint is gone"},
		{{"", "podfence:deny", NF_INET_POST_ROUTING, 10, 2, 0, 0, {WEB, EXTERNAL, 17}},
		 NULL,
		 "none: logged at a hook without a rule of ours"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct rulebook rulebook = {};
		struct scene_memory memory;
		struct event event = scene_play(&cases[i].scene, snapshot, &rulebook, &memory);

		assert_string_equal(event.attribution, cases[i].attribution);
		assert_int_equal(event.endpoint != NULL, cases[i].pod != NULL);
		if (event.endpoint)
			assert_non_null(strstr(event.endpoint->pod->name, cases[i].pod));
	}
}

static void packets_are_judged(void **state)
{
	static const struct {
		struct shape shape;
		bool is_metadata, is_midstream;
	} cases[] = {
		{{WEB, EXTERNAL, 6, 1, 80, SYN}, false, false},
		{{WEB, EXTERNAL, 6, 1, 80, SYN | ACK}, false, false},
		{{WEB, EXTERNAL, 6, 1, 80, ACK}, false, true},
		{{WEB, EXTERNAL, 6, 1, 80, 0}, false, true},
		{{WEB, EXTERNAL, 17, 1, 80, 0}, false, false},
		{{WEB, "169.254.169.254", 17}, true, false},
		{{WEB, "169.254.170.2", 17}, true, false},
		{{WEB, "100.100.100.200", 17}, true, false},
		{{WEB, "168.63.129.16", 17}, true, false},
		{{WEB, "192.0.0.192", 17}, true, false},
		{{WEB, "169.254.169.253", 17}, false, false},
		{{"2001:db8::5", "fd00:ec2::254", 17}, true, false},
		{{"2001:db8::5", "fd00:ec2::255", 17}, false, false},
		{{"2001:db8::5", "64:ff9b::a9fe:a9fe", 17}, true, false},
		{{"2001:db8::5", "64:ff9b::cb00:7109", 17}, false, false},
		{{"2001:db8::5", "64:ff9b:1::a9fe:a9fe", 17}, false, false},
		{{WEB, "169.254.169.254", SCENE_ARP}, false, false},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct scene scene = {"", "podfence:deny", FORWARD, 10, .shape = cases[i].shape};
		struct rulebook rulebook = {};
		struct scene_memory memory;
		struct event event = scene_play(&scene, snapshot, &rulebook, &memory);

		assert_int_equal(event.is_metadata, cases[i].is_metadata);
		assert_int_equal(event.is_midstream, cases[i].is_midstream);
	}
}

static void verdicts_follow_the_prefix(void **state)
{
	static const struct {
		const char *prefix;
		enum rule_verdict verdict;
	} cases[] = {
		{"podfence:deny", VERDICT_DROPPED},
		{"podfence:reject", VERDICT_REJECTED},
		{"podfence:pending", VERDICT_DROPPED},
		{"podfence:pending-reject", VERDICT_REJECTED},
		{"podfence:audit", VERDICT_WOULD_DROP},
		{"podfence:pending-audit", VERDICT_WOULD_DROP},
		{"podfence:spoof", VERDICT_DROPPED},
		{"podfence:spoof-audit", VERDICT_WOULD_DROP},
		{"podfence:tunnel", VERDICT_DROPPED},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct scene scene = {"", cases[i].prefix, FORWARD, 10,
				      .shape = {WEB, EXTERNAL, 17}};
		struct rulebook rulebook = {};
		struct scene_memory memory;

		assert_int_equal(scene_play(&scene, snapshot, &rulebook, &memory).verdict,
				 cases[i].verdict);
	}
}

static void without_a_snapshot_nobody_is_named(void **state)
{
	struct scene_memory memory;
	struct rulebook rulebook = {};
	struct scene scene = {"", "podfence:deny", FORWARD, 10, .shape = {WEB, EXTERNAL, 17}};
	struct event event = scene_play(&scene, NULL, &rulebook, &memory);

	assert_null(event.endpoint);
	assert_string_equal(event.attribution, "none: the node has not been looked at yet");
	assert_true(event.has_packet);
}

static void foreign_prefixes_make_no_event(void **state)
{
	struct pf_nflog_record record = {.prefix = "kubernetes: "};
	struct rulebook rulebook = {};
	struct event event = {.sequence = 7};

	assert_int_equal(event_attribute(&record, snapshot, &rulebook, &event), EVENT_E_FOREIGN);
	assert_int_equal(event.sequence, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_are_named),
		cmocka_unit_test(packets_are_judged),
		cmocka_unit_test(verdicts_follow_the_prefix),
		cmocka_unit_test(without_a_snapshot_nobody_is_named),
		cmocka_unit_test(foreign_prefixes_make_no_event),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
