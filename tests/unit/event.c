/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Events to lines. The lines stand in tests/golden/events, one file each; GOLDEN_UPDATE=1 in the
 * environment writes them anew, for a person to look at the difference. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "event/agent_event.h"
#include "handmade.h"
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

static const struct scene scenes[] = {
	{"drop-tcp", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 6, 50514, 443, SYN}},
	{"reject-udp6",
	 "podfence:reject",
	 FORWARD,
	 10,
	 2,
	 0,
	 0,
	 {"2001:db8::5", "2001:db8:ffff::9", 17, 40000, 53}},
	{"audit-bridge",
	 "podfence:audit",
	 FORWARD,
	 20,
	 2,
	 21,
	 0,
	 {"10.1.0.2", EXTERNAL, 6, 1, 80, SYN}},
	{"drop-host",
	 "podfence:deny",
	 OUTPUT,
	 0,
	 2,
	 0,
	 0xbeef,
	 {"192.0.2.17", EXTERNAL, 6, 50515, 443, SYN},
	 .has_uid = true},
	{"audit-host",
	 "podfence:audit:beef",
	 OUTPUT,
	 0,
	 2,
	 0,
	 0x1111,
	 {"192.0.2.17", EXTERNAL, 132, 5, 6},
	 .has_uid = true},
	{"unit-drop",
	 "podfence:deny",
	 OUTPUT,
	 0,
	 2,
	 0,
	 0xabc,
	 {"192.0.2.17", EXTERNAL, 6, 40000, 25, SYN},
	 .has_uid = true},
	{"unit-audit",
	 "podfence:audit:abc",
	 OUTPUT,
	 0,
	 2,
	 0,
	 0,
	 {"2001:db8::17", "2001:db8:1::", 17, 40000, 53}},
	{"metadata",
	 "podfence:deny",
	 FORWARD,
	 10,
	 2,
	 0,
	 0,
	 {WEB, "169.254.169.254", 6, 50516, 80, SYN}},
	{"metadata-audit",
	 "podfence:audit",
	 FORWARD,
	 10,
	 2,
	 0,
	 0,
	 {WEB, "100.100.100.200", 6, 1, 80, SYN}},
	{"midstream",
	 "podfence:deny",
	 FORWARD,
	 10,
	 2,
	 0,
	 0,
	 {WEB, EXTERNAL, 6, 50514, 443, ACK | 9}},
	{"pending", "podfence:pending", FORWARD, 77, 2, 0, 0, {"10.9.9.9", EXTERNAL, 17, 1, 2}},
	{"spoof", "podfence:spoof", PREROUTING, 10, 0, 0, 0, {"10.1.0.2", EXTERNAL, 17, 1, 2}},
	{"spoof-arp",
	 "podfence:spoof-bridge",
	 PREROUTING,
	 20,
	 0,
	 21,
	 0,
	 {"10.1.0.1", "10.1.0.3", SCENE_ARP}},
	{"icmp", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 1, 8, 0}},
	{"icmp6",
	 "podfence:deny",
	 FORWARD,
	 10,
	 2,
	 0,
	 0,
	 {"2001:db8::5", "2001:db8:1::", 58, 128, 0}},
	{"tunnel", "podfence:tunnel", PREROUTING, 10, 0, 0, 0, {WEB, "192.0.2.17", 17, 5, 4789}},
	{"protocol-253", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 253}},
	{"quarantine",
	 "podfence:quarantine:beef",
	 OUTPUT,
	 0,
	 2,
	 0,
	 0,
	 {"192.0.2.17", EXTERNAL, 17, 5, 53}},
	{"quarantine-in",
	 "podfence:quarantine-in:2222",
	 4,
	 0,
	 20,
	 0,
	 0,
	 {EXTERNAL, "10.1.0.1", 6, 443, 5000, SYN}},
	{"unreadable", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 6, 1, 2, SYN}},
};

