/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Community ID version 1 (github.com/corelight/community-id-spec): one text for both directions of
 * a flow, the same in every tool that knows the flow.
 *
 *	SHA-1 of: seed (2 bytes), lesser address, greater address, protocol, 0, [port, port]
 *
 * Addresses are ordered together with their ports. Of ICMP the type stands in place of the source
 * port, and the type of the answer in place of the destination's; a message that has no answer puts
 * its code there and is never turned round. Only TCP, UDP, SCTP and ICMP have ports in this sense.
 *
 * Addresses and ports are those of the packet: after the destination was translated, before the
 * source is. */
#include "event/community_id.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* SHA1() looks the algorithm up among the providers each time, which takes six times as long as one block does. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>

struct ends {
	bool has_ports;
	bool is_one_way;
	uint16_t source, destination;
};

/* RFC 792, 950, 1256, 2710, 4861, 6275 and 4620: what answers what. */
static const uint8_t icmp_pairs[][2] = {{8, 0}, {13, 14}, {15, 16}, {10, 9}, {17, 18}};
static const uint8_t icmp6_pairs[][2] = {{128, 129}, {130, 131}, {133, 134},
					 {135, 136}, {139, 140}, {144, 145}};

static void ends_of_icmp(const struct pf_packet *packet, const uint8_t (*pairs)[2], size_t n,
			 struct ends *ends)
{
	ends->has_ports = packet->has_icmp;
	ends->is_one_way = true;
	ends->source = packet->icmp_type;
	ends->destination = packet->icmp_code;
	for (size_t i = 0; i < n; i++)
		for (size_t side = 0; side < 2; side++)
			if (pairs[i][side] == packet->icmp_type) {
				ends->is_one_way = false;
				ends->destination = pairs[i][!side];
			}
}

static void ends_of(const struct pf_packet *packet, struct ends *ends)
{
	*ends = (struct ends){};
	switch (packet->protocol) {
	case IPPROTO_ICMP:
		ends_of_icmp(packet, icmp_pairs, sizeof(icmp_pairs) / sizeof(icmp_pairs[0]), ends);
		break;
	case IPPROTO_ICMPV6:
		ends_of_icmp(packet, icmp6_pairs, sizeof(icmp6_pairs) / sizeof(icmp6_pairs[0]),
			     ends);
		break;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		ends->has_ports = packet->has_ports;
		ends->source = packet->source_port;
		ends->destination = packet->destination_port;
		break;
	default: break;
	}
}

static bool is_turned(const struct pf_packet *packet, const struct ends *ends)
{
	int order = memcmp(packet->source.bytes, packet->destination.bytes,
			   pf_address_size(&packet->source));

	if (ends->is_one_way)
		return false;
	return order > 0 || (order == 0 && ends->source > ends->destination);
}

static size_t put(uint8_t *bytes, size_t n, const void *what, size_t length)
{
	memcpy(bytes + n, what, length);
	return n + length;
}

static size_t put_16(uint8_t *bytes, size_t n, uint16_t value)
{
	bytes[n] = (uint8_t)(value >> 8);
	bytes[n + 1] = (uint8_t)value;
	return n + 2;
}

void community_id_digest(const struct pf_packet *packet, uint16_t seed,
			 uint8_t ret_digest[static COMMUNITY_ID_DIGEST])
{
	const size_t size = pf_address_size(&packet->source);
	uint8_t bytes[2 + 16 + 16 + 2 + 4];
	struct ends ends;
	size_t n = 0;

	ends_of(packet, &ends);
	bool turned = is_turned(packet, &ends);
	n = put_16(bytes, n, seed);
	n = put(bytes, n, turned ? packet->destination.bytes : packet->source.bytes, size);
	n = put(bytes, n, turned ? packet->source.bytes : packet->destination.bytes, size);
	bytes[n++] = packet->protocol;
	bytes[n++] = 0;
	if (ends.has_ports) {
		n = put_16(bytes, n, turned ? ends.destination : ends.source);
		n = put_16(bytes, n, turned ? ends.source : ends.destination);
	}
	SHA_CTX hash;
	SHA1_Init(&hash);
	SHA1_Update(&hash, bytes, n);
	SHA1_Final(ret_digest, &hash);
}

void community_id_text(const struct pf_packet *packet, char text[static COMMUNITY_ID_TEXT])
{
	uint8_t digest[COMMUNITY_ID_DIGEST];

	community_id_digest(packet, 0, digest);
	memcpy(text, "1:", 2);
	EVP_EncodeBlock((unsigned char *)text + 2, digest, sizeof(digest));
}
