/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One event to one line of ECS 8.11. Outcome is "success" for a drop: the measure worked. What ECS
 * has no field for stands under podfence.* (format_own.c), where nobody else's mapping can collide with it.
 *
 * This runs for each logged packet, so the line is written front to back in one pass: constant
 * parts as literals, the endpoint's part copied, addresses turned to text once. A line whose packet
 * could not be read lacks network, source and destination; all lines have all other groups. */
#include "event/format.h"

#include <string.h>
#include <sys/socket.h>

#include "base/address_text.h"
#include "base/siphash.h"
#include "event/community_id.h"
#include "event/message.h"
#include "event/timestamp.h"

#define SEVERITY_LOW	21
#define SEVERITY_MEDIUM 47

static void address_words_make(const struct pf_address *address, struct address_words *words)
{
	words->length = address->family ? address_text(address, words->text) : 0;
}

/* Whose rule it was: the agent's own, or a policy's. */
static void words_rule(const struct event *event, struct words *words)
{
	const struct rule_facts *facts = words->facts;
	bool is_metadata = event->is_metadata && facts->is_metadata_aware;

	words->rule_name = is_metadata ? facts->metadata_name : facts->name;
	words->category = facts->category;
	words->description = facts->text;
	words->reason = is_metadata ? RULE_METADATA_TEXT : facts->text;
	if (event->is_outdated) {
		words->rule_name = "undetermined";
		words->category = "policy";
		words->description = words->reason =
			"The destination is external; the rules changed meanwhile, and which of "
			"them it was is not known.";
	}
	if (!event->has_ruling || !event->ruling.policy)
		return;
	words->reason = ruling_reason(&event->ruling, words->reason_text);
	words->description = words->reason;
	if (!ruling_name(&event->ruling, words->name_text)[0])
		return;
	words->rule_name = words->name_text;
	words->category = "policy";
}

static void words_make(const struct event *event, struct words *words)
{
	words->facts = rule_facts(event->meaning.rule);
	words_rule(event, words);
	words->source.length = words->destination.length = 0;
	if (event->has_packet || (event->flow && event->flow->is_over))
		address_words_make(&event->packet.source, &words->source);
	if (!event->has_packet)
		return;
	address_words_make(&event->packet.destination, &words->destination);
}

static void add_message(struct json *json, const struct event *event, const struct words *words)
{
	struct message message;

	message_make(&message, event, words);
	json_string_n(json, "message", message.text, message.length);
}

static void add_time(struct json *json, const char *key, uint64_t usec)
{
	char text[TIMESTAMP_LENGTH];

	timestamp_text(usec, text);
	json_string_n(json, key, text, sizeof(text));
}

static void add_level(struct json *json, const struct event *event)
{
	if (event->is_midstream || event->verdict == VERDICT_ALLOWED)
		RAW(json, "\"log\":{\"level\":\"info\"}");
	else if (event->verdict == VERDICT_WOULD_DROP)
		RAW(json, "\"log\":{\"level\":\"notice\"}");
	else
		RAW(json, "\"log\":{\"level\":\"warning\"}");
}

static unsigned severity_of(const struct event *event, const struct rule_facts *facts)
{
	if (event->is_midstream)
		return SEVERITY_LOW;
	if (event->is_metadata && facts->is_metadata_aware)
		return facts->lets_pass ? SEVERITY_MEDIUM : RULE_METADATA_SEVERITY;
	return facts->severity;
}

