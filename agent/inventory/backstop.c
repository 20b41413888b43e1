/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What went through the IP stack has a route when it reaches the egress hook of a device (the device drops it
 * behind that hook, __dev_queue_xmit()), and what a packet socket made has none. This tells them apart only where
 * nothing else comes along without a route: frames that a bridge carries on, those of a virtual machine on a
 * macvtap, those a flowtable sends. Below a bond, where the route is dropped by the bond itself
 * (bond_compute_features()), everything is without. VLAN devices, macvlan and ipvlan keep it. */
#include "inventory/backstop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_kind(const struct node_link *link, const char *kind)
{
	return !strncmp(link->kind, kind, sizeof(link->kind));
}

static bool stands_on(const struct node_link *link, const struct node_link *lower)
{
	return link->peer == lower->index && link->peer_nsid == -1 && !is_kind(link, "veth");
}

PF_PRINTF(2, 3) static int refuse(struct backstop_device *device, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vasprintf(&device->reason, format, arguments);
	va_end(arguments);
	if (n < 0)
		device->reason = NULL;
	return n < 0 ? -ENOMEM : 0;
}

/* A port of anything but a VRF, which keeps the route. */
static bool is_port(const struct node_link *link)
{
	return link->master && strncmp(link->port_kind, "vrf", sizeof(link->port_kind)) != 0;
}

/* What stands on the device and brings frames without a route; VLANs of VLANs do not occur in practice, and
 * macvtaps of VLANs are found with the VLAN. */
static const struct node_link *find_foreign(const struct node_view *view,
					    const struct node_link *link, unsigned depth)
{
	for (size_t i = 0; i < view->n_links; i++) {
		const struct node_link *upper = &view->links[i];
		if (!stands_on(upper, link))
			continue;
		if (is_kind(upper, "macvtap") || is_kind(upper, "ipvtap") || is_port(upper))
			return upper;
		const struct node_link *above = depth ? find_foreign(view, upper, depth - 1) : NULL;
		if (above)
			return above;
	}
	return NULL;
}

static int judge(struct backstop_device *device, const struct node_view *view,
		 const struct node_link *link, const struct detours *detours)
{
	const struct node_link *master = link->master ? node_view_link(view, link->master) : NULL;
	const struct node_link *foreign;

	if (!link->is_ethernet)
		return refuse(device, "it is no Ethernet device");
	if (is_port(link))
		return refuse(device, "it is a port of %s: what that sends has no route any more",
			      master ? master->name : "another device");
	foreign = find_foreign(view, link, 2);
	if (foreign)
		return refuse(device, "%s stands on it: its frames are not the node's own",
			      foreign->name);
	for (size_t i = 0; detours && i < detours->n_devices; i++)
		if (!strcmp(detours->devices[i].device, link->name))
			return refuse(device, "flowtable %s sends by it without a route",
				      detours->devices[i].flowtable);
	return 0;
}

static bool has(const struct snapshot *snapshot, uint32_t link)
{
	for (size_t i = 0; i < snapshot->n_backstops; i++)
		if (snapshot->backstops[i].link == link)
			return true;
	return false;
}

static int add(struct snapshot *snapshot, uint32_t index, const struct detours *detours)
{
	const struct node_link *link = node_view_link(snapshot->view, index);

	if (!link || link->is_loopback || has(snapshot, index))
		return 0;
	struct backstop_device *grown = reallocarray(snapshot->backstops, snapshot->n_backstops + 1,
						     sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	snapshot->backstops = grown;
	struct backstop_device *device = &grown[snapshot->n_backstops++];
	*device = (struct backstop_device){.link = index};
	return judge(device, snapshot->view, link, detours);
}

/* A port that is no pod's, and no virtual machine's. */
static bool leads_out(const struct snapshot *snapshot, const struct node_link *link)
{
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++)
			if (snapshot->endpoints[i].attachments[k].port == link->index)
				return false;
	return !is_kind(link, "tun");
}

/* What the device's frames go through next: those beneath it. */
static int add_beneath(struct snapshot *snapshot, const struct node_link *link,
		       const struct detours *detours)
{
	const struct node_view *view = snapshot->view;
	const struct node_link *lower = is_kind(link, "vlan") && link->peer_nsid == -1
						? node_view_link(view, link->peer)
						: NULL;
	int r = lower ? add(snapshot, lower->index, detours) : 0;

	for (size_t i = 0; i < view->n_links && r == 0; i++)
		if (view->links[i].master == link->index && is_port(&view->links[i]) &&
		    leads_out(snapshot, &view->links[i]))
			r = add(snapshot, view->links[i].index, detours);
	return r;
}

static int device_compare(const void *a_pointer, const void *b_pointer)
{
	const struct backstop_device *a = a_pointer, *b = b_pointer;

	return (a->link > b->link) - (a->link < b->link);
}

int backstops_find(struct snapshot *snapshot, const struct detours *detours)
{
	int r = 0;

	for (size_t i = 0; i < snapshot->n_uplinks && r == 0; i++)
		r = add(snapshot, snapshot->uplinks[i], detours);
	/* The list grows while it is walked. */
	for (size_t i = 0; i < snapshot->n_backstops && r == 0; i++) {
		const struct node_link *link = node_view_link(snapshot->view,
							      snapshot->backstops[i].link);
		if (link)
			r = add_beneath(snapshot, link, detours);
	}
	if (snapshot->n_backstops)
		qsort(snapshot->backstops, snapshot->n_backstops, sizeof(*snapshot->backstops),
		      device_compare);
	return r;
}

void backstops_free(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_backstops; i++)
		free(snapshot->backstops[i].reason);
	free(snapshot->backstops);
}
