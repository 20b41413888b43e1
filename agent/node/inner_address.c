/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * RTM_NEWADDR: an address as its owner has it. On point-to-point devices IFA_ADDRESS is the other
 * end and IFA_LOCAL ours; elsewhere IPv4 sends both alike and IPv6 IFA_ADDRESS only. */
#include "node/rtnetlink.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

static bool is_loopback(const struct pf_address *address)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (address->family == AF_INET)
		return address->bytes[0] == 127;
	return memcmp(address->bytes, loopback6, sizeof(loopback6)) == 0;
}

int rtnetlink_address_parse(const void *message, size_t length, struct node_address *ret_address)
{
	struct rtnetlink_attributes attributes;
	struct pf_address local = {}, other = {};
	const struct ifaddrmsg *header;
	const struct nlattr *attribute;
	const void *body;
	int r = rtnetlink_message_open(message, length, RTM_NEWADDR, sizeof(*header), &body,
				       &attributes);

	if (r)
		return r;
	header = body;
	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
		return RTNETLINK_E_OTHER;
	while ((attribute = rtnetlink_attribute_next(&attributes))) {
		uint16_t type = mnl_attr_get_type(attribute);
		if (type != IFA_LOCAL && type != IFA_ADDRESS)
			continue;
		if (!rtnetlink_attribute_address(attribute, header->ifa_family,
						 type == IFA_LOCAL ? &local : &other))
			return RTNETLINK_E_MALFORMED;
	}
	const struct pf_address *address = local.family ? &local : &other;
	if (attributes.is_malformed || !address->family || !header->ifa_index ||
	    header->ifa_prefixlen > pf_address_size(address) * 8)
		return RTNETLINK_E_MALFORMED;
	if (is_loopback(address))
		return RTNETLINK_E_OTHER;
	*ret_address = (struct node_address){
		.address = {*address, header->ifa_prefixlen},
		.link = header->ifa_index,
		.is_link_scope = header->ifa_scope == RT_SCOPE_LINK,
	};
	return 0;
}
