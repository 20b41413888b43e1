/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "scene.h"

#include "handmade.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

const struct event_context scene_context = {
	.node_name = "node-17",
	.cluster_name = "prod-bj-1",
	.version = "0.1.0",
	.agent_id = "8a4f500d7f4b4a3e9a370f3c1d9b2e55",
};

static struct pod *web_make(void)
{
	struct pod *pod = handmade_pod("prod", "web-7c9d8b5f6-x2k4q",
				       "7d0f2c54-5d0e-4f3a-9c58-0a6f8d3e2b11", false);

	handmade_pod_owner(pod, "ReplicaSet", "web-7c9d8b5f6", "Deployment", "web");
	handmade_pod_label(pod, "app.kubernetes.io/name", "web");
	handmade_pod_label(pod, "app_kubernetes_io/name", "the same once dots are gone");
	handmade_pod_label(pod, "pod-template-hash", "7c9d8b5f6");
	handmade_pod_address(pod, "10.0.0.5");
	handmade_pod_address(pod, "2001:db8::5");
	handmade_pod_container(pod, &(struct handmade_container){"wait", "aa11", "containerd",
								 "registry.internal/wait:1", true});
	handmade_pod_container(
		pod,
		&(struct handmade_container){
			"web", "5f1b3c9f0c8a4d2e9b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f",
			"containerd", "registry.internal:5000/shop/web:1.42.0@sha256:5f1b"});
	return pod;
}

static struct pod *queue_make(void)
{
	struct pod *pod = handmade_pod("prod", "queue-0", "uid-queue", false);

	handmade_pod_owner(pod, "StatefulSet", "queue", "StatefulSet", "queue");
	handmade_pod_container(
		pod, &(struct handmade_container){"queue", "c0ffee", "containerd", "queue:3"});
	handmade_pod_container(
		pod, &(struct handmade_container){"sidecar", "51decac4", "containerd", "envoy:1"});
	return pod;
}

static struct pod *exporter_make(void)
{
	struct pod *pod = handmade_pod("monitoring", "node-exporter-9x7lm", "uid-exporter", true);

	handmade_pod_owner(pod, "DaemonSet", "node-exporter", "DaemonSet", "node-exporter");
	handmade_pod_address(pod, "192.0.2.17");
	handmade_pod_container(pod,
			       &(struct handmade_container){"exporter", "beef", "cri-o",
							    "quay.io/prometheus/node-exporter"});
	return pod;
}

static struct node_address address_make(const char *text)
{
	return (struct node_address){{handmade_address(text), 32}, 2, false};
}

struct snapshot *scene_snapshot(void)
{
	struct snapshot *snapshot;
	static const struct node_link links[] = {
		{.index = 2, .name = "eth0", .peer_nsid = -1},
		{.index = 10, .name = "cali1a2b3c", .kind = "veth", .peer = 2, .peer_nsid = 1},
		{.index = 20, .name = "cni0", .kind = "bridge", .peer_nsid = -1},
		{.index = 21,
		 .name = "veth21",
		 .kind = "veth",
		 .port_kind = "bridge",
		 .master = 20,
		 .peer = 2,
		 .peer_nsid = 2},
	};
	static const char *const uplink = "eth0";
	struct node_address web[] = {address_make("10.0.0.5"), address_make("2001:db8::5")};
	struct node_address queue[] = {address_make("10.1.0.2")};
	struct node_netns netnses[] = {
		{.is_host = true, .nsid = -1},
		{.nsid = 1, .addresses = web, .n_addresses = 2},
		{.nsid = 2, .addresses = queue, .n_addresses = 1},
	};
	struct node_sandbox sandboxes[] = {
		{.uid = "7d0f2c54-5d0e-4f3a-9c58-0a6f8d3e2b11",
		 .path = (char *)"a",
		 .cgroup = 0x100001111,
		 .level = 3,
		 .netns = 1},
		{.uid = "uid-exporter",
		 .path = (char *)"b",
		 .cgroup = 0x10000beef,
		 .level = 2,
		 .netns = 0},
		{.uid = "uid-queue", .path = (char *)"c", .cgroup = 0x2222, .level = 3, .netns = 2},
	};
	struct node_view model = {(struct node_link *)links,
				  N(links),
				  NULL,
				  0,
				  netnses,
				  N(netnses),
				  sandboxes,
				  N(sandboxes)};
	struct pod *pods[] = {exporter_make(), queue_make(), web_make()};
	struct node_unit units[] = {{.path = (char *)"system.slice/postfix@mx.service",
				     .cgroup = 0x300000abc,
				     .level = 2}};
	char *globs[] = {(char *)"postfix@*.service"};
	struct unit_rule rules[] = {{.name = (char *)"mail", .match = {globs, 1}}};
	const struct unit_rule_list list = {rules, 1};
	struct snapshot_options options = {&uplink, 1, false, .units = &list};