static void golden_compare(const char *name, const struct buffer *line)
{
	char path[4096];
	static char expected[65536];

	snprintf(path, sizeof(path), "%s/../events/%s.json", getenv("TEST_GOLDEN"), name);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		assert_int_equal(fwrite(line->bytes, 1, line->length, file), line->length);
		assert_int_equal(fclose(file), 0);
	}
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	size_t length = fread(expected, 1, sizeof(expected) - 1, file);
	fclose(file);
	expected[length] = '\0';
	char *got = strndup(line->bytes, line->length);
	assert_string_equal(got, expected);
	free(got);
}

static void json_check(const struct buffer *line)
{
	struct json_tokener *tokener = json_tokener_new();

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	assert_int_equal(line->bytes[line->length - 1], '\n');
	struct json_object *object = json_tokener_parse_ex(tokener, line->bytes,
							   (int)line->length - 1);
	assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
	assert_true(json_object_is_type(object, json_type_object));
	json_object_put(object);
	json_tokener_free(tokener);
}

static void lines_are_golden(void **state)
{
	struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < N(scenes); i++) {
		struct rulebook rulebook = {.generation = 12};
		struct scene_memory memory;
		struct event event = scene_play(&scenes[i], snapshot, &rulebook, &memory);

		buffer_clear(&line);
		event_format(&event, &scene_context, &rulebook, &line);
		assert_false(line.is_broken);
		json_check(&line);
		golden_compare(scenes[i].name, &line);
	}
	buffer_done(&line);
}

/* By whom, for the scene of this number. */
static const struct {
	const char *name;
	size_t scene;
	struct culprit culprit;
} culprits[] = {
	{"culprit-exact",
	 0,
	 {CULPRIT_SOCKET_EXACT, CULPRIT_HOLDER_SOLE, .why = "",
	  .process = {.pid = 4711,
		      .parent = 4700,
		      .name = "curl",
		      .parent_name = "sh",
		      .executable = "/usr/bin/curl",
		      .arguments = "curl\0-s\0https://example.org/",
		      .arguments_length = 29,
		      .n_arguments = 3,
		      .has_user = true,
		      .user = 1000,
		      .has_start = true,
		      .start_usec = 1764156000123456},
	  .has_user = true, .user = 1000,
	  .container = {.kind = CGROUP_CONTAINER,
			.container_id =
				"5f1b3c9f0c8a4d2e9b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f",
			.runtime = "containerd"}}},
	{"culprit-sidecar", /* one container of several; his arguments are cut */
	 2,
	 {CULPRIT_SOCKET_BY_PORT, CULPRIT_HOLDER_FIRST, .why = "",
	  .process = {.pid = 4712,
		      .name = "envoy",
		      .arguments = "envoy\0--...",
		      .arguments_length = 12,
		      .n_arguments = 2,
		      .are_arguments_cut = true},
	  .container = {.kind = CGROUP_CONTAINER,
			.container_id = "51decac4",
			.runtime = "containerd"}}},
	{"culprit-shared",
	 3,
	 {CULPRIT_SOCKET_EXACT, CULPRIT_HOLDER_SHARED, .why = "", .process = {.name = "exporter"},
	  .n_holders = 3, .peer = {2, {10, 96, 0, 10}}, .peer_port = 80,
	  .container = {.kind = CGROUP_CONTAINER, .container_id = "beef", .runtime = "cri-o"}}},
	{"culprit-stranger", /* of no container the API has told of */
	 0,
	 {CULPRIT_SOCKET_EXACT, CULPRIT_HOLDER_SOLE, .why = "",
	  .process = {.pid = 4713, .name = "pause"},
	  .container = {.kind = CGROUP_CONTAINER,
			.container_id = "0a05e",
			.runtime = "containerd"}}},
	{"culprit-gone",
	 0,
	 {CULPRIT_SOCKET_GONE, .why = "it has ended or closed the socket",
	  .container = {.kind = CGROUP_OTHER}}},
};

static void culprits_are_golden(void **state)
{
	struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < N(culprits); i++) {
		struct rulebook rulebook = {.generation = 12};
		struct scene_memory memory;
		struct event event = scene_play(&scenes[culprits[i].scene], snapshot, &rulebook,
						&memory);

		event.culprit = &culprits[i].culprit;
		buffer_clear(&line);
		event_format(&event, &scene_context, &rulebook, &line);
		assert_false(line.is_broken);
		json_check(&line);
		golden_compare(culprits[i].name, &line);
	}
	buffer_done(&line);
}

