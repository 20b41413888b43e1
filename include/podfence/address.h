/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

/* An IPv4 or IPv6 address. family is AF_INET or AF_INET6, 0 means "none"; an IPv4 address uses the
 * first four bytes. Bytes are in network order; what is not used is zero, so memcmp() orders. */
struct pf_address {
	uint8_t family;
	uint8_t bytes[16];
};

/* An address with a prefix length in bits. Host bits are zero. */
struct pf_prefix {
	struct pf_address address;
	uint8_t length;
};

#define PF_ADDRESS_TEXT 48 /* room for any address as text, with its NUL */
#define PF_PREFIX_TEXT	52

static inline size_t pf_address_size(const struct pf_address *address)
{
	return address->family == 2 /* AF_INET */ ? 4 : 16;
}

/* Text to value. 0, or -EINVAL where the text is not exactly one address. No zone, no brackets. */
PF_MUST_CHECK int pf_address_parse(const char *text, struct pf_address *ret_address);

/* "ADDRESS/LENGTH" or "ADDRESS" (a host prefix). 0; -EINVAL where it is neither; -ERANGE where the
 * length does not fit the family; -EDOM where host bits are set (10.0.0.1/8). */
PF_MUST_CHECK int pf_prefix_parse(const char *text, struct pf_prefix *ret_prefix);

/* Value to canonical text (RFC 5952). Returns its buffer. */
const char *pf_address_format(const struct pf_address *address,
			      char buffer[static PF_ADDRESS_TEXT]);
const char *pf_prefix_format(const struct pf_prefix *prefix, char buffer[static PF_PREFIX_TEXT]);

bool pf_address_equal(const struct pf_address *a, const struct pf_address *b);
bool pf_prefix_contains(const struct pf_prefix *prefix, const struct pf_address *address);
