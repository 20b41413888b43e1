/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <podfence/address.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int pf_address_parse(const char *text, struct pf_address *ret_address)
{
	struct pf_address address = {};

	if (inet_pton(AF_INET, text, address.bytes) == 1)
		address.family = AF_INET;
	else if (inet_pton(AF_INET6, text, address.bytes) == 1)
		address.family = AF_INET6;
	else
		return -EINVAL;
	*ret_address = address;
	return 0;
}

/* A decimal number of one to three digits without sign or leading zero. */
static int length_parse(const char *text, unsigned *ret_length)
{
	size_t n = strspn(text, "0123456789");
	if (!n || n > 3 || text[n] || (text[0] == '0' && n > 1))
		return -EINVAL;
	unsigned length = 0;
	for (size_t i = 0; i < n; i++)
		length = length * 10 + (unsigned)(text[i] - '0');
	*ret_length = length;
	return 0;
}

static void bytes_mask(uint8_t *bytes, size_t size, unsigned length)
{
	for (size_t i = 0; i<size; i++, length = length> 8 ? length - 8 : 0)
		bytes[i] &= length >= 8 ? 0xff : (uint8_t)(0xff00 >> length);
}

int pf_prefix_parse(const char *text, struct pf_prefix *ret_prefix)
{
	char address_text[PF_ADDRESS_TEXT];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct pf_prefix prefix = {};

	if (n >= sizeof(address_text))
		return -EINVAL;
	memcpy(address_text, text, n);
	address_text[n] = '\0';
	if (pf_address_parse(address_text, &prefix.address) < 0)
		return -EINVAL;

	size_t size = pf_address_size(&prefix.address);
	unsigned length = (unsigned)size * 8;
	if (slash && length_parse(slash + 1, &length) < 0)
		return -EINVAL;
	if (length > size * 8)
		return -ERANGE;
	prefix.length = (uint8_t)length;

	struct pf_prefix masked = prefix;
	bytes_mask(masked.address.bytes, size, length);
	if (memcmp(&masked, &prefix, sizeof(prefix)) != 0)
		return -EDOM;
	*ret_prefix = prefix;
	return 0;
}

const char *pf_address_format(const struct pf_address *address, char buffer[static PF_ADDRESS_TEXT])
{
	if (!inet_ntop(address->family, address->bytes, buffer, PF_ADDRESS_TEXT))
		strcpy(buffer, "none");
	return buffer;
}

const char *pf_prefix_format(const struct pf_prefix *prefix, char buffer[static PF_PREFIX_TEXT])
{
	char text[PF_ADDRESS_TEXT];

	snprintf(buffer, PF_PREFIX_TEXT, "%s/%u", pf_address_format(&prefix->address, text),
		 prefix->length);
	return buffer;
}

bool pf_address_equal(const struct pf_address *a, const struct pf_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool pf_prefix_contains(const struct pf_prefix *prefix, const struct pf_address *address)
{
	struct pf_address masked = *address;

	if (prefix->address.family != address->family)
		return false;
	bytes_mask(masked.bytes, pf_address_size(address), prefix->length);
	return pf_address_equal(&prefix->address, &masked);
}
