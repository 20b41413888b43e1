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

static int add_who(const struct ledger_set *set, const struct pf_nflog_record *record,
		   const struct pf_packet *packet, uint64_t cgroup, struct pf_key *key)
{
	if (!set->is_output) {
		pf_key_add_u32(key, record->link_in);
		pf_key_add_address(key, &packet->source);
	} else if (set->class == LEDGER_DENIED) {
		pf_key_add_u32(key, record->mark);
	} else {
		pf_key_add_u64(key, cgroup);
		return cgroup ? 0 : FLOW_E_UNKNOWN;
	}
	return 0;
}

/* In the set the last field of several is padded too. */
static void key_pad(struct pf_key *key)
{
	while (key->length % 4 && key->length < PF_KEY_MAX)
		key->bytes[key->length++] = 0;
}

int flow_key_of(const struct prefix_meaning *meaning, const struct pf_nflog_record *record,
		const struct pf_packet *packet, uint64_t cgroup, struct flow_key *ret_key)
{
	const struct rule_facts *facts = rule_facts(meaning->rule);
	bool is_output = record->hook == NF_INET_LOCAL_OUT;
	enum ledger_kind kind = LEDGER_OVER;
	struct pf_key key = {};
	int r;

	if (!facts->keeps_flows || (!is_output && record->hook != NF_INET_FORWARD))
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
	const struct ledger_set *set =
		ledger_set_find(facts->lets_pass ? LEDGER_AUDITED : LEDGER_DENIED, kind, is_output,
				packet ? packet->destination.family : AF_INET);
	r = add_who(set, record, packet, cgroup, &key);
	if (kind != LEDGER_OVER) {
		pf_key_add_address(&key, &packet->destination);
		pf_key_add_u8(&key, packet->protocol);
	}
	if (kind == LEDGER_PORTS)
		pf_key_add_port(&key, is_icmp(packet) ? (uint16_t)(packet->icmp_type << 8 |
								   packet->icmp_code)
						      : packet->destination_port);
	key_pad(&key);
	ret_key->set = (uint8_t)(set - ledger_sets);
	ret_key->key = key;
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

bool flow_key_read(const struct flow_key *key, struct flow_facts *ret_facts)
{
	const struct ledger_set *set = flow_set(key);
	struct reading reading = {.key = &key->key};
	struct flow_facts facts = {};

	if (!set || key->key.length > PF_KEY_MAX)
		return false;
	if (!set->is_output) {
		take(&reading, &facts.link, sizeof(facts.link));
		take_address(&reading, set->family, &facts.source);
	} else if (set->class == LEDGER_DENIED) {
		take(&reading, &facts.index, sizeof(facts.index));
	} else {
		take(&reading, &facts.cgroup, sizeof(facts.cgroup));
	}
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
