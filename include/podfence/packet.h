/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>
#include <podfence/address.h>

/* What the head of one packet says. Pure value: no pointer into the parsed bytes. */
struct pf_packet {
	struct pf_address source, destination; /* for ARP: sender and target protocol address */
	uint32_t length;    /* bytes, from the IP header (jumbograms, BIG TCP: as captured) */
	uint16_t ethertype; /* host order, 0x0800, 0x86dd or 0x0806 */
	uint8_t protocol;   /* IANA number; IPv6: where nftables ends the extension headers */
	uint8_t hop_limit;
	bool has_ports; /* TCP, UDP, UDP-Lite, SCTP, DCCP with the ports captured */
	uint16_t source_port, destination_port; /* host order */
	bool has_tcp_flags;
	uint8_t tcp_flags; /* the flag byte: FIN 0x01 ... CWR 0x80 */
	bool has_icmp;	   /* ICMP over IPv4, ICMPv6 over IPv6 */
	uint8_t icmp_type, icmp_code;
	bool has_icmp_id; /* bytes 4 and 5, of echoes the identifier */
	uint16_t icmp_id;
	bool is_fragment;	  /* fragment offset or more-fragments set */
	uint16_t fragment_offset; /* bytes; when not zero there is no transport header */
	/* The capture or the packet itself ended before the transport header did, or more extension
	 * headers than anybody needs stand before it. */
	bool is_truncated;
};

enum {
	PF_PACKET_E_SHORT = 1, /* not even the fixed network header was captured */
	PF_PACKET_E_MALFORMED, /* header length or version contradicts itself */
	PF_PACKET_E_UNKNOWN,   /* neither IPv4, IPv6 nor ARP */
};

/* Parses a packet that begins with its network header. ethertype in host order; 0: take it from the
 * IP version. Truncated input is normal (a capture holds 128 bytes): what was captured is set and
 * is_truncated says the rest is not. 0, or one of PF_PACKET_E_*; never touches ret_packet then. */
PF_MUST_CHECK int pf_packet_parse(const uint8_t *bytes, size_t length, uint16_t ethertype,
				  struct pf_packet *ret_packet);
/* The same of one that begins with an Ethernet header; up to two VLAN tags are passed over. */
PF_MUST_CHECK int pf_packet_parse_frame(const uint8_t *bytes, size_t length,
					struct pf_packet *ret_packet);
