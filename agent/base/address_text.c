/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups becomes
 * "::". IPv4-mapped and IPv4-compatible addresses end in dotted form, as inet_ntop() writes them:
 * one address must not have two spellings in one installation. */
#include "base/address_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static char *octet_text(char *at, unsigned value)
{
	if (value >= 100)
		*at++ = (char)('0' + value / 100);
	if (value >= 10)
		*at++ = (char)('0' + value / 10 % 10);
	*at++ = (char)('0' + value % 10);
	return at;
}

static char *ipv4_text(char *at, const uint8_t bytes[static 4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*at++ = '.';
		at = octet_text(at, bytes[i]);
	}
	return at;
}

static char *group_text(char *at, unsigned value)
{
	static const char digits[] = "0123456789abcdef";
	int shift = value >= 0x1000 ? 12 : value >= 0x100 ? 8 : value >= 0x10 ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*at++ = digits[value >> shift & 0xf];
	return at;
}

struct zero_run {
	int start, length; /* start -1: none */
};

static struct zero_run zero_run_find(const uint16_t groups[static 8])
{
	struct zero_run best = {-1, 0};

	for (int i = 0; i < 8;) {
		int start = i;
		while (i < 8 && !groups[i])
			i++;
		if (i - start > best.length)
			best = (struct zero_run){start, i - start};
		if (i == start)
			i++;
	}
	return best.length >= 2 ? best : (struct zero_run){-1, 0};
}

static char *ipv6_text(char *at, const uint8_t bytes[static 16])
{
	uint16_t groups[8];

	for (int i = 0; i < 8; i++)
		groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);

	struct zero_run run = zero_run_find(groups);
	/* A run of seven is ::1 and its like: no IPv4 in there. */
	bool ends_dotted = run.start == 0 &&
			   (run.length == 6 || (run.length == 5 && groups[5] == 0xffff));
	for (int i = 0; i < 8; i++) {
		if (i == run.start) {
			*at++ = ':';
			i += run.length - 1;
			if (i == 7)
				*at++ = ':';
			continue;
		}
		if (i)
			*at++ = ':';
		if (i == 6 && ends_dotted)
			return ipv4_text(at, bytes + 12);
		at = group_text(at, groups[i]);
	}
	return at;
}

size_t address_text(const struct pf_address *address, char buffer[static PF_ADDRESS_TEXT])
{
	char *end = buffer;

	if (address->family == AF_INET)
		end = ipv4_text(buffer, address->bytes);
	else if (address->family == AF_INET6)
		end = ipv6_text(buffer, address->bytes);
	else
		end = stpcpy(buffer, "none");
	*end = '\0';
	return (size_t)(end - buffer);
}
