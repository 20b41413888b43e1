/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Events of flows. The first is made of the packet that was logged, when it is heard of; all others of the
 * flow's key, what is remembered of its first packet, and what is known of its sender now. */
#include "daemon/ledger.h"

#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "compile/compile.h"

const struct endpoint *ledger_owner(const struct snapshot *snapshot, const struct flow_facts *facts)
{
	const struct endpoint *endpoint;

	if (!snapshot || facts->device)
		return NULL;
	if (facts->held)
		return snapshot_find_index(snapshot, facts->held);
	if (facts->link) {
		endpoint = snapshot_find_link(snapshot, facts->link, &facts->source);
		return endpoint ? endpoint : snapshot_find_sole(snapshot, facts->link);
	}
	endpoint = snapshot_find_index(snapshot,
				       facts->index ? facts->index : (uint32_t)facts->cgroup);
	return endpoint && endpoint->kind != ENDPOINT_POD ? endpoint : NULL;
}

uint64_t ledger_owner_id(const struct snapshot *snapshot, const struct flow_key *key)
{
	struct flow_facts facts;

	if (!flow_key_read(key, &facts))
		return 0;
	const struct endpoint *endpoint = ledger_owner(snapshot, &facts);
	return endpoint ? endpoint->cgroup : 0;
}

/* The id of the cgroup whose index a prefix names: an endpoint's or a pod root's. */
static uint64_t cgroup_of(const struct snapshot *snapshot, const struct prefix_meaning *meaning)
{
	const struct endpoint *endpoint = NULL;

	if (!meaning->has_index || !snapshot)
		return 0;
	endpoint = snapshot_find_index(snapshot, meaning->index);
	if (endpoint)
		return endpoint->cgroup;
	for (size_t i = 0; i < snapshot->view->n_pod_roots; i++)
		if ((uint32_t)snapshot->view->pod_roots[i].cgroup == meaning->index)
			return snapshot->view->pod_roots[i].cgroup;
	return 0;
}

static void count_told(struct flow *flow, const struct flow_count *count, uint64_t now_usec)
{
	flow->told.packets += count->packets;
	flow->told.bytes += count->bytes;
	flow->told_usec = now_usec;
	flow->sequence++;
}

static void fill(const struct flow *flow, enum event_flow_state state,
		 const struct flow_count *count, struct event *event, struct event_flow *ret_flow)
{
	const struct ledger_set *set = flow_set(&flow->key);

	*ret_flow = (struct event_flow){
		.state = state,
		.start_usec = flow->start_usec,
		.end_usec = flow->moved_usec,
		.packets = count->packets,
		.bytes = count->bytes,
		.packets_total = flow->told.packets,
		.bytes_total = flow->told.bytes,
		.is_over = set->kind == LEDGER_OVER,
		.has_detail = flow->has_detail,
		.hides_ports = set->kind == LEDGER_REST && state != EVENT_FLOW_START,
	};
	memcpy(ret_flow->id, flow->id, sizeof(ret_flow->id));
	event->flow = ret_flow;
	event->sequence = flow->sequence;
}

static void remember(struct flow *flow, const struct event *event)
{
	const struct pf_nflog_record *record = event->record;

	flow->rule = event->meaning.rule;
	if (!event->has_packet || flow_set(&flow->key)->kind == LEDGER_OVER)
		return; /* of many flows one packet says nothing */
	flow->has_detail = true;
	flow->detail = (struct flow_detail){
		.link_out = record->link_out,
		.port_in = record->port_in,
		.has_uid = record->has_uid,
		.has_gid = record->has_gid,
		.uid = record->uid,
		.gid = record->gid,
		.packet = event->packet,
	};
}

/* Its first packet, or one of those that were logged of many flows together. */
static void begin(struct flow *flow, struct event *event, struct event_flow *ret_flow)
{
	struct flow_count one = {1, event->has_packet ? event->packet.length : 0};
	enum event_flow_state state = flow->sequence ? EVENT_FLOW_UPDATE : EVENT_FLOW_START;

	remember(flow, event);
	flow->is_fresh = false;
	flow->moved_usec = event->time_usec > flow->moved_usec ? event->time_usec
							       : flow->moved_usec;
	count_told(flow, &one, event->created_usec);
	fill(flow, state, &one, event, ret_flow);
	ret_flow->has_detail = event->has_packet;
	ret_flow->hides_ports = false;
}

bool ledger_record(struct daemon *daemon, struct event *event, struct event_flow *ret_flow)
{
	struct ledger *ledger = &daemon->ledger;
	struct flow_key key;
	int r = flow_key_of(&event->meaning, event->record,
			    event->has_packet ? &event->packet : NULL,
			    cgroup_of(daemon->snapshot, &event->meaning), &key);

	ledger->recorded = NULL;
	event->is_uncounted = r == FLOW_E_UNKNOWN;
	if (r != 0)
		return true;
	struct flow *flow = flow_table_find(ledger->flows, &key);
	if (!flow) {
		flow = flow_table_add(ledger->flows, &key, event->time_usec, ledger->salt);
		if (flow)
			flow->owner = event->endpoint ? event->endpoint->cgroup : 0;
	} else if (flow->sequence && flow_set(&key)->kind != LEDGER_OVER) {
		ledger->books.repeated += flow->has_detail;
		ledger->books.late += !flow->has_detail;
		if (!flow->has_detail)
			remember(flow, event);
		return false;
	}
	event->is_uncounted = !flow;
	if (flow)
		begin(flow, event, ret_flow);
	ledger->recorded = flow;
	return true;
}

