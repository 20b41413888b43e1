/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Who sent a packet, by what the sender cannot choose:
 *
 *	came in by a link    (link, source address), where the guard has proven the source; else the link
 *			     alone, if it leads to one endpoint only
 *	came in by a port    the same with the bridge port. The bridge is not asked then: what came in by
 *			     another's port is not made his by the address it carries
 *	made on the node     the endpoint index the rules wrote, in the mark of a packet that dies or in the
 *			     prefix of one that lives on. The mark of a packet that lives on is the
 *			     sender's own and says nothing
 *
 * An address alone never names anybody, and where nothing names him the event says why. */
#include "event/event.h"

#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/classify.h"

#define ETHERTYPE_ARP 0x0806
#define PROTOCOL_TCP  6
#define TCP_SYN	      0x02

static void attribute_link(struct event *event, const struct snapshot *snapshot)
{
	const struct pf_nflog_record *record = event->record;
	uint32_t link = record->port_in ? record->port_in : record->link_in;

	if (!link) {
		event->attribution = "none: the packet came in by no link";
		return;
	}
	bool is_counted = event->flow && event->flow->is_over;
	bool has_source = event->has_packet || (is_counted && event->packet.source.family);
	bool is_source_good = has_source && !rule_facts(event->meaning.rule)->judges_source;
	if (is_source_good)
		event->endpoint = snapshot_find_link(snapshot, link, &event->packet.source);
	if (event->endpoint) {
		event->attribution = "link";
		return;
	}
	event->endpoint = snapshot_find_sole(snapshot, link);
	if (!event->endpoint)
		event->attribution = snapshot_has_link(snapshot, link)
					     ? "none: several pods can stand behind the link, none "
					       "proved this source"
					     : "none: no endpoint is registered on the link";
	else if (!has_source)
		event->attribution = is_counted ? "link" : "link (packet is unreadable)";
	else if (is_source_good)
		event->attribution = "link (source is not registered)";
	else
		event->attribution = "link (source is spoofed)";
}

/* Then an index is that of the pod root. */
static bool is_pending(enum rule_id rule)
{
	return rule == RULE_PENDING || rule == RULE_PENDING_REJECT || rule == RULE_PENDING_AUDIT;
}

static void attribute_cgroup(struct event *event, const struct snapshot *snapshot)
{
	uint32_t index = 0;

	if (event->meaning.has_index)
		index = event->meaning.index;
	else if (!rule_facts(event->meaning.rule)->lets_pass)
		index = event->record->mark;
	if (!index || is_pending(event->meaning.rule)) {
		event->attribution = "none: the socket belongs to no registered endpoint";
		return;
	}
	event->endpoint = snapshot_find_index(snapshot, index);
	if (event->endpoint && event->endpoint->kind == ENDPOINT_POD)
		event->endpoint = NULL; /* the rules write no such index */
	event->attribution = event->endpoint ? "cgroup" : "none: the endpoint is gone";
}

/* The rule stands in a chain of one endpoint: whatever the packet says, it was to or from that one. */
static void attribute_chain(struct event *event, const struct snapshot *snapshot)
{
	event->endpoint = snapshot_find_index(snapshot, event->meaning.index);
	if (!event->endpoint)
		event->attribution = "none: the endpoint is gone";
	else
		event->attribution = event->endpoint->kind == ENDPOINT_POD ? "link" : "cgroup";
}

static void attribute_sender(struct event *event, const struct snapshot *snapshot)
{
	if (event->meaning.rule == RULE_QUARANTINE || event->meaning.rule == RULE_QUARANTINE_IN) {
		attribute_chain(event, snapshot);
		return;
	}
	if (event->record->family == NFPROTO_NETDEV) {
		event->attribution = "none: a packet socket's frame does not say whose it is";
		return;
	}
	switch (event->record->hook) {
	case NF_INET_PRE_ROUTING:
	case NF_INET_LOCAL_IN:
	case NF_INET_FORWARD: attribute_link(event, snapshot); break;
	case NF_INET_LOCAL_OUT: attribute_cgroup(event, snapshot); break;
	default: event->attribution = "none: logged at a hook without a rule of ours";
	}
}