/* kubectl finds the Events of a static pod by the hash of its manifest. */
static void static_pods_have_their_hash(void **state)
{
	static const char said[] = "\"annotations\":{\"kubernetes_io/config_hash\":\"hash\"}";
	struct pod *pod = handmade_pod("kube-system", "etcd-node-17", "uid", true);
	struct endpoint endpoint = {.kind = ENDPOINT_HOST_POD, .pod = pod};
	struct buffer members = BUFFER_INIT;

	event_endpoint_members(&endpoint, NULL, &scene_context, &members);
	buffer_add(&members, "", 1);
	assert_null(strstr(members.bytes, "annotations"));
	free(pod->cgroup_uid);
	pod->cgroup_uid = strdup("hash");
	buffer_clear(&members);
	event_endpoint_members(&endpoint, NULL, &scene_context, &members);
	buffer_add(&members, "", 1);
	assert_non_null(strstr(members.bytes, said));
	assert_non_null(strstr(members.bytes, "\"uid\":\"uid\""));
	buffer_done(&members);
	pod_free(pod);
}

/* The members that were made once say what would be made now. */
static void kept_members_change_nothing(void **state)
{
	struct buffer kept = BUFFER_INIT, fresh = BUFFER_INIT;

	for (size_t i = 0; i < N(scenes); i++) {
		struct rulebook rulebook = {};
		struct scene_memory memory;
		struct event event = scene_play(&scenes[i], snapshot, &rulebook, &memory);
		struct endpoint bare;

		buffer_clear(&kept);
		event_format(&event, &scene_context, &rulebook, &kept);
		if (!event.endpoint)
			continue;
		bare = *event.endpoint;
		bare.event_members = NULL;
		event.endpoint = &bare;
		buffer_clear(&fresh);
		event_format(&event, &scene_context, &rulebook, &fresh);
		assert_int_equal(kept.length, fresh.length);
		assert_memory_equal(kept.bytes, fresh.bytes, kept.length);
	}
	buffer_done(&kept);
	buffer_done(&fresh);
}

/* Events of flows: what a later one says of its packets, of its first packet, and where there was none. */
static const struct {
	const char *name;
	struct event_flow flow;
	const char *prefix;
	struct shape shape;
	bool has_no_packet;
	const struct culprit *culprit;
} flow_scenes[] = {
	{"flow-start",
	 {.state = EVENT_FLOW_START,
	  .packets = 1,
	  .bytes = 60,
	  .packets_total = 1,
	  .bytes_total = 60,
	  .has_detail = true},
	 "podfence:deny",
	 {WEB, EXTERNAL, 6, 50514, 443, SYN}},
	{"flow-update",
	 {.state = EVENT_FLOW_UPDATE,
	  .packets = 4711,
	  .bytes = 282660,
	  .packets_total = 4712,
	  .bytes_total = 282720,
	  .has_detail = true},
	 "podfence:deny",
	 {WEB, EXTERNAL, 6, 50514, 443, SYN}},
	{"flow-end-culprit",
	 {.state = EVENT_FLOW_END,
	  .packets = 3,
	  .bytes = 180,
	  .packets_total = 4712,
	  .bytes_total = 282720,
	  .has_detail = true},
	 "podfence:deny",
	 {WEB, EXTERNAL, 6, 50514, 443, SYN},
	 .culprit = &culprits[0].culprit},
	{"flow-end-bare",
	 {.state = EVENT_FLOW_END,
	  .packets = 0,
	  .bytes = 0,
	  .packets_total = 4712,
	  .bytes_total = 282720},
	 "podfence:audit",
	 {WEB, EXTERNAL, 17, 50514, 53}},
	{"flow-late",
	 {.state = EVENT_FLOW_UPDATE,
	  .packets = 1,
	  .bytes = 40,
	  .packets_total = 2,
	  .bytes_total = 80,
	  .hides_ports = true,
	  .has_detail = true},
	 "podfence:deny",
	 {WEB, EXTERNAL, 6, 50514, 443, ACK}},
	{"flow-over",
	 {.state = EVENT_FLOW_UPDATE,
	  .packets = 100000,
	  .bytes = 6000000,
	  .packets_total = 200000,
	  .bytes_total = 12000000,
	  .is_over = true},
	 "podfence:deny",
	 {WEB, EXTERNAL, 6, 50514, 443, SYN},
	 .has_no_packet = true},
};

