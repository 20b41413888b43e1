/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * RTM_NEWLINK. IFLA_LINK is the ifindex of the peer (veth) or parent (vlan, macvlan); it is missing
 * where that is the device itself. IFLA_LINK_NETNSID is there exactly where the peer is in another
 * namespace, and is this namespace's id for it: the dump itself makes the kernel assign one. Of BPF
 * programs a link tells those of XDP only. */
#include "node/rtnetlink.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static int parse_info(const struct nlattr *info, struct node_link *link)
{
	struct rtnetlink_attributes attributes = rtnetlink_attribute_nested(info);
	const struct nlattr *attribute;

	while ((attribute = rtnetlink_attribute_next(&attributes))) {
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_INFO_KIND:
			rtnetlink_attribute_text(attribute, link->kind, sizeof(link->kind));
			break;
		case IFLA_INFO_SLAVE_KIND:
			rtnetlink_attribute_text(attribute, link->port_kind,
						 sizeof(link->port_kind));
			break;
		default: break;
		}
	}
	return attributes.is_malformed ? RTNETLINK_E_MALFORMED : 0;
}

/* IFLA_XDP_ATTACHED: XDP_ATTACHED_NONE (0), else how it is attached. */
static int parse_xdp(const struct nlattr *xdp, struct node_link *link)
{
	struct rtnetlink_attributes attributes = rtnetlink_attribute_nested(xdp);
	const struct nlattr *attribute;
	uint8_t attached;

	while ((attribute = rtnetlink_attribute_next(&attributes))) {
		if (mnl_attr_get_type(attribute) != IFLA_XDP_ATTACHED)
			continue;
		if (!rtnetlink_attribute_u8(attribute, &attached))
			return RTNETLINK_E_MALFORMED;
		if (attached)
			link->program = LINK_PROGRAM_XDP;
	}
	return attributes.is_malformed ? RTNETLINK_E_MALFORMED : 0;
}

static int parse_attribute(const struct nlattr *attribute, struct node_link *link)
{
	uint32_t nsid;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		rtnetlink_attribute_text(attribute, link->name, sizeof(link->name));
		return 0;
	case IFLA_MASTER:
		return rtnetlink_attribute_u32(attribute, &link->master) ? 0
									 : RTNETLINK_E_MALFORMED;
	case IFLA_LINK:
		return rtnetlink_attribute_u32(attribute, &link->peer) ? 0 : RTNETLINK_E_MALFORMED;
	case IFLA_LINK_NETNSID:
		if (!rtnetlink_attribute_u32(attribute, &nsid))
			return RTNETLINK_E_MALFORMED;
		link->peer_nsid = (int32_t)nsid;
		return 0;
	case IFLA_LINKINFO: return parse_info(attribute, link);
	case IFLA_XDP: return parse_xdp(attribute, link);
	default: return 0;
	}
}

int rtnetlink_link_parse(const void *message, size_t length, struct node_link *ret_link)
{
	struct rtnetlink_attributes attributes;
	const struct ifinfomsg *header;
	const struct nlattr *attribute;
	const void *body;
	int r = rtnetlink_message_open(message, length, RTM_NEWLINK, sizeof(*header), &body,
				       &attributes);

	if (r)
		return r;
	header = body;
	if (header->ifi_family != AF_UNSPEC)
		return RTNETLINK_E_OTHER;
	if (header->ifi_index <= 0)
		return RTNETLINK_E_MALFORMED;

	struct node_link link = {
		.index = (uint32_t)header->ifi_index,
		.peer_nsid = -1,
		.is_loopback = header->ifi_flags & IFF_LOOPBACK,
		.is_up = header->ifi_flags & IFF_UP,
		.is_ethernet = header->ifi_type == ARPHRD_ETHER,
	};
	while ((attribute = rtnetlink_attribute_next(&attributes))) {
		r = parse_attribute(attribute, &link);
		if (r)
			return r;
	}
	if (attributes.is_malformed || !link.name[0])
		return RTNETLINK_E_MALFORMED;
	*ret_link = link;
	return 0;
}
