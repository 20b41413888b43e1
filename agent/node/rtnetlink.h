/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

#include "node/view.h"

/* One rtnetlink message to a plain value. Pure; nothing is read beyond `length`, whatever the
 * message claims. The message must be aligned to four bytes, as netlink buffers are. */

enum {
	RTNETLINK_E_MALFORMED = 1, /* it contradicts itself, or an attribute is too short */
	RTNETLINK_E_OTHER,	   /* well formed, but nothing a view shows */
};

/* RTM_NEWLINK. Bridge port messages (AF_BRIDGE) are E_OTHER. */
PF_MUST_CHECK int rtnetlink_link_parse(const void *message, size_t length,
				       struct node_link *ret_link);

/* RTM_NEWADDR, IPv4 or IPv6. 127.0.0.0/8 and ::1 are E_OTHER. */
PF_MUST_CHECK int rtnetlink_address_parse(const void *message, size_t length,
					  struct node_address *ret_address);

/* RTM_NEWROUTE: a unicast IPv4 or IPv6 route of any table but local, one value per next hop.
 * Writes at most `capacity` and says in ret_n how many there are. */
PF_MUST_CHECK int rtnetlink_route_parse(const void *message, size_t length,
					struct node_route *routes, size_t capacity, size_t *ret_n);

/* RTM_NEWNSID: the id, -1 where none is assigned. */
PF_MUST_CHECK int rtnetlink_nsid_parse(const void *message, size_t length, int32_t *ret_nsid);

/* RTM_NEWQDISC: the ifindex of a link whose qdisc is "ingress" or "clsact", so that filters may see what
 * comes in; of another qdisc E_OTHER. */
PF_MUST_CHECK int rtnetlink_ingress_parse(const void *message, size_t length, uint32_t *ret_link);

/* RTM_NEWTFILTER: 0 where it runs a BPF program, else E_OTHER. */
PF_MUST_CHECK int rtnetlink_program_parse(const void *message, size_t length);

/* What the parsers are made of. */

struct rtnetlink_attributes {
	const uint8_t *at;
	size_t left;
	bool is_malformed; /* set by _next() where an attribute does not fit */
};

/* Checks the header and finds the family's own header (at least body_size bytes) and the
 * attributes. */
PF_MUST_CHECK int rtnetlink_message_open(const void *message, size_t length, uint16_t type,
					 size_t body_size, const void **ret_body,
					 struct rtnetlink_attributes *ret_attributes);

/* The next attribute or NULL; its nla_len is inside what is left. */
const struct nlattr *rtnetlink_attribute_next(struct rtnetlink_attributes *attributes);

struct rtnetlink_attributes rtnetlink_attribute_nested(const struct nlattr *attribute);
PF_MUST_CHECK bool rtnetlink_attribute_u8(const struct nlattr *attribute, uint8_t *ret_value);
PF_MUST_CHECK bool rtnetlink_attribute_u32(const struct nlattr *attribute, uint32_t *ret_value);
PF_MUST_CHECK bool rtnetlink_attribute_address(const struct nlattr *attribute, uint8_t family,
					       struct pf_address *ret_address);
/* Cuts what does not fit. */
void rtnetlink_attribute_text(const struct nlattr *attribute, char *buffer, size_t size);
