/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A colon tells ports only after an IPv4 network or after a bracket: everything else with a colon is an IPv6
 * network as a whole, so that 2001:db8::443 can never mean port 443 of another network. */
#include "base/destination.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

static int parse_network(const char *text, size_t length, struct pf_prefix *prefix)
{
	char copy[PF_PREFIX_TEXT];

	if (length >= sizeof(copy))
		return DESTINATION_E_NETWORK;
	memcpy(copy, text, length);
	copy[length] = '\0';
	switch (pf_prefix_parse(copy, prefix)) {
	case 0: return 0;
	case -EDOM: return DESTINATION_E_HOST_BITS;
	case -ERANGE: return DESTINATION_E_LENGTH;
	default: return DESTINATION_E_NETWORK;
	}
}

/* Decimal, 1 to 65535, without leading zero; moves on behind it. */
static int parse_port(const char **text, uint16_t *port)
{
	size_t n = strspn(*text, "0123456789");
	unsigned number = 0;

	if (!n || n > 5 || (*text)[0] == '0')
		return DESTINATION_E_PORT;
	for (size_t i = 0; i < n; i++)
		number = 10 * number + (unsigned)((*text)[i] - '0');
	if (number > UINT16_MAX)
		return DESTINATION_E_PORT;
	*text += n;
	*port = (uint16_t)number;
	return 0;
}

static int parse_protocol(const char *text, uint8_t *protocol)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!strcmp(protocols[i].name, text)) {
			*protocol = protocols[i].number;
			return 0;
		}
	return DESTINATION_E_PROTOCOL;
}

static int parse_ports(const char *text, struct destination *destination)
{
	int r = parse_port(&text, &destination->first);

	destination->last = destination->first;
	if (!r && *text == '-') {
		text++;
		r = parse_port(&text, &destination->last);
		if (!r && destination->last < destination->first)
			r = DESTINATION_E_RANGE;
	}
	if (!r && *text == '/')
		return parse_protocol(text + 1, &destination->protocol);
	return r || !*text ? r : DESTINATION_E_PORT;
}

int destination_parse(const char *text, struct destination *ret_destination)
{
	struct destination destination = {};
	const char *network = text, *end = text + strlen(text), *ports = NULL;
	bool has_brackets = text[0] == '[';

	if (has_brackets) {
		network = text + 1;
		end = strchr(network, ']');
		if (!end || (end[1] && end[1] != ':'))
			return DESTINATION_E_BRACKETS;
		ports = end[1] ? end + 2 : NULL;
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		/* IPv6 has two colons at least */
		end = strchr(text, ':');
		ports = end + 1;
	}
	int r = parse_network(network, (size_t)(end - network), &destination.prefix);
	if (!r && has_brackets && destination.prefix.address.family != AF_INET6)
		r = DESTINATION_E_BRACKETS;
	if (!r && ports)
		r = parse_ports(ports, &destination);
	if (!r)
		*ret_destination = destination;
	return r;
}

const char *destination_error(int error)
{
	switch (error) {
	case DESTINATION_E_NETWORK: return "is no address or network in CIDR notation";
	case DESTINATION_E_HOST_BITS: return "has host bits set";
	case DESTINATION_E_LENGTH: return "has a prefix length beyond the address";
	case DESTINATION_E_BRACKETS:
		return "has brackets that do not hold an IPv6 network, as in "
		       "[2001:db8::/32]:443/tcp";
	case DESTINATION_E_PORT: return "has no port from 1 to 65535 after the network";
	case DESTINATION_E_RANGE: return "has ports that end before they begin";
	case DESTINATION_E_PROTOCOL: return "has a protocol that is not tcp, udp or sctp";
	default: return "is no destination";
	}
}

static const char *protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

const char *destination_format(const struct destination *destination,
			       char buffer[static DESTINATION_TEXT])
{
	bool is_bracketed = destination->first && destination->prefix.address.family == AF_INET6;
	const char *protocol = protocol_name(destination->protocol);
	char prefix[PF_PREFIX_TEXT], range[16] = "";

	if (destination->last != destination->first)
		snprintf(range, sizeof(range), "-%u", destination->last);
	pf_prefix_format(&destination->prefix, prefix);
	if (!destination->first)
		snprintf(buffer, DESTINATION_TEXT, "%s", prefix);
	else
		snprintf(buffer, DESTINATION_TEXT, "%s%s%s:%u%s%s%s", is_bracketed ? "[" : "",
			 prefix, is_bracketed ? "]" : "", destination->first, range,
			 protocol ? "/" : "", protocol ? protocol : "");
	return buffer;
}
