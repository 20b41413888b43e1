/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A hostile record, and names of pods, links and labels that no API server checked, must give one
 * line of valid JSON in valid UTF-8 that no reader takes for two.
 *
 * Input: HEAD bytes of record, a byte that says how long the name is, the name, and the packet. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

#include "fuzz.h"

#define HEAD 12

static const char *const prefixes[] = {
	"podfence:deny",	 "podfence:audit",  "podfence:audit:beef",
	"podfence:pending",	 "podfence:spoof",  "podfence:spoof-out",
	"podfence:spoof-bridge", "podfence:tunnel", "podfence:nonsense",
};

static void line_check(const struct buffer *line)
{
	struct json_tokener *tokener = json_tokener_new();

	if (!tokener || line->is_broken)
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	if (memchr(line->bytes, '\n', line->length) != line->bytes + line->length - 1)
		abort();
	struct json_object *object = json_tokener_parse_ex(tokener, line->bytes,
							   (int)line->length - 1);
	if (json_tokener_get_error(tokener) != json_tokener_success)
		abort();
	if (!json_object_is_type(object, json_type_object))
		abort();
	json_object_put(object);
	json_tokener_free(tokener);
}

/* A snapshot of one pod behind link 1 and one host pod, which bear this name. */
static void event_play(const struct pf_nflog_record *record, char *name, uint64_t time)
{
	struct label labels[] = {{name, name}, {(char *)"a.b", name}};
	struct pod_container container = {name, name, name, name, false};
	struct pod pod = {
		.namespace = name,
		.name = name,
		.uid = name,
		.cgroup_uid = name[0] ? name + 1 : name, /* a static pod's, mostly */
		.owner_kind = (char *)"Job",
		.owner_name = name,
		.workload_kind = name,
		.workload_name = name,
		.labels = {labels, 2},
		.containers = &container,
		.n_containers = 1,
	};
	struct endpoint endpoints[] = {
		{.pod = &pod, .cgroup = UINT64_MAX, .index = UINT32_MAX},
		{.pod = &pod, .kind = ENDPOINT_HOST_POD, .cgroup = 0xbeef, .index = 0xbeef},
	};
	struct endpoint *by_index = &endpoints[1];
	struct snapshot_link by_link = {.link = 1, .endpoint = &endpoints[0]};
	struct node_link link = {.index = 1};
	struct node_view view = {.links = &link, .n_links = 1};
	struct snapshot snapshot = {
		.endpoints = endpoints,
		.n_endpoints = 2,
		.view = &view,
		.by_link = &by_link,
		.n_by_link = 1,
		.by_index = &by_index,
		.n_by_index = 1,
	};
	struct event_context context = {name, name, name, name};
	struct rulebook rulebook = {.generation = time};
	struct buffer line = BUFFER_INIT;
	struct event event;

	memcpy(link.name, name, strnlen(name, sizeof(link.name)));
	if (event_attribute(record, &snapshot, &rulebook, &event) != 0)
		return;
	event.time_usec = event.sequence = time;
	event.created_usec = UINT64_MAX - time;
	event_format(&event, &context, &rulebook, &line);
	line_check(&line);
	buffer_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct pf_nflog_record record = {};
	uint64_t time;
	char name[256] = {};

	if (length < HEAD + 1)
		return 0;
	strcpy(record.prefix, prefixes[bytes[0] % (sizeof(prefixes) / sizeof(prefixes[0]))]);
	record.hook = bytes[1];
	record.ethertype = (uint16_t)(bytes[2] << 8 | bytes[3]);
	record.link_in = bytes[4] & 3;
	record.link_out = bytes[4] >> 2 & 3;
	record.port_in = bytes[4] >> 4 & 1;
	record.mark = bytes[4] & 0x20 ? 0xbeef : bytes[4];
	record.has_uid = bytes[4] & 0x40;
	record.uid = UINT32_MAX - bytes[4];
	record.source_mac_length = bytes[4] & 0x80 ? 6 : 0;
	memcpy(&time, bytes + 4, sizeof(time));

	size_t name_length = bytes[HEAD];
	bytes += HEAD + 1;
	length -= HEAD + 1;
	if (name_length > length)
		name_length = length;
	memcpy(name, bytes, name_length);
	record.payload = bytes + name_length;
	record.payload_length = length - name_length;
	event_play(&record, name, time);
	return 0;
}
