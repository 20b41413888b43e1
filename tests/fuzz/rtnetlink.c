/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a link, address, route and namespace id, qdisc and filter message. */
#include "node/rtnetlink.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define HOPS 3

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void parse_link(const void *message, size_t length)
{
	struct node_link link;

	if (rtnetlink_link_parse(message, length, &link))
		return;
	require(link.index && link.name[0]);
	require(memchr(link.name, '\0', sizeof(link.name)) &&
		memchr(link.kind, '\0', sizeof(link.kind)) &&
		memchr(link.port_kind, '\0', sizeof(link.port_kind)));
}

static void parse_address(const void *message, size_t length)
{
	struct node_address address;

	if (rtnetlink_address_parse(message, length, &address))
		return;
	require(address.link);
	require(address.address.length <= pf_address_size(&address.address.address) * 8);
}

static void parse_route(const void *message, size_t length)
{
	struct node_route routes[HOPS];
	size_t n;

	if (rtnetlink_route_parse(message, length, routes, HOPS, &n))
		return;
	for (size_t i = 0; i < n && i < HOPS; i++) {
		const struct pf_prefix *destination = &routes[i].destination;
		require(routes[i].link && routes[i].table != 255);
		require(destination->length <= pf_address_size(&destination->address) * 8);
		require(pf_prefix_contains(destination, &destination->address));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	void *message = malloc(length ? length : 1); /* aligned, and no byte longer */
	uint32_t link;
	int32_t nsid;

	if (!message)
		abort();
	memcpy(message, bytes, length);
	parse_link(message, length);
	parse_address(message, length);
	parse_route(message, length);
	(void)!rtnetlink_nsid_parse(message, length, &nsid);
	require(rtnetlink_ingress_parse(message, length, &link) || link);
	(void)!rtnetlink_program_parse(message, length);
	free(message);
	return 0;
}
