/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The head of a packet, read from what was captured of it. Every read asks the cursor whether the
 * bytes are there; a capture that ends early is normal and only sets is_truncated. What contradicts
 * itself (a header length below its minimum, another version than the ethertype says) is refused,
 * because an event made of it would lie. So would what stands behind the packet's own end, in the
 * padding of its frame: the cursor ends where the packet does.
 *
 * The chain of IPv6 extension headers is walked as ipv6_find_hdr() walks it for nftables, so that
 * `protocol` is what rules and ledger call meta l4proto. Mobility, HIP and Shim6 headers end it.
 *
 * TCP in segments of more than 64 KiB ("BIG TCP", Linux 5.19, IPv4 6.3) has no length that fits its
 * header: it is zero, for IPv6 with or without a hop-by-hop header before TCP. */
#include <podfence/packet.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8

#define VLAN_TAGS_MAX 2

#define PROTOCOL_UDPLITE 136
#define PROTOCOL_DCCP	 33
#define PROTOCOL_SCTP	 132

/* A chain of extension headers longer than this is nobody's traffic; the rest is not looked at. */
#define EXTENSION_HEADERS_MAX 16

struct cursor {
	const uint8_t *at;
	size_t left;
};

static const uint8_t *take(struct cursor *cursor, size_t length)
{
	const uint8_t *at = cursor->at;

	if (cursor->left < length)
		return NULL;
	cursor->at += length;
	cursor->left -= length;
	return at;
}

static void end_at(struct cursor *cursor, size_t left)
{
	if (cursor->left > left)
		cursor->left = left;
}

static uint16_t read16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void read_ports(struct cursor *cursor, struct pf_packet *packet)
{
	const uint8_t *bytes = take(cursor, 4);

	if (!bytes) {
		packet->is_truncated = true;
		return;
	}
	packet->has_ports = true;
	packet->source_port = read16(bytes);
	packet->destination_port = read16(bytes + 2);
}

static void read_tcp_flags(struct cursor *cursor, struct pf_packet *packet)
{
	/* Sequence and acknowledgement number and the data offset stand between ports and flags. */
	const uint8_t *bytes = packet->has_ports ? take(cursor, 10) : NULL;

	if (!bytes) {
		packet->is_truncated = true;
		return;
	}
	packet->has_tcp_flags = true;
	packet->tcp_flags = bytes[9];
}

static void read_icmp(struct cursor *cursor, struct pf_packet *packet)
{
	const uint8_t *bytes = take(cursor, 2);

	if (!bytes) {
		packet->is_truncated = true;
		return;
	}
	packet->has_icmp = true;
	packet->icmp_type = bytes[0];
	packet->icmp_code = bytes[1];
	bytes = take(cursor, 6); /* checksum, identifier, sequence */
	packet->has_icmp_id = bytes != NULL;
	packet->icmp_id = bytes ? (uint16_t)read16(bytes + 2) : 0;
	packet->is_truncated |= !bytes;
}

static void read_transport(struct cursor *cursor, struct pf_packet *packet)
{
	if (packet->fragment_offset)
		return;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		read_ports(cursor, packet);
		read_tcp_flags(cursor, packet);
		break;
	case IPPROTO_UDP:
	case PROTOCOL_UDPLITE:
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP: read_ports(cursor, packet); break;
	case IPPROTO_ICMP:
		if (packet->ethertype == ETHERTYPE_IPV4)
			read_icmp(cursor, packet);
		break;
	case IPPROTO_ICMPV6:
		if (packet->ethertype == ETHERTYPE_IPV6)
			read_icmp(cursor, packet);
		break;
	}
}

static void read_address(struct pf_address *address, uint8_t family, const uint8_t *bytes)
{
	address->family = family;
	memcpy(address->bytes, bytes, family == AF_INET ? 4 : 16);
}

static int parse_ipv4(struct cursor *cursor, struct pf_packet *packet)
{
	const uint8_t *header = take(cursor, 20);

	if (!header)
		return PF_PACKET_E_SHORT;
	size_t own = (size_t)(header[0] & 15) * 4, total = read16(header + 2);
	bool is_big = !total && header[9] == IPPROTO_TCP;
	if (header[0] >> 4 != 4 || own < 20 || (total < own && !is_big))
		return PF_PACKET_E_MALFORMED;
	if (is_big)
		total = 20 + cursor->left;
	end_at(cursor, total - 20);
	packet->length = (uint32_t)total;
	packet->fragment_offset = (uint16_t)((read16(header + 6) & 0x1fff) * 8);
	packet->is_fragment = packet->fragment_offset || header[6] & 0x20;
	packet->hop_limit = header[8];
	packet->protocol = header[9];
	read_address(&packet->source, AF_INET, header + 12);
	read_address(&packet->destination, AF_INET, header + 16);
	if (!take(cursor, own - 20)) {
		packet->is_truncated = true;
		return 0;
	}
	read_transport(cursor, packet);
	return 0;
}

