/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * RTM_NEWQDISC and RTM_NEWTFILTER. Of both only the kind matters: whether filters can see what comes in
 * by a link, and whether one of them is a BPF program. */
#include "node/rtnetlink.h"

#include <string.h>

#include <linux/rtnetlink.h>

#define KIND_MAX 16 /* IFNAMSIZ, as the kernel has it */

static int kind_parse(const void *message, size_t length, uint16_t type, char kind[static KIND_MAX],
		      struct tcmsg *ret_header)
{
	struct rtnetlink_attributes attributes;
	const struct nlattr *attribute;
	const void *body;
	int r = rtnetlink_message_open(message, length, type, sizeof(*ret_header), &body,
				       &attributes);

	if (r)
		return r;
	kind[0] = '\0';
	while ((attribute = rtnetlink_attribute_next(&attributes)))
		if (mnl_attr_get_type(attribute) == TCA_KIND)
			rtnetlink_attribute_text(attribute, kind, KIND_MAX);
	memcpy(ret_header, body, sizeof(*ret_header));
	return attributes.is_malformed || !kind[0] ? RTNETLINK_E_MALFORMED : 0;
}

int rtnetlink_ingress_parse(const void *message, size_t length, uint32_t *ret_link)
{
	struct tcmsg header;
	char kind[KIND_MAX];
	int r = kind_parse(message, length, RTM_NEWQDISC, kind, &header);

	if (r)
		return r;
	if (strcmp(kind, "ingress") != 0 && strcmp(kind, "clsact") != 0)
		return RTNETLINK_E_OTHER;
	if (header.tcm_ifindex <= 0)
		return RTNETLINK_E_MALFORMED;
	*ret_link = (uint32_t)header.tcm_ifindex;
	return 0;
}

int rtnetlink_program_parse(const void *message, size_t length)
{
	struct tcmsg header;
	char kind[KIND_MAX];
	int r = kind_parse(message, length, RTM_NEWTFILTER, kind, &header);

	return r ? r : strcmp(kind, "bpf") ? RTNETLINK_E_OTHER : 0;
}
