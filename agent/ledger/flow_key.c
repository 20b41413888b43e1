/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The same decisions as the rules make (compile/ledger.c), made again from a captured packet, and back from an
 * element's bytes. Where the two disagree a flow would be told twice: once of the packet, once of the count. */
#include "ledger/flow_key.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <string.h>

#define ICMP	1
#define TCP	6
#define UDP	17
#define DCCP	33
#define ICMPV6	58
#define SCTP	132
#define UDPLITE 136
#define SYN	0x02

const struct ledger_set *flow_set(const struct flow_key *key)
{
	return key->set < n_ledger_sets ? &ledger_sets[key->set] : NULL;
}

static bool is_icmp(const struct pf_packet *packet)
{
	return packet->has_icmp &&
	       packet->protocol == (packet->destination.family == AF_INET ? ICMP : ICMPV6);
}

static int find_kind(const struct pf_packet *packet, enum ledger_kind *ret_kind)
{
	*ret_kind = LEDGER_REST;
	switch (packet->protocol) {
	case TCP:
		if (!packet->has_tcp_flags)
			return FLOW_E_UNKNOWN;
		if (packet->tcp_flags & SYN)
			*ret_kind = LEDGER_PORTS;
		return 0;
	case UDP:
	case DCCP:
	case SCTP:
	case UDPLITE: *ret_kind = LEDGER_PORTS; return packet->has_ports ? 0 : FLOW_E_UNKNOWN;
	default:
		if (is_icmp(packet))
			*ret_kind = LEDGER_PORTS;
		return 0;
	}
}

static int add_who(const struct ledger_set *set, const struct prefix_meaning *meaning,
		   const struct pf_nflog_record *record, const struct pf_packet *packet,
		   uint64_t cgroup, struct pf_key *key)
{
	switch (set->who) {
	case LEDGER_BY_SOURCE:
		pf_key_add_u32(key, record->link_in);
		pf_key_add_address(key, &packet->source);
		return 0;
	case LEDGER_BY_LINK:
		pf_key_add_u32(key, set->is_bridge ? record->port_in : record->link_in);
		return 0;
	case LEDGER_BY_INDEX:
		pf_key_add_u32(key, meaning->has_index ? meaning->index : record->mark);
		return 0;
	case LEDGER_BY_CGROUP: pf_key_add_u64(key, cgroup); return cgroup ? 0 : FLOW_E_UNKNOWN;
	case LEDGER_BY_DEVICE: pf_key_add_u32(key, record->link_out); return 0;
	}
	return FLOW_E_UNKNOWN;
}

/* In the set the last field of several is padded too. */
static void key_pad(struct pf_key *key)
{
	while (key->length % 4 && key->length < PF_KEY_MAX)
		key->bytes[key->length++] = 0;
}

static void key_finish(const struct ledger_set *set, struct pf_key *key, struct flow_key *ret_key)
{
	key_pad(key);
	ret_key->set = (uint8_t)(set - ledger_sets);
	ret_key->key = *key;
}

/* Of a packet that is counted for its sender alone. */
static int sender_key_of(const struct prefix_meaning *meaning, const struct pf_nflog_record *record,
			 const struct pf_packet *packet, uint64_t cgroup, struct flow_key *ret_key)
{
	const struct rule_facts *facts = rule_facts(meaning->rule);
	struct ledger_set like = {
		.class = facts->class,
		.kind = LEDGER_OVER,
		.who = LEDGER_BY_LINK,
		.is_bridge = record->family == AF_BRIDGE,
		.is_inbound = facts->is_inbound,
	};
	struct pf_key key = {};

	if (facts->class == LEDGER_CLASS_N)
		return FLOW_E_NONE;
	if (facts->class == LEDGER_QUARANTINED)
		like.who = LEDGER_BY_INDEX;
	else if (facts->class == LEDGER_BACKSTOPPED)
		like.who = LEDGER_BY_DEVICE;
	else if (record->hook == NF_INET_LOCAL_OUT)
		like.who = facts->lets_pass ? LEDGER_BY_CGROUP : LEDGER_BY_INDEX;
	else if (facts->class == LEDGER_TUNNELED)
		like.who = LEDGER_BY_SOURCE;
	if (like.who == LEDGER_BY_SOURCE && !packet)
		return FLOW_E_UNKNOWN;
	if (like.who == LEDGER_BY_SOURCE)
		like.family = packet->source.family;
	const struct ledger_set *set = ledger_set_find(&like);
	int r = set ? add_who(set, meaning, record, packet, cgroup, &key) : FLOW_E_NONE;
	if (r == 0)
		key_finish(set, &key, ret_key);
	return r;
}