void event_hex_add(struct json *json, const char *key, const uint8_t bytes[static 16])
{
	static const char digits[] = "0123456789abcdef";
	char text[32];

	for (size_t i = 0; i < 16; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	json_string_n(json, key, text, sizeof(text));
}

/* The key is public: ids have to differ, not to resist. */
static const uint8_t id_key[16] = "podfence event";

/* Of a flow the same event has the same id, whichever life of the agent told it. */
static void add_flow_id(struct json *json, const struct event *event)
{
	uint8_t bytes[sizeof(event->flow->id) + sizeof(event->sequence)];

	memcpy(bytes, event->flow->id, sizeof(event->flow->id));
	memcpy(bytes + sizeof(event->flow->id), &event->sequence, sizeof(event->sequence));
	event_hex_add(json, "id", siphash128(id_key, bytes, sizeof(bytes)).bytes);
}

/* Hash of (agent life, packet, sequence). */
static void add_packet_id(struct json *json, const struct event *event,
			  const struct event_context *context)
{
	struct __attribute__((packed)) {
		char agent[64];
		uint64_t sequence, cgroup;
		struct pf_address destination;
		uint8_t protocol;
		uint16_t port;
	} flow = {
		.sequence = event->sequence,
		.cgroup = event->endpoint ? event->endpoint->cgroup : 0,
	};

	strncpy(flow.agent, context->agent_id, sizeof(flow.agent) - 1);
	if (event->has_packet) {
		flow.destination = event->packet.destination;
		flow.protocol = event->packet.protocol;
		flow.port = event->packet.destination_port;
	}
	event_hex_add(json, "id", siphash128(id_key, &flow, sizeof(flow)).bytes);
}

/* When it began, and what is told of it until when. */
static void add_span(struct json *json, const struct event_flow *flow)
{
	add_time(json, "start", flow->start_usec);
	if (flow->state == EVENT_FLOW_START)
		return;
	add_time(json, "end", flow->end_usec);
	if (flow->end_usec >= flow->start_usec)
		json_uint(json, "duration", (flow->end_usec - flow->start_usec) * 1000);
}

static void add_event(struct json *json, const struct event *event,
		      const struct event_context *context, const struct words *words)
{
	json_object_begin(json, "event");
	if (event->flow)
		add_flow_id(json, event);
	else
		add_packet_id(json, event, context);
	RAW(json, "\"kind\":\"event\",\"category\":[\"network\"]");
	switch (event->verdict) {
	case VERDICT_DROPPED:
		RAW(json, "\"type\":[\"connection\",\"denied\"],\"action\":\"dropped\"");
		break;
	case VERDICT_REJECTED:
		RAW(json, "\"type\":[\"connection\",\"denied\"],\"action\":\"rejected\"");
		break;
	case VERDICT_WOULD_DROP:
		RAW(json, "\"type\":[\"connection\",\"allowed\"],\"action\":\"would-drop\"");
		break;
	case VERDICT_ALLOWED:
		RAW(json, "\"type\":[\"connection\",\"allowed\"],\"action\":\"allowed\"");
		break;
	}
	RAW(json, "\"outcome\":\"success\",\"module\":\"podfence\",\"dataset\":\"podfence.flow\","
		  "\"provider\":\"nftables\"");
	json_string(json, "code", words->facts->token);
	json_string(json, "reason", words->reason);
	json_uint(json, "severity", severity_of(event, words->facts));
	json_uint(json, "sequence", event->sequence);
	add_time(json, "created", event->created_usec);
	if (event->flow)
		add_span(json, event->flow);
	json_object_end(json);
}

/* What is said is of one packet. */
static bool has_detail(const struct event *event)
{
	const struct event_flow *flow = event->flow;

	return event->has_packet && (!flow || (flow->has_detail && !flow->hides_ports));
}

/* A later fragment has no ports to make it of, and another one than its flow's would mislead. */
static void add_community_id(struct json *json, const struct pf_packet *packet)
{
	char text[COMMUNITY_ID_TEXT];

	if (packet->fragment_offset || packet->is_truncated)
		return;
	community_id_text(packet, text);
	json_string_n(json, "community_id", text, sizeof(text) - 1);
}

static void add_counts(struct json *json, const struct event *event)
{
	if (event->is_uncounted)
		return;
	json_uint(json, "packets", event->flow ? event->flow->packets : 1);
	if (event->flow)
		json_uint(json, "bytes", event->flow->bytes);
	else if (event->has_packet)
		json_uint(json, "bytes", event->packet.length);
}

static void add_network(struct json *json, const struct event *event)
{
	const struct pf_packet *packet = &event->packet;

	json_object_begin(json, "network");
	if (rule_facts(event->meaning.rule)->is_inbound)
		RAW(json, "\"direction\":\"ingress\"");
	else
		RAW(json, "\"direction\":\"egress\"");
	add_counts(json, event);
	if (event->has_packet) {
		if (!event_is_ip(event))
			RAW(json, "\"type\":\"arp\"");
		else if (packet->destination.family == AF_INET)
			RAW(json, "\"type\":\"ipv4\"");
		else
			RAW(json, "\"type\":\"ipv6\"");
	}
	if (event_is_ip(event)) {
		json_string(json, "transport", transport_name(packet->protocol));
		json_uint_text(json, "iana_number", packet->protocol);
		if (has_detail(event))
			add_community_id(json, packet);
	}
	json_object_end(json);
}

/* RFC 7042 as ECS wants it: "0A-58-0A-14-1E-29". */
static void add_mac(struct json *json, const uint8_t bytes[static 6])
{
	static const char digits[] = "0123456789ABCDEF";
	char text[17];

	for (size_t i = 0; i < 6; i++) {
		text[3 * i] = digits[bytes[i] >> 4];
		text[3 * i + 1] = digits[bytes[i] & 0xf];
		if (i < 5)
			text[3 * i + 2] = '-';
	}
	json_string_n(json, "mac", text, sizeof(text));
}

static void add_side(struct json *json, const char *key, const struct address_words *words,
		     const uint16_t *port, const uint8_t *mac)
{
	if (!words->length && !mac)
		return;
	json_object_begin(json, key);
	if (words->length) {
		json_string_n(json, "ip", words->text, words->length);
		json_string_n(json, "address", words->text, words->length);
	}
	if (port)
		json_uint(json, "port", *port);
	if (mac)
		add_mac(json, mac);
	json_object_end(json);
}

/* Where the source address is a lie, the link-layer one is the next thing to look at. */
static void add_sides(struct json *json, const struct event *event, const struct words *words)
{
	const struct pf_packet *packet = &event->packet;
	bool has_ports = event_is_ip(event) && packet->has_ports &&
			 !(event->flow && event->flow->hides_ports);
	bool has_mac = words->facts->judges_source && event->record->source_mac_length == 6;

	add_side(json, "source", &words->source,
		 has_ports && has_detail(event) ? &packet->source_port : NULL,
		 has_mac ? event->record->source_mac : NULL);
	add_side(json, "destination", &words->destination,
		 has_ports ? &packet->destination_port : NULL, NULL);
}

/* Of the socket; the process may have become another user since. */
static void add_user(struct json *json, const struct event *event)
{
	const struct culprit *culprit = event->culprit;

	if (!event->record->has_uid && (!culprit || !culprit->has_user))
		return;
	json_object_begin(json, "user");
	json_uint_text(json, "id", event->record->has_uid ? event->record->uid : culprit->user);
	json_object_end(json);
}

static void add_members(struct json *json, const struct event *event,
			const struct event_context *context)
{
	const struct endpoint *endpoint = event->endpoint;

	if (endpoint && endpoint->event_members &&
	    !event_members_differ(endpoint, event->culprit)) {
		json_raw(json, NULL, endpoint->event_members, endpoint->event_members_length);
		return;
	}
	struct buffer members = BUFFER_INIT;
	event_endpoint_members(endpoint, event->culprit, context, &members);
	json_raw(json, NULL, members.bytes, members.length);
	json->buffer->is_broken |= members.is_broken;
	buffer_done(&members);
}

static void add_rule(struct json *json, const struct rulebook *rulebook, const struct words *words)
{
	json_object_begin(json, "rule");
	json_string(json, "id", words->facts->token);
	json_string(json, "name", words->rule_name);
	json_string(json, "category", words->category);
	json_string(json, "description", words->description);
	json_string(json, "ruleset", words->facts->chain);
	json_uint_text(json, "version", rulebook->generation);
	json_object_end(json);
}

static void add_related(struct json *json, const struct words *words)
{
	const struct address_words *a = &words->source, *b = &words->destination;

	if (!a->length && !b->length)
		return;
	json_object_begin(json, "related");
	json_array_begin(json, "ip");
	if (a->length)
		json_string_n(json, NULL, a->text, a->length);
	if (b->length && (a->length != b->length || memcmp(a->text, b->text, a->length) != 0))
		json_string_n(json, NULL, b->text, b->length);
	json_array_end(json);
	json_object_end(json);
}

void event_format(const struct event *event, const struct event_context *context,
		  const struct rulebook *rulebook, struct buffer *buffer)
{
	struct words words;
	struct json json;

	words_make(event, &words);
	json_init(&json, buffer);
	json_object_begin(&json, NULL);
	add_time(&json, "@timestamp", event->time_usec);
	add_level(&json, event);
	add_message(&json, event, &words);
	RAW(&json, "\"ecs\":{\"version\":\"8.11.0\"}");
	add_event(&json, event, context, &words);
	add_network(&json, event);
	add_sides(&json, event, &words);
	add_user(&json, event);
	if (event->culprit)
		event_process_add(&json, event->culprit);
	add_members(&json, event, context);
	add_rule(&json, rulebook, &words);
	add_related(&json, &words);
	event_own_add(&json, event);
	json_object_end(&json);
	buffer_add_char(buffer, '\n');
}