void ledger_remember(struct daemon *daemon, const struct culprit *culprit)
{
	struct ledger *ledger = &daemon->ledger;
	struct flow *flow = ledger->recorded;

	/* Of many flows together one packet says nothing. */
	if (flow && !flow->extra && flow_set(&flow->key)->kind != LEDGER_OVER)
		flow->extra = culprit_store_take(ledger->culprits, culprit);
}

/* What is known without a packet. */
static void packet_make(const struct flow_facts *facts, struct pf_packet *packet)
{
	*packet = (struct pf_packet){
		.source = facts->source,
		.destination = facts->destination,
		.ethertype = facts->destination.family == AF_INET ? 0x0800 : 0x86dd,
		.protocol = facts->protocol,
		.has_ports = facts->has_port,
		.destination_port = facts->has_port ? facts->port : 0,
		.has_icmp = facts->has_icmp,
		.icmp_type = facts->icmp_type,
		.icmp_code = facts->icmp_code,
	};
}

static enum rule_id denied_by(const struct daemon *daemon, const struct endpoint *owner)
{
	enum config_action action = daemon->config->fallback.action;

	if (!owner)
		return action == CONFIG_ACTION_REJECT ? RULE_PENDING_REJECT : RULE_PENDING;
	if (daemon->decisions)
		action = decisions_of(daemon->decisions, daemon->snapshot, owner)->action;
	return action == CONFIG_ACTION_REJECT ? RULE_REJECT : RULE_DENY;
}

static enum rule_id spoofed_by(const struct ledger_set *set, bool is_audit)
{
	if (set->is_bridge)
		return is_audit ? RULE_SPOOF_BRIDGE_AUDIT : RULE_SPOOF_BRIDGE;
	if (set->who == LEDGER_BY_LINK)
		return is_audit ? RULE_SPOOF_AUDIT : RULE_SPOOF;
	return is_audit ? RULE_SPOOF_OUTPUT_AUDIT : RULE_SPOOF_OUTPUT;
}

enum rule_id ledger_rule(const struct daemon *daemon, const struct flow *flow,
			 const struct endpoint *owner)
{
	bool is_audit = daemon->config->fallback.mode != CONFIG_MODE_DENY;
	const struct ledger_set *set = flow_set(&flow->key);

	if (flow->rule < RULE_N)
		return flow->rule;
	switch (set->class) {
	case LEDGER_AUDITED: return owner ? RULE_AUDIT : RULE_PENDING_AUDIT;
	case LEDGER_ALLOWED: return RULE_ALLOW;
	case LEDGER_SPOOFED: return spoofed_by(set, is_audit);
	case LEDGER_TUNNELED: return is_audit ? RULE_TUNNEL_AUDIT : RULE_TUNNEL;
	case LEDGER_QUARANTINED: return set->is_inbound ? RULE_QUARANTINE_IN : RULE_QUARANTINE;
	case LEDGER_BACKSTOPPED:
		return compile_backstop_denies(daemon->config) ? RULE_PACKET : RULE_PACKET_AUDIT;
	default: return denied_by(daemon, owner);
	}
}

static void record_make(const struct flow *flow, const struct flow_facts *facts,
			struct pf_nflog_record *record)
{
	const struct ledger_set *set = flow_set(&flow->key);

	*record = (struct pf_nflog_record){
		.family = set->is_bridge ? AF_BRIDGE : set->family,
		.hook = facts->link ? NF_INET_FORWARD : NF_INET_LOCAL_OUT,
		.link_in = set->is_bridge ? 0 : facts->link,
		.link_out = flow->detail.link_out,
		.port_in = set->is_bridge ? facts->link : flow->detail.port_in,
		.mark = facts->index,
		.has_uid = flow->detail.has_uid,
		.uid = flow->detail.uid,
		.has_gid = flow->detail.has_gid,
		.gid = flow->detail.gid,
	};
	if (!facts->device)
		return;
	record->family = NFPROTO_NETDEV;
	record->hook = NF_NETDEV_EGRESS;
	record->link_out = facts->device;
}

void ledger_tell(struct daemon *daemon, struct flow *flow, enum event_flow_state state,
		 uint64_t now_usec)
{
	const struct flow_count count = flow_untold(flow);
	struct pf_nflog_record record;
	struct flow_facts facts;
	struct event_flow told;
	struct event event = {.record = &record, .created_usec = now_usec, .time_usec = now_usec};

	if (!flow_key_read(&flow->key, &facts))
		return;
	record_make(flow, &facts, &record);
	event.meaning.rule = ledger_rule(daemon, flow, ledger_owner(daemon->snapshot, &facts));
	event.meaning.has_index = facts.cgroup || facts.held;
	event.meaning.index = facts.held ? facts.held : (uint32_t)facts.cgroup;
	event.has_packet = flow_set(&flow->key)->kind != LEDGER_OVER;
	if (flow->has_detail)
		event.packet = flow->detail.packet;
	else
		packet_make(&facts, &event.packet);
	count_told(flow, &count, now_usec);
	fill(flow, state, &count, &event, &told);
	event.culprit = flow->extra;
	event_judge(&event, daemon->snapshot, &daemon->rulebook);
	stream_write(daemon, &event);
}
