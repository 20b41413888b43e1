/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * RTM_NEWROUTE. One device and gateway stand in the message itself, several in RTA_MULTIPATH, each
 * behind a small header of its own. A route by next hop object shows both as well unless
 * net.ipv4.nexthop_compat_mode is 0; it has no next hop here then. Dead and link-down next hops are
 * given: a device stays what it is while its cable is out. */
#include "node/rtnetlink.h"

#include <sys/socket.h>

#include <linux/rtnetlink.h>

struct hops {
	struct node_route *routes;
	size_t capacity, n;
	struct node_route common; /* destination and table */
};

static void add_hop(struct hops *hops, uint32_t link, bool has_gateway)
{
	if (hops->n < hops->capacity) {
		hops->routes[hops->n] = hops->common;
		hops->routes[hops->n].link = link;
		hops->routes[hops->n].has_gateway = has_gateway;
	}
	hops->n++;
}

static bool is_gateway(const struct nlattr *attribute)
{
	uint16_t type = mnl_attr_get_type(attribute);

	return type == RTA_GATEWAY || type == RTA_VIA;
}

static int parse_multipath(const struct nlattr *multipath, struct hops *hops)
{
	struct rtnetlink_attributes left = rtnetlink_attribute_nested(multipath);

	while (left.left) {
		const struct rtnexthop *hop = (const void *)left.at;
		const struct nlattr *attribute;
		bool has_gateway = false;
		if (left.left < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) ||
		    hop->rtnh_len > left.left || hop->rtnh_ifindex < 0)
			return RTNETLINK_E_MALFORMED;
		struct rtnetlink_attributes attributes = {
			.at = left.at + sizeof(*hop),
			.left = hop->rtnh_len - sizeof(*hop),
		};
		while ((attribute = rtnetlink_attribute_next(&attributes)))
			has_gateway |= is_gateway(attribute);
		if (attributes.is_malformed)
			return RTNETLINK_E_MALFORMED;
		if (hop->rtnh_ifindex)
			add_hop(hops, (uint32_t)hop->rtnh_ifindex, has_gateway);
		size_t step = MNL_ALIGN((size_t)hop->rtnh_len);
		if (step > left.left)
			step = left.left;
		left.at += step;
		left.left -= step;
	}
	return 0;
}

struct parts {
	const struct nlattr *multipath;
	uint32_t link;
	bool has_destination, has_gateway;
};

static int parse_attribute(const struct nlattr *attribute, struct hops *hops, struct parts *parts)
{
	struct node_route *common = &hops->common;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		parts->has_destination = true;
		return rtnetlink_attribute_address(attribute, common->destination.address.family,
						   &common->destination.address)
			       ? 0
			       : RTNETLINK_E_MALFORMED;
	case RTA_TABLE:
		return rtnetlink_attribute_u32(attribute, &common->table) ? 0
									  : RTNETLINK_E_MALFORMED;
	case RTA_OIF:
		return rtnetlink_attribute_u32(attribute, &parts->link) ? 0 : RTNETLINK_E_MALFORMED;
	case RTA_MULTIPATH: parts->multipath = attribute; return 0;
	default: parts->has_gateway |= is_gateway(attribute); return 0;
	}
}

static bool is_shown(const struct rtmsg *header)
{
	return (header->rtm_family == AF_INET || header->rtm_family == AF_INET6) &&
	       header->rtm_type == RTN_UNICAST && !(header->rtm_flags & RTM_F_CLONED);
}

int rtnetlink_route_parse(const void *message, size_t length, struct node_route *routes,
			  size_t capacity, size_t *ret_n)
{
	struct rtnetlink_attributes attributes;
	struct parts parts = {};
	const struct nlattr *attribute;
	const struct rtmsg *header;
	const void *body;
	int r = rtnetlink_message_open(message, length, RTM_NEWROUTE, sizeof(*header), &body,
				       &attributes);

	if (r)
		return r;
	header = body;
	if (!is_shown(header))
		return RTNETLINK_E_OTHER;
	struct hops hops = {routes, capacity, 0, {.table = header->rtm_table}};
	struct pf_prefix *destination = &hops.common.destination;
	destination->address.family = header->rtm_family;
	destination->length = header->rtm_dst_len;
	while ((attribute = rtnetlink_attribute_next(&attributes))) {
		r = parse_attribute(attribute, &hops, &parts);
		if (r)
			return r;
	}
	/* A prefix holds its own address exactly where its host bits are zero. */
	if (attributes.is_malformed || (destination->length && !parts.has_destination) ||
	    destination->length > pf_address_size(&destination->address) * 8 ||
	    !pf_prefix_contains(destination, &destination->address))
		return RTNETLINK_E_MALFORMED;
	if (hops.common.table == RT_TABLE_LOCAL)
		return RTNETLINK_E_OTHER;
	if (parts.multipath) {
		r = parse_multipath(parts.multipath, &hops);
		if (r)
			return r;
	} else if (parts.link) {
		add_hop(&hops, parts.link, parts.has_gateway);
	}
	*ret_n = hops.n;
	return 0;
}