static void flows_are_golden(void **state)
{
	struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < N(flow_scenes); i++) {
		const struct scene scene = {
			flow_scenes[i].name, flow_scenes[i].prefix, FORWARD, 10, 2, 0, 0,
			flow_scenes[i].shape};
		struct event_flow flow = flow_scenes[i].flow;
		struct rulebook rulebook = {.generation = 12};
		struct scene_memory memory;
		struct event event = scene_play(&scene, snapshot, &rulebook, &memory);

		flow.start_usec = SCENE_NOW - 90000000;
		flow.end_usec = SCENE_NOW - 1000000;
		memset(flow.id, 0x5a, sizeof(flow.id));
		event.flow = &flow;
		event.sequence = 3;
		event.has_packet = !flow_scenes[i].has_no_packet;
		event.culprit = flow_scenes[i].culprit;
		event_judge(&event, snapshot, &rulebook);
		buffer_clear(&line);
		event_format(&event, &scene_context, &rulebook, &line);
		json_check(&line);
		golden_compare(scene.name, &line);
	}
	buffer_done(&line);
}

static void changes_are_golden(void **state)
{
	const struct agent_event by_hand = {
		.action = "quarantine-set",
		.message = "shop/web is in quarantine",
		.reason = "case \"17\"",
		.process = "podfence",
		.pid = 4711,
		.has_uid = true,
		.endpoint = &snapshot->endpoints[0],
		.namespace = "shop",
		.name = "web",
		.is_wanted = true,
		.time_usec = 1764156000123456,
		.sequence = 18,
	};
	const struct agent_event by_time = {
		.action = "quarantine-expired",
		.message = "shop/gone is out of quarantine: its time is over",
		.namespace = "shop",
		.name = "gone",
		.is_wanted = true,
		.time_usec = 1764156000123456,
		.sequence = 19,
	};
	struct buffer line = BUFFER_INIT;

	agent_event_format(&by_hand, &scene_context, &line);
	json_check(&line);
	golden_compare("quarantine-set", &line);
	buffer_clear(&line);
	agent_event_format(&by_time, &scene_context, &line);
	json_check(&line);
	golden_compare("quarantine-expired", &line);
	buffer_done(&line);
}

/* event.id of a scene's line. */
static void id_read(const struct event *event, const struct event_context *from, char id[static 33])
{
	struct buffer line = BUFFER_INIT;
	struct rulebook rulebook = {};

	event_format(event, from, &rulebook, &line);
	buffer_add_char(&line, '\0');
	const char *at = strstr(line.bytes, "\"id\":\"");
	assert_non_null(at);
	memcpy(id, at + 6, 32);
	id[32] = '\0';
	buffer_done(&line);
}

static void ids_differ(void **state)
{
	struct event_context other_life = scene_context;
	struct rulebook rulebook = {};
	struct scene_memory memory;
	char first[33], id[33];
	struct event event = scene_play(&scenes[0], snapshot, &rulebook, &memory);

	id_read(&event, &scene_context, first);
	id_read(&event, &scene_context, id);
	assert_string_equal(first, id);
	event.sequence++;
	id_read(&event, &scene_context, id);
	assert_string_not_equal(first, id);
	event.sequence--;
	other_life.agent_id = "8a4f500d7f4b4a3e9a370f3c1d9b2e56";
	id_read(&event, &other_life, id);
	assert_string_not_equal(first, id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_golden),
		cmocka_unit_test(kept_members_change_nothing),
		cmocka_unit_test(flows_are_golden),
		cmocka_unit_test(culprits_are_golden),
		cmocka_unit_test(changes_are_golden),
		cmocka_unit_test(ids_differ),
		cmocka_unit_test(static_pods_have_their_hash),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