	rules[0].mode = CONFIG_MODE_DENY;
	model.units = units;
	model.n_units = N(units);

	assert_int_equal(snapshot_new(&options, handmade_pod_list(pods, 3), handmade_view(&model),
				      &snapshot),
			 0);
	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		struct endpoint *endpoint = &snapshot->endpoints[i];
		struct buffer buffer = BUFFER_INIT;
		assert_int_equal(endpoint->coverage, COVERAGE_ENFORCED);
		event_endpoint_members(endpoint, NULL, &scene_context, &buffer);
		assert_false(buffer.is_broken);
		endpoint->event_members = buffer.bytes;
		endpoint->event_members_length = buffer.length;
	}
	return snapshot;
}

static size_t put_transport(uint8_t *at, const struct shape *shape)
{
	size_t length = shape->protocol == 6 ? 20 : 8;

	memset(at, 0, length);
	if (shape->protocol == 1 || shape->protocol == 58) {
		at[0] = (uint8_t)shape->source_port;
		at[1] = (uint8_t)shape->destination_port;
		return length;
	}
	at[0] = (uint8_t)(shape->source_port >> 8);
	at[1] = (uint8_t)shape->source_port;
	at[2] = (uint8_t)(shape->destination_port >> 8);
	at[3] = (uint8_t)shape->destination_port;
	at[12] = shape->protocol == 6 ? 0x50 : 0;
	at[13] = shape->protocol == 6 ? shape->tcp_flags : 0;
	if (shape->protocol == 17)
		at[5] = 8;
	return length;
}

static size_t put_arp(uint8_t *bytes, const struct pf_address *source,
		      const struct pf_address *destination)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1, 10, 88, 10, 20, 30, 41};

	memcpy(bytes, head, sizeof(head));
	memcpy(bytes + 14, source->bytes, 4);
	memset(bytes + 18, 0, 6);
	memcpy(bytes + 24, destination->bytes, 4);
	return 28;
}

static size_t packet_make(const struct shape *shape, uint8_t bytes[static 64])
{
	struct pf_address source = handmade_address(shape->source);
	struct pf_address destination = handmade_address(shape->destination);
	uint8_t transport[32];
	size_t length = put_transport(transport, shape);

	memset(bytes, 0, 64);
	if (shape->protocol == SCENE_ARP)
		return put_arp(bytes, &source, &destination);
	if (source.family == AF_INET) {
		bytes[0] = 0x45;
		bytes[3] = (uint8_t)(20 + length);
		bytes[8] = 63;
		bytes[9] = shape->protocol;
		memcpy(bytes + 12, source.bytes, 4);
		memcpy(bytes + 16, destination.bytes, 4);
		memcpy(bytes + 20, transport, length);
		return 20 + length;
	}
	bytes[0] = 0x60;
	bytes[5] = (uint8_t)length;
	bytes[6] = shape->protocol;
	bytes[7] = 63;
	memcpy(bytes + 8, source.bytes, 16);
	memcpy(bytes + 24, destination.bytes, 16);
	if (40 + length <= 64)
		memcpy(bytes + 40, transport, length);
	return 40 + length;
}

static uint16_t ethertype_of(const struct shape *shape)
{
	if (shape->protocol == SCENE_ARP)
		return 0x0806;
	return strchr(shape->source, ':') ? 0x86dd : 0x0800;
}

struct event scene_play(const struct scene *scene, const struct snapshot *snapshot,
			const struct rulebook *rulebook, struct scene_memory *memory)
{
	struct pf_nflog_record *record = &memory->record;
	uint8_t *bytes = memory->bytes;
	struct event event;

	*record = (struct pf_nflog_record){
		.family = strstr(scene->prefix, "bridge") ? AF_BRIDGE : AF_INET,
		.hook = scene->hook,
		.ethertype = ethertype_of(&scene->shape),
		.link_in = scene->link_in,
		.link_out = scene->link_out,
		.port_in = scene->port_in,
		.mark = scene->mark,
		.has_uid = scene->has_uid,
		.uid = 1000,
		.source_mac = {0x0a, 0x58, 0x0a, 0x14, 0x1e, 0x29},
		.source_mac_length = 6,
		.payload = bytes,
		.payload_length = packet_make(&scene->shape, bytes),
	};
	if (strcmp(scene->name, "unreadable") == 0)
		record->payload_length = 10;
	assert_true(strlen(scene->prefix) < sizeof(record->prefix));
	strcpy(record->prefix, scene->prefix);
	assert_int_equal(event_attribute(record, snapshot, rulebook, &event), 0);
	event.time_usec = SCENE_NOW;
	event.created_usec = SCENE_NOW + 249;
	event.sequence = 184467;
	return event;
}
