/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

/* Where somebody may send to, as an operator writes it:
 *
 *	NETWORK[:PORT[-PORT][/PROTOCOL]]
 *
 * NETWORK is an address or a network in CIDR notation; in IPv6 it stands in brackets where ports follow.
 * PROTOCOL is tcp, udp or sctp; without it ports are of TCP and UDP. */
struct destination {
	struct pf_prefix prefix;
	uint8_t protocol;     /* IANA; 0: TCP and UDP where there are ports, else every protocol */
	uint16_t first, last; /* host order; 0 and 0: every port, and what has none */
};

enum destination_error {
	DESTINATION_E_NETWORK = 1, /* its network is none */
	DESTINATION_E_HOST_BITS,
	DESTINATION_E_LENGTH, /* a prefix length beyond the address */
	DESTINATION_E_BRACKETS,
	DESTINATION_E_PORT,
	DESTINATION_E_RANGE, /* ends before it begins */
	DESTINATION_E_PROTOCOL,
};

/* 0 or an enum destination_error. Pure. */
PF_MUST_CHECK int destination_parse(const char *text, struct destination *ret_destination);
/* What is wrong, to follow the text: "has host bits set". */
const char *destination_error(int error);

#define DESTINATION_TEXT 80
/* Value to text that parses to the same value. Returns its buffer. */
const char *destination_format(const struct destination *destination,
			       char buffer[static DESTINATION_TEXT]);
