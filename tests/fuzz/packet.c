/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Two bytes of ethertype, then any bytes as a packet; 0xffff: as a frame with its header. What is read of a part
 * must not contradict what is read of the whole. */
#include <podfence/packet.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FRAME 0xffff

static void require(bool condition)
{
	if (!condition)
		abort();
}

static int parse(const uint8_t *bytes, size_t length, uint16_t ethertype, struct pf_packet *packet)
{
	uint8_t *exact = malloc(length ? length : 1);

	if (!exact)
		abort();
	memcpy(exact, bytes, length);
	int r = ethertype == FRAME ? pf_packet_parse_frame(exact, length, packet)
				   : pf_packet_parse(exact, length, ethertype, packet);
	free(exact);
	require(r >= 0 && r <= PF_PACKET_E_UNKNOWN);
	return r;
}

static void check(const struct pf_packet *packet)
{
	uint8_t family = packet->ethertype == 0x86dd ? AF_INET6 : AF_INET;

	require(packet->ethertype == 0x0800 || packet->ethertype == 0x86dd ||
		packet->ethertype == 0x0806);
	require(packet->source.family == family && packet->destination.family == family);
	require(packet->length >= (family == AF_INET6 ? 40 : 20));
	require(!packet->has_tcp_flags || (packet->has_ports && packet->protocol == 6));
	require(!packet->has_icmp || packet->protocol == (family == AF_INET6 ? 58 : 1));
	require(!packet->has_ports || !packet->has_icmp);
	require(!packet->has_icmp_id || packet->has_icmp);
	require(!packet->fragment_offset || packet->is_fragment);
	require(packet->fragment_offset % 8 == 0);
	require(!packet->fragment_offset || !(packet->has_ports || packet->has_icmp));
}

static void check_part(const struct pf_packet *part, const struct pf_packet *whole)
{
	check(part);
	require(memcmp(&part->source, &whole->source, sizeof(part->source)) == 0);
	require(memcmp(&part->destination, &whole->destination, sizeof(part->source)) == 0);
	require(part->is_truncated || part->protocol == whole->protocol);
	require(!part->has_ports || (whole->has_ports && part->source_port == whole->source_port &&
				     part->destination_port == whole->destination_port));
	require(!part->has_tcp_flags || part->tcp_flags == whole->tcp_flags);
	require(!part->has_icmp ||
		(part->icmp_type == whole->icmp_type && part->icmp_code == whole->icmp_code));
	require(!part->is_fragment || whole->is_fragment);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct pf_packet whole, part;

	if (length < 2)
		return 0;
	uint16_t ethertype = (uint16_t)(bytes[0] << 8 | bytes[1]);
	bytes += 2;
	length -= 2;
	int r = parse(bytes, length, ethertype, &whole);
	if (!r)
		check(&whole);
	for (size_t cut = 0; cut < length && cut < 256; cut++)
		if (parse(bytes, cut, ethertype, &part) == 0) {
			require(r == 0);
			check_part(&part, &whole);
		}
	return 0;
}
