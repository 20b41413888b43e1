/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Which devices the node reaches the world and other nodes by. Every routing table counts (clouds
 * route each card by a table of its own). A wrong "yes" lets packets of a pod pass unjudged, a
 * wrong "no" judges traffic from outside; so a tunnel is never an uplink, not even with the default
 * route: what it delivers was chosen by whoever sent the outer packet.
 *
 * Uplinks are few and routes may be very many, so the routes are searched once for each uplink
 * found, in order of ifindex; no memory is needed. */
#include "node/uplink.h"

#include <string.h>

static bool is_kind(const struct node_link *link, const char *const *kinds, size_t n_kinds)
{
	for (size_t i = 0; i < n_kinds; i++)
		if (strncmp(link->kind, kinds[i], sizeof(link->kind)) == 0)
			return true;
	return false;
}

bool link_is_tunnel(const struct node_link *link)
{
	static const char *const kinds[] = {
		"amt",	     "bareudp", "erspan",    "geneve", "gre",	"gretap",    "gtp",
		"ip6erspan", "ip6gre",	"ip6gretap", "ip6tnl", "ipip",	"ovpn",	     "pfcp",
		"sit",	     "tun",	"vti",	     "vti6",   "vxlan", "wireguard", "xfrm",
	};

	return is_kind(link, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

/* Kinds that carry a node's own traffic to its neighbours; "" is a card. */
static bool is_card(const struct node_link *link)
{
	static const char *const kinds[] = {"", "bond", "team", "vlan"};

	return is_kind(link, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

static bool makes_uplink(const struct node_view *view, const struct node_route *route)
{
	const struct node_link *link = node_view_link(view, route->link);

	if (!link || link->is_loopback || link_is_tunnel(link))
		return false;
	return !route->destination.length || (route->has_gateway && is_card(link));
}

size_t uplinks_derive(const struct node_view *view, uint32_t *indexes, size_t capacity)
{
	uint32_t last = 0;

	for (size_t n = 0;; n++) {
		uint32_t next = UINT32_MAX;
		for (size_t i = 0; i < view->n_routes; i++) {
			const struct node_route *route = &view->routes[i];
			if (route->link > last && route->link < next && makes_uplink(view, route))
				next = route->link;
		}
		if (next == UINT32_MAX)
			return n;
		if (n < capacity)
			indexes[n] = next;
		last = next;
	}
}