static bool is_extension(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH: return true;
	default: return false;
	}
}

/* One extension header: sets packet->protocol to what follows it. False where its bytes are not
 * there. */
static bool skip_extension(struct cursor *cursor, struct pf_packet *packet)
{
	const uint8_t *header = take(cursor, 8);

	if (!header)
		return false;
	size_t length = packet->protocol == IPPROTO_FRAGMENT ? 8
			: packet->protocol == IPPROTO_AH     ? ((size_t)header[1] + 2) * 4
							     : ((size_t)header[1] + 1) * 8;
	if (packet->protocol == IPPROTO_FRAGMENT) {
		packet->fragment_offset = read16(header + 2) & 0xfff8;
		packet->is_fragment |= packet->fragment_offset || header[3] & 1;
	}
	packet->protocol = header[0];
	return length <= 8 || take(cursor, length - 8);
}

static int parse_ipv6(struct cursor *cursor, struct pf_packet *packet)
{
	const uint8_t *header = take(cursor, 40);

	if (!header)
		return PF_PACKET_E_SHORT;
	if (header[0] >> 4 != 6)
		return PF_PACKET_E_MALFORMED;
	size_t payload = read16(header + 4);
	if (!payload && (header[6] == IPPROTO_HOPOPTS || header[6] == IPPROTO_TCP))
		payload = cursor->left;
	end_at(cursor, payload);
	packet->length = 40 + (uint32_t)payload;
	packet->protocol = header[6];
	packet->hop_limit = header[7];
	read_address(&packet->source, AF_INET6, header + 8);
	read_address(&packet->destination, AF_INET6, header + 24);
	/* What follows a later fragment's header is the middle of something. */
	for (unsigned i = 0; is_extension(packet->protocol) && !packet->fragment_offset; i++)
		if (i == EXTENSION_HEADERS_MAX || !skip_extension(cursor, packet)) {
			packet->is_truncated = true;
			return 0;
		}
	read_transport(cursor, packet);
	return 0;
}

/* RFC 826 for IPv4 over Ethernet; other hardware and protocols are of no interest. */
static int parse_arp(struct cursor *cursor, struct pf_packet *packet)
{
	const uint8_t *bytes = take(cursor, 28);

	if (!bytes)
		return PF_PACKET_E_SHORT;
	if (read16(bytes + 2) != ETHERTYPE_IPV4 || bytes[4] != 6 || bytes[5] != 4)
		return PF_PACKET_E_MALFORMED;
	packet->length = 28;
	read_address(&packet->source, AF_INET, bytes + 14);
	read_address(&packet->destination, AF_INET, bytes + 24);
	return 0;
}

int pf_packet_parse(const uint8_t *bytes, size_t length, uint16_t ethertype,
		    struct pf_packet *ret_packet)
{
	struct cursor cursor = {bytes, length};
	struct pf_packet packet = {};
	int r;

	if (!ethertype && length)
		ethertype = bytes[0] >> 4 == 4	 ? ETHERTYPE_IPV4
			    : bytes[0] >> 4 == 6 ? ETHERTYPE_IPV6
						 : 0;
	packet.ethertype = ethertype;
	switch (ethertype) {
	case ETHERTYPE_IPV4: r = parse_ipv4(&cursor, &packet); break;
	case ETHERTYPE_IPV6: r = parse_ipv6(&cursor, &packet); break;
	case ETHERTYPE_ARP: r = parse_arp(&cursor, &packet); break;
	default: r = length ? PF_PACKET_E_UNKNOWN : PF_PACKET_E_SHORT; break;
	}
	if (!r)
		*ret_packet = packet;
	return r;
}

int pf_packet_parse_frame(const uint8_t *bytes, size_t length, struct pf_packet *ret_packet)
{
	struct cursor cursor = {bytes, length};
	const uint8_t *header = take(&cursor, 14);
	uint16_t type = header ? read16(header + 12) : 0;

	for (unsigned i = 0; header && i < VLAN_TAGS_MAX; i++) {
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		header = take(&cursor, 4);
		type = header ? read16(header + 2) : 0;
	}
	if (!header)
		return PF_PACKET_E_SHORT;
	/* 0 would be taken for "by the version of IP". */
	return type ? pf_packet_parse(cursor.at, cursor.left, type, ret_packet)
		    : PF_PACKET_E_UNKNOWN;
}
