/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Header and attributes of one rtnetlink message. libmnl's own iterators trust nlmsg_len rounded up
 * to four bytes and may so look past an odd end; here every step is held against the bytes there
 * are. Attributes longer than expected are fine (kernels append), shorter ones never. */
#include "node/rtnetlink.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

int rtnetlink_message_open(const void *message, size_t length, uint16_t type, size_t body_size,
			   const void **ret_body, struct rtnetlink_attributes *ret_attributes)
{
	const struct nlmsghdr *header = message;
	size_t attributes_at = NLMSG_HDRLEN + MNL_ALIGN(body_size);

	if (length < sizeof(*header) || header->nlmsg_len < sizeof(*header) ||
	    header->nlmsg_len > length)
		return RTNETLINK_E_MALFORMED;
	if (header->nlmsg_type != type)
		return RTNETLINK_E_OTHER;
	if (header->nlmsg_len < NLMSG_HDRLEN + body_size)
		return RTNETLINK_E_MALFORMED;
	*ret_body = (const uint8_t *)message + NLMSG_HDRLEN;
	*ret_attributes = (struct rtnetlink_attributes){};
	if (header->nlmsg_len > attributes_at) {
		ret_attributes->at = (const uint8_t *)message + attributes_at;
		ret_attributes->left = header->nlmsg_len - attributes_at;
	}
	return 0;
}

const struct nlattr *rtnetlink_attribute_next(struct rtnetlink_attributes *attributes)
{
	const struct nlattr *attribute = (const void *)attributes->at;

	if (!attributes->left)
		return NULL;
	if (attributes->left < sizeof(*attribute) || attribute->nla_len < sizeof(*attribute) ||
	    attribute->nla_len > attributes->left) {
		attributes->is_malformed = true;
		return NULL;
	}
	size_t step = MNL_ALIGN(attribute->nla_len);
	if (step > attributes->left)
		step = attributes->left;
	attributes->at += step;
	attributes->left -= step;
	return attribute;
}

static const void *payload(const struct nlattr *attribute)
{
	return (const uint8_t *)attribute + MNL_ATTR_HDRLEN;
}

static size_t payload_length(const struct nlattr *attribute)
{
	return attribute->nla_len - MNL_ATTR_HDRLEN;
}

struct rtnetlink_attributes rtnetlink_attribute_nested(const struct nlattr *attribute)
{
	return (struct rtnetlink_attributes){
		.at = payload(attribute),
		.left = payload_length(attribute),
	};
}

bool rtnetlink_attribute_u8(const struct nlattr *attribute, uint8_t *ret_value)
{
	if (payload_length(attribute) < sizeof(*ret_value))
		return false;
	memcpy(ret_value, payload(attribute), sizeof(*ret_value));
	return true;
}

bool rtnetlink_attribute_u32(const struct nlattr *attribute, uint32_t *ret_value)
{
	if (payload_length(attribute) < sizeof(*ret_value))
		return false;
	memcpy(ret_value, payload(attribute), sizeof(*ret_value));
	return true;
}

bool rtnetlink_attribute_address(const struct nlattr *attribute, uint8_t family,
				 struct pf_address *ret_address)
{
	struct pf_address address = {.family = family};
	size_t size = pf_address_size(&address);

	if (payload_length(attribute) != size)
		return false;
	memcpy(address.bytes, payload(attribute), size);
	*ret_address = address;
	return true;
}

void rtnetlink_attribute_text(const struct nlattr *attribute, char *buffer, size_t size)
{
	size_t n = strnlen(payload(attribute), payload_length(attribute));

	if (n >= size)
		n = size - 1;
	memcpy(buffer, payload(attribute), n);
	memset(buffer + n, 0, size - n);
}

int rtnetlink_nsid_parse(const void *message, size_t length, int32_t *ret_nsid)
{
	struct rtnetlink_attributes attributes;
	const struct nlattr *attribute;
	const void *body;
	uint32_t nsid = UINT32_MAX; /* NETNSA_NSID_NOT_ASSIGNED */
	int r = rtnetlink_message_open(message, length, RTM_NEWNSID, sizeof(struct rtgenmsg), &body,
				       &attributes);

	if (r)
		return r;
	while ((attribute = rtnetlink_attribute_next(&attributes)))
		if (mnl_attr_get_type(attribute) == NETNSA_NSID &&
		    !rtnetlink_attribute_u32(attribute, &nsid))
			return RTNETLINK_E_MALFORMED;
	if (attributes.is_malformed)
		return RTNETLINK_E_MALFORMED;
	*ret_nsid = (int32_t)nsid;
	return 0;
}
