/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * "egress drop: prod/web-1 tcp 10.0.0.5:1234 -> 203.0.113.9:443 by default-deny-external"
 *
 * Plain text of bounded length: a namespace has at most 63 characters and a pod 253; what is longer
 * is cut, the fields of the event say it all. */
#include "event/message.h"

#include <string.h>

#include "base/text.h"

#define ETHERTYPE_ARP 0x0806

bool event_is_ip(const struct event *event)
{
	return event->has_packet && event->packet.ethertype != ETHERTYPE_ARP;
}

const char *transport_name(uint8_t protocol)
{
	switch (protocol) {
	case 1: return "icmp";
	case 2: return "igmp";
	case 4: return "ipv4";
	case 6: return "tcp";
	case 17: return "udp";
	case 33: return "dccp";
	case 41: return "ipv6";
	case 47: return "gre";
	case 50: return "esp";
	case 51: return "ah";
	case 58: return "ipv6-icmp";
	case 132: return "sctp";
	case 136: return "udplite";
	default: return NULL;
	}
}

static void message_add_n(struct message *message, const char *text, size_t length)
{
	size_t room = sizeof(message->text) - message->length;

	if (length > room)
		length = room;
	memcpy(message->text + message->length, text, length);
	message->length += length;
}

static void message_add(struct message *message, const char *text)
{
	message_add_n(message, text, strlen(text));
}

static void message_add_uint(struct message *message, uint64_t value)
{
	char digits[TEXT_DIGITS_MAX];
	size_t n = text_digits(value, digits);

	message_add_n(message, digits + n, sizeof(digits) - n);
}

static void message_add_side(struct message *message, const struct address_words *words,
			     bool has_port, uint16_t port)
{
	bool has_brackets = has_port && memchr(words->text, ':', words->length);

	if (has_brackets)
		message_add(message, "[");
	message_add_n(message, words->text, words->length);
	if (has_brackets)
		message_add(message, "]");
	if (has_port) {
		message_add(message, ":");
		message_add_uint(message, port);
	}
}

static void message_add_packet(struct message *message, const struct event *event,
			       const struct words *words)
{
	const struct pf_packet *packet = &event->packet;
	const char *transport = event_is_ip(event) ? transport_name(packet->protocol) : "arp";
	bool has_detail = !event->flow || event->flow->has_detail;
	bool has_ports = packet->has_ports && !(event->flow && event->flow->hides_ports);

	if (!event->has_packet) {
		message_add(message, event->packet_error ? "unreadable packet"
				     : ledger_class_has_flows(words->facts->class)
					     ? "flows beyond the ledger"
					     : "packets that were not logged");
		return;
	}
	if (transport) {
		message_add(message, transport);
	} else {
		message_add(message, "protocol ");
		message_add_uint(message, packet->protocol);
	}
	message_add(message, " ");
	if (words->source.length) {
		message_add_side(message, &words->source, has_ports && has_detail,
				 packet->source_port);
		message_add(message, " ");
	}
	message_add(message, "-> ");
	message_add_side(message, &words->destination, has_ports, packet->destination_port);
}

static void message_add_count(struct message *message, const struct event_flow *flow)
{
	if (flow->state == EVENT_FLOW_START && flow->packets == 1)
		return;
	message_add(message, " (");
	message_add_uint(message, flow->packets);
	message_add(message, flow->packets == 1 ? " packet" : " packets");
	message_add(message, flow->state == EVENT_FLOW_END ? ", ended)" : ")");
}

void message_make(struct message *message, const struct event *event, const struct words *words)
{
	static const char *const begins[] = {
		[VERDICT_DROPPED] = "egress drop: ",
		[VERDICT_REJECTED] = "egress reject: ",
		[VERDICT_WOULD_DROP] = "egress would-drop: ",
		[VERDICT_ALLOWED] = "egress allow: ",
	};

	message->length = 0;
	if (words->facts->is_inbound)
		message_add(message, "ingress drop: ");
	else
		message_add(message, begins[event->verdict]);
	if (event->endpoint && event->endpoint->pod) {
		message_add(message, event->endpoint->pod->namespace);
		message_add(message, "/");
		message_add(message, event->endpoint->pod->name);
	} else if (event->endpoint) {
		message_add(message, "unit ");
		message_add(message, endpoint_name(event->endpoint));
	} else {
		message_add(message, "unknown sender");
	}
	message_add(message, " ");
	message_add_packet(message, event, words);
	message_add(message, " by ");
	message_add(message, words->rule_name);
	if (event->flow)
		message_add_count(message, event->flow);
}