int flow_key_of(const struct prefix_meaning *meaning, const struct pf_nflog_record *record,
		const struct pf_packet *packet, uint64_t cgroup, struct flow_key *ret_key)
{
	const struct rule_facts *facts = rule_facts(meaning->rule);
	bool is_output = record->hook == NF_INET_LOCAL_OUT;
	enum ledger_kind kind = LEDGER_OVER;
	struct pf_key key = {};
	int r;

	if (!ledger_class_has_flows(facts->class))
		return sender_key_of(meaning, record, packet, cgroup, ret_key);
	if (!is_output && record->hook != NF_INET_FORWARD)
		return FLOW_E_NONE;
	if (!packet && !(meaning->is_over && is_output))
		return FLOW_E_UNKNOWN;
	if (packet && packet->destination.family != AF_INET &&
	    packet->destination.family != AF_INET6)
		return FLOW_E_UNKNOWN;
	r = meaning->is_over ? 0 : find_kind(packet, &kind);
	if (r != 0)
		return r;
	if (facts->allows)
		return FLOW_E_NONE; /* nothing of it is logged: this is somebody else's */
	const struct ledger_set *set = ledger_set_find(&(struct ledger_set){
		.class = facts->class,
		.kind = kind,
		.who = ledger_flow_who(facts->class, is_output),
		.family = packet ? packet->destination.family : AF_INET,
	});
	r = add_who(set, meaning, record, packet, cgroup, &key);
	if (kind != LEDGER_OVER) {
		pf_key_add_address(&key, &packet->destination);
		pf_key_add_u8(&key, packet->protocol);
	}
	if (kind == LEDGER_PORTS)
		pf_key_add_port(&key, is_icmp(packet) ? (uint16_t)(packet->icmp_type << 8 |
								   packet->icmp_code)
						      : packet->destination_port);
	key_finish(set, &key, ret_key);
	return r;
}

/* The bytes of a key, one field after the other. */
struct reading {
	const struct pf_key *key;
	size_t at;
	bool is_short;
};

static void take(struct reading *reading, void *target, size_t size)
{
	if (reading->at + size > reading->key->length) {
		reading->is_short = true;
		return;
	}
	memcpy(target, reading->key->bytes + reading->at, size);
	reading->at += (size + 3u) & ~(size_t)3;
}

static void take_address(struct reading *reading, uint8_t family, struct pf_address *address)
{
	address->family = family;
	take(reading, address->bytes, family == AF_INET ? 4 : 16);
}

static void take_port(struct reading *reading, struct flow_facts *facts)
{
	uint8_t bytes[2] = {};

	take(reading, bytes, sizeof(bytes));
	facts->has_icmp = facts->protocol == ICMP || facts->protocol == ICMPV6;
	facts->has_port = !facts->has_icmp;
	facts->icmp_type = bytes[0];
	facts->icmp_code = bytes[1];
	facts->port = (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void take_who(struct reading *reading, const struct ledger_set *set,
		     struct flow_facts *facts)
{
	uint32_t *index = set->class == LEDGER_QUARANTINED ? &facts->held : &facts->index;

	switch (set->who) {
	case LEDGER_BY_SOURCE:
		take(reading, &facts->link, sizeof(facts->link));
		take_address(reading, set->family, &facts->source);
		break;
	case LEDGER_BY_LINK: take(reading, &facts->link, sizeof(facts->link)); break;
	case LEDGER_BY_INDEX: take(reading, index, sizeof(*index)); break;
	case LEDGER_BY_CGROUP: take(reading, &facts->cgroup, sizeof(facts->cgroup)); break;
	case LEDGER_BY_DEVICE: take(reading, &facts->device, sizeof(facts->device)); break;
	}
}

bool flow_key_read(const struct flow_key *key, struct flow_facts *ret_facts)
{
	const struct ledger_set *set = flow_set(key);
	struct reading reading = {.key = &key->key};
	struct flow_facts facts = {};

	if (!set || key->key.length > PF_KEY_MAX)
		return false;
	take_who(&reading, set, &facts);
	if (set->kind != LEDGER_OVER) {
		take_address(&reading, set->family, &facts.destination);
		take(&reading, &facts.protocol, sizeof(facts.protocol));
	}
	if (set->kind == LEDGER_PORTS)
		take_port(&reading, &facts);
	if (reading.is_short || reading.at != key->key.length)
		return false;
	*ret_facts = facts;
	return true;
}
