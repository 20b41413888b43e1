/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence.*: what ECS has no field for. */
#include "event/format.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "policy/ruling_text.h"

static void add_path(struct json *json, const char *below_root)
{
	char path[PATH_MAX + 1];

	snprintf(path, sizeof(path), "/%s", below_root);
	json_string(json, "path", path);
}

static void add_endpoint(struct json *json, const struct endpoint *endpoint)
{
	json_object_begin(json, "endpoint");
	json_string(json, "kind", endpoint_kind_name(endpoint));
	json_uint(json, "index", endpoint->index);
	if (endpoint->unit) {
		json_string(json, "name", endpoint_name(endpoint));
		json_string(json, "group", endpoint->group);
	}
	json_object_end(json);
	json_object_begin(json, "cgroup");
	json_uint_text(json, "id", endpoint->cgroup);
	if (endpoint->unit)
		add_path(json, endpoint->unit->path);
	json_object_end(json);
}

static void add_device(struct json *json, const char *key, const char *index_key, uint32_t index,
		       const struct node_link *link)
{
	if (!index)
		return;
	json_uint(json, index_key, index);
	if (link)
		json_string_n(json, key, link->name, strnlen(link->name, sizeof(link->name)));
}

static void add_devices(struct json *json, const struct event *event)
{
	const struct pf_nflog_record *record = event->record;

	if (!record->link_in && !record->link_out && !record->port_in)
		return;
	json_object_begin(json, "link");
	add_device(json, "in", "in_index", record->link_in, event->link_in);
	add_device(json, "out", "out_index", record->link_out, event->link_out);
	add_device(json, "port", "port_index", record->port_in, event->port_in);
	json_object_end(json);
}

static void add_tcp_flags(struct json *json, uint8_t flags)
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};

	json_object_begin(json, "tcp");
	json_array_begin(json, "flags");
	for (unsigned bit = 0; bit < 8; bit++)
		if (flags >> bit & 1)
			json_string(json, NULL, names[bit]);
	json_array_end(json);
	json_object_end(json);
}

static void add_packet(struct json *json, const struct event *event)
{
	const struct pf_packet *packet = &event->packet;

	if (packet->has_tcp_flags)
		add_tcp_flags(json, packet->tcp_flags);
	if (packet->has_icmp) {
		json_object_begin(json, "icmp");
		json_uint(json, "type", packet->icmp_type);
		json_uint(json, "code", packet->icmp_code);
		json_object_end(json);
	}
	if (packet->is_fragment)
		RAW(json, "\"fragment\":true");
	if (packet->is_truncated)
		RAW(json, "\"truncated\":true");
}

static const char *packet_error_name(int error)
{
	switch (error) {
	case PF_PACKET_E_SHORT: return "short";
	case PF_PACKET_E_MALFORMED: return "malformed";
	default: return "unknown";
	}
}

static void add_policy(struct json *json, const struct ruling *ruling)
{
	const struct policy *policy = ruling->policy;

	json_object_begin(json, "policy");
	json_string(json, "kind", policy_kind(policy));
	json_string(json, "namespace", policy->namespace[0] ? policy->namespace : NULL);
	json_string(json, "name", policy->name);
	json_string(json, "tier", policy_tier_name(policy->tier));
	if (ruling->rule) {
		json_object_begin(json, "rule");
		json_uint(json, "index", ruling_rule_index(ruling));
		json_string(json, "name", ruling->rule->name[0] ? ruling->rule->name : NULL);
		json_object_end(json);
	}
	json_string(json, "origin", policy->origin);
	json_object_end(json);
}

static void add_flow(struct json *json, const struct event_flow *flow)
{
	static const char *const states[] = {
		[EVENT_FLOW_START] = "start",
		[EVENT_FLOW_UPDATE] = "update",
		[EVENT_FLOW_END] = "end",
	};

	json_object_begin(json, "flow");
	event_hex_add(json, "id", flow->id);
	json_string(json, "state", states[flow->state]);
	json_uint(json, "packets_total", flow->packets_total);
	json_uint(json, "bytes_total", flow->bytes_total);
	json_boolean(json, "detail", flow->has_detail);
	if (flow->is_over)
		RAW(json, "\"overflow\":true");
	json_object_end(json);
}

void event_own_add(struct json *json, const struct event *event)
{
	json_object_begin(json, "podfence");
	json_string(json, "attribution", event->attribution);
	if (event->flow)
		add_flow(json, event->flow);
	if (event->culprit)
		event_process_podfence_add(json, event);
	if (event->endpoint)
		add_endpoint(json, event->endpoint);
	if (event->has_ruling && event->ruling.policy)
		add_policy(json, &event->ruling);
	add_devices(json, event);
	json_boolean(json, "metadata", event->is_metadata);
	json_boolean(json, "midstream", event->is_midstream);
	if (event->has_packet)
		add_packet(json, event);
	else if (event->packet_error)
		json_string(json, "packet_error", packet_error_name(event->packet_error));
	json_object_end(json);
}