static enum rule_verdict verdict_of(enum rule_id rule)
{
	const struct rule_facts *facts = rule_facts(rule);

	if (facts->allows)
		return VERDICT_ALLOWED;
	if (facts->lets_pass)
		return VERDICT_WOULD_DROP;
	return facts->rejects ? VERDICT_REJECTED : VERDICT_DROPPED;
}

/* A flow of TCP without a port has no SYN in it. */
static bool is_late(const struct event *event)
{
	if (event->packet.has_tcp_flags)
		return !(event->packet.tcp_flags & TCP_SYN);
	return event->flow && event->flow->hides_ports;
}

static void packet_judge(struct event *event, const struct rulebook *rulebook)
{
	const struct pf_packet *packet = &event->packet;
	struct pf_address plain;

	address_translate(&packet->destination, rulebook->nat64, &plain);
	event->is_metadata = packet->ethertype != ETHERTYPE_ARP && address_is_metadata(&plain);
	event->is_midstream = packet->ethertype != ETHERTYPE_ARP &&
			      packet->protocol == PROTOCOL_TCP && is_late(event);
}

/* The kernel has few ends for many policies: which one decided is found by deciding again, with the decisions
 * that were in force then. */
static void rule_find(struct event *event, const struct snapshot *snapshot,
		      const struct rulebook *rulebook)
{
	const struct rule_facts *facts = rule_facts(event->meaning.rule);
	const struct pf_packet *packet = &event->packet;
	const struct policy_packet what = {
		.destination = packet->destination,
		.protocol = packet->protocol,
		.has_port = packet->has_ports,
		.port = packet->destination_port,
	};
	struct ruling ruling;

	if (!facts->asks_policy || !rulebook->decisions || !event->endpoint || !event->has_packet)
		return;
	if (event->flow && event->flow->hides_ports && !event->flow->has_detail)
		return; /* what it was denied for may have been a port */
	decision_judge(decisions_of(rulebook->decisions, snapshot, event->endpoint), &what,
		       rulebook->nat64, &ruling);
	event->has_ruling = ruling.verdict == (facts->allows	  ? RULING_ALLOW
					       : facts->lets_pass ? RULING_AUDIT
								  : RULING_DENY);
	event->is_outdated = !event->has_ruling;
	event->ruling = ruling;
}

static void links_name(struct event *event, const struct snapshot *snapshot)
{
	const struct pf_nflog_record *record = event->record;

	if (record->link_in)
		event->link_in = node_view_link(snapshot->view, record->link_in);
	if (record->link_out)
		event->link_out = node_view_link(snapshot->view, record->link_out);
	if (record->port_in)
		event->port_in = node_view_link(snapshot->view, record->port_in);
}

void event_judge(struct event *event, const struct snapshot *snapshot,
		 const struct rulebook *rulebook)
{
	if (event->has_packet)
		packet_judge(event, rulebook);
	event->verdict = verdict_of(event->meaning.rule);
	event->attribution = "none: the node has not been looked at yet";
	if (!snapshot)
		return;
	links_name(event, snapshot);
	attribute_sender(event, snapshot);
	rule_find(event, snapshot, rulebook);
}

int event_attribute(const struct pf_nflog_record *record, const struct snapshot *snapshot,
		    const struct rulebook *rulebook, struct event *ret_event)
{
	struct event event = {.record = record};

	if (rule_prefix_parse(record->prefix, &event.meaning) < 0)
		return EVENT_E_FOREIGN;
	event.packet_error = record->family == NFPROTO_NETDEV
				     ? pf_packet_parse_frame(record->payload,
							     record->payload_length, &event.packet)
				     : pf_packet_parse(record->payload, record->payload_length,
						       record->ethertype, &event.packet);
	event.has_packet = event.packet_error == 0;
	event_judge(&event, snapshot, rulebook);
	*ret_event = event;
	return 0;
}
