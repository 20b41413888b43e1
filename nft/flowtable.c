/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Flowtables of others. A flow that a rule has put into one is forwarded at the ingress hook of the devices
 * the flowtable names (nf_flow_table_ip.c), so of an established flow no other hook sees anything. */
#include <podfence/nft.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <libnftnl/common.h>
#include <libnftnl/flowtable.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "handle.h"

#define TRIES 10

struct devices {
	struct pf_flow_device *items;
	size_t n, capacity;
};

static const char *family_name(uint32_t family)
{
	switch (family) {
	case NFPROTO_INET: return "inet";
	case NFPROTO_IPV4: return "ip";
	case NFPROTO_IPV6: return "ip6";
	default: return "?";
	}
}

static int add(struct devices *devices, const struct nftnl_flowtable *flowtable, const char *name)
{
	if (devices->n == devices->capacity) {
		size_t capacity = devices->capacity ? 2 * devices->capacity : 16;
		void *grown = reallocarray(devices->items, capacity, sizeof(*devices->items));
		if (!grown)
			return -ENOMEM;
		devices->items = grown;
		devices->capacity = capacity;
	}
	struct pf_flow_device *device = &devices->items[devices->n++];
	snprintf(device->device, sizeof(device->device), "%s", name);
	snprintf(device->flowtable, sizeof(device->flowtable), "%s %s %s",
		 family_name(nftnl_flowtable_get_u32(flowtable, NFTNL_FLOWTABLE_FAMILY)),
		 nftnl_flowtable_get_str(flowtable, NFTNL_FLOWTABLE_TABLE),
		 nftnl_flowtable_get_str(flowtable, NFTNL_FLOWTABLE_NAME));
	return 0;
}

static int on_flowtable(const struct nlmsghdr *header, void *data)
{
	struct nftnl_flowtable *flowtable = nftnl_flowtable_alloc();
	int r = 0;

	if (!flowtable || nftnl_flowtable_nlmsg_parse(header, flowtable) < 0) {
		errno = flowtable ? EPROTO : ENOMEM;
		nftnl_flowtable_free(flowtable);
		return MNL_CB_ERROR;
	}
	const char *const *names = nftnl_flowtable_get(flowtable, NFTNL_FLOWTABLE_DEVICES);
	for (; names && *names && r == 0; names++)
		r = add(data, flowtable, *names);
	nftnl_flowtable_free(flowtable);
	errno = -r;
	return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

int pf_nft_flow_devices(struct pf_nft *nft, struct pf_flow_device **ret_devices,
			size_t *ret_n_devices)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct devices devices = {};
		char buffer[512];
		struct nlmsghdr *header = nftnl_nlmsg_build_hdr(
			buffer, NFT_MSG_GETFLOWTABLE, NFPROTO_UNSPEC, NLM_F_DUMP, nft->sequence++);
		int r = nft_request(nft, header, on_flowtable, &devices);
		if (r == 0) {
			*ret_devices = devices.items;
			*ret_n_devices = devices.n;
			return 0;
		}
		free(devices.items);
		if (r != -EINTR)
			return r;
	}
	return -EAGAIN;
}
