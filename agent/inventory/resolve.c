/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One pod and the node's view to one endpoint:
 *
 *	pod uid -> cgroup -> a process -> network namespace -> host-side links -> addresses inside
 *
 * Each step either leads on or ends with a coverage and a reason, and nothing is guessed: what the
 * API says about addresses is not used, because the kubelet publishes it late and a pod may use
 * others.
 *
 * The view knows addresses inside a namespace, not devices. An address on a device that no link of
 * ours leads to may be a macvlan that packets leave by unjudged, or a bridge some container made
 * for itself; the two look alike from outside. `enforced` would then be a claim we cannot prove, so
 * it is not made, while the ways out that are judged stay registered. */
#include "inventory/resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address_text.h"
#include "inventory/unit_endpoints.h"

static const char no_host_side[] = "no host-side link (macvlan, ipvlan, SR-IOV or not a veth)";

void endpoint_done(struct endpoint *endpoint)
{
	free(endpoint->attachments);
	free(endpoint->reason_text);
	free(endpoint->event_members);
	free(endpoint->name);
	free(endpoint->group);
	*endpoint = (struct endpoint){};
}

static void endpoint_clear(struct endpoint *endpoint)
{
	free(endpoint->attachments);
	free(endpoint->reason_text);
	endpoint->attachments = NULL;
	endpoint->n_attachments = 0;
	endpoint->reason_text = NULL;
	endpoint->sandbox = NULL;
	endpoint->cgroup = 0;
	endpoint->index = 0;
	endpoint->level = 0;
}

/* Ends the resolution with a static reason. */
static int endpoint_end(struct endpoint *endpoint, enum coverage coverage, const char *reason)
{
	endpoint_clear(endpoint);
	endpoint->coverage = coverage;
	endpoint->reason = reason;
	return 0;
}

int endpoint_unresolve(struct endpoint *endpoint, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	int n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0)
		return -ENOMEM;
	endpoint_end(endpoint, COVERAGE_PENDING, text);
	endpoint->reason_text = text;
	return 0;
}

int endpoint_uncover(struct endpoint *endpoint, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	int n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0)
		return -ENOMEM;
	free(endpoint->reason_text);
	endpoint->coverage = COVERAGE_UNCOVERED;
	endpoint->reason = endpoint->reason_text = text;
	return 0;
}

struct sandbox_range {
	const struct node_sandbox *first;
	size_t n;
};

/* All sandboxes of this uid: they stand together, sorted. */
static struct sandbox_range sandboxes_find(const struct node_view *view, const char *uid)
{
	size_t low = 0, high = view->n_sandboxes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(view->sandboxes[middle].uid, uid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	struct sandbox_range range = {view->sandboxes + low, 0};
	while (low + range.n < view->n_sandboxes && strcmp(range.first[range.n].uid, uid) == 0)
		range.n++;
	return range;
}

/* The worst news among sandboxes of which none is usable. */
static int sandbox_end(struct endpoint *endpoint, struct sandbox_range range)
{
	const struct node_sandbox *best = NULL;

	for (size_t i = 0; i < range.n; i++)
		if (!best || range.first[i].state > best->state)
			best = &range.first[i];
	if (!best)
		return endpoint_end(endpoint, COVERAGE_PENDING,
				    "no cgroup of this pod on the node");
	switch (best->state) {
	case SANDBOX_NO_PROCESS:
		return endpoint_end(endpoint, COVERAGE_PENDING, "no process in its cgroup yet");
	case SANDBOX_GONE:
		return endpoint_end(endpoint, COVERAGE_PENDING,
				    "its cgroup went away while it was read");
	default:
		return endpoint_unresolve(endpoint, "its cgroup or process cannot be read: %s",
					  strerrordesc_np(-best->error)
						  ? strerrordesc_np(-best->error)
						  : "unknown error");
	}
}

/* 0 with endpoint->sandbox set, or without it where the resolution ended here. */
static int sandbox_choose(struct endpoint *endpoint, const struct node_view *view)
{
	struct sandbox_range range = sandboxes_find(view, endpoint->pod->cgroup_uid);
	const struct node_sandbox *chosen = NULL;

	for (size_t i = 0; i < range.n; i++) {
		if (range.first[i].state != SANDBOX_OK)
			continue;
		if (chosen)
			return endpoint_unresolve(endpoint,
						  "has processes in two cgroups: %s and %s",
						  chosen->path, range.first[i].path);
		chosen = &range.first[i];
	}
	if (!chosen || chosen->netns >= view->n_netnses)
		return sandbox_end(endpoint, range);
	endpoint->sandbox = chosen;
	endpoint->cgroup = chosen->cgroup;
	endpoint->index = (uint32_t)chosen->cgroup;
	endpoint->level = chosen->level;
	return 0;
}

static bool link_leads_to(const struct node_link *link, const struct node_netns *netns)
{
	return link->peer_nsid >= 0 && link->peer_nsid == netns->nsid && link->peer;
}

/* Number of links that lead into the namespace; the first that we cannot use in ret_unusable. */
static size_t links_count(const struct node_view *view, const struct node_netns *netns,
			  const struct node_link **ret_unusable)
{
	size_t n = 0;

	*ret_unusable = NULL;
	for (size_t i = 0; i < view->n_links; i++) {
		const struct node_link *link = &view->links[i];
		if (!link_leads_to(link, netns))
			continue;
		n++;
		if (link->port_kind[0] && strcmp(link->port_kind, "bridge") != 0 && !*ret_unusable)
			*ret_unusable = link;
	}
	return n;
}

static void attachment_add(struct endpoint *endpoint, const struct node_link *link,
			   const struct pf_address *address)
{
	bool is_port = link->port_kind[0] != '\0';

	endpoint->attachments[endpoint->n_attachments++] = (struct attachment){
		.link = is_port ? link->master : link->index,
		.port = is_port ? link->index : 0,
		.address = *address,
	};
}

/* Every address with every link that leads to its device. The first address with no such link in
 * ret_stray. 0 or -ENOMEM. */
static int attachments_make(struct endpoint *endpoint, const struct node_view *view,
			    const struct node_netns *netns, size_t n_links,
			    const struct pf_address **ret_stray)
{
	endpoint->attachments = calloc(n_links * netns->n_addresses + 1, sizeof(struct attachment));
	if (!endpoint->attachments)
		return -ENOMEM;
	*ret_stray = NULL;
	for (size_t i = 0; i < netns->n_addresses; i++) {
		const struct node_address *address = &netns->addresses[i];
		size_t before = endpoint->n_attachments;
		if (address->is_link_scope)
			continue;
		for (size_t j = 0; j < view->n_links; j++)
			if (link_leads_to(&view->links[j], netns) &&
			    view->links[j].peer == address->link)
				attachment_add(endpoint, &view->links[j],
					       &address->address.address);
		if (endpoint->n_attachments == before && !*ret_stray)
			*ret_stray = &address->address.address;
	}
	return 0;
}

/* A port of this bridge that leads into no other namespace: frames leave by it without being
 * routed, and what is not routed is not judged. NULL where there is none. One that leads into a
 * namespace of nobody we know is no reason: a pod that is being made looks like that. */
static const struct node_link *bridge_way_out(const struct node_view *view, uint32_t bridge)
{
	for (size_t i = 0; i < view->n_links; i++)
		if (view->links[i].master == bridge && view->links[i].peer_nsid < 0)
			return &view->links[i];
	return NULL;
}

static int bridges_judge(struct endpoint *endpoint, const struct snapshot *snapshot)
{
	char name[LINK_NAME_MAX];

	for (size_t i = 0; i < endpoint->n_attachments; i++) {
		uint32_t bridge = endpoint->attachments[i].link;
		if (!endpoint->attachments[i].port)
			continue;
		const struct node_link *way_out = bridge_way_out(snapshot->view, bridge);
		if (way_out) {
			memcpy(name, way_out->name, sizeof(name));
			return endpoint_uncover(endpoint,
						"its bridge has port %s too, by which frames leave "
						"without being routed",
						name);
		}
		if (snapshot_is_uplink(snapshot, bridge))
			return endpoint_uncover(endpoint,
						"its bridge is an uplink itself, by which frames "
						"leave without being routed");
	}
	return 0;
}

static int pod_resolve(struct endpoint *endpoint, const struct snapshot *snapshot,
		       enum coverage covered)
{
	const struct node_view *view = snapshot->view;
	const struct node_netns *netns = &view->netnses[endpoint->sandbox->netns];
	const struct node_link *unusable;
	const struct pf_address *stray;

	if (netns->is_host)
		return endpoint_end(endpoint, COVERAGE_UNCOVERED,
				    "its processes are in the node's network namespace, "
				    "API says it has its own");
	size_t n_links = links_count(view, netns, &unusable);
	if (!n_links)
		return endpoint_end(endpoint, COVERAGE_UNCOVERED, no_host_side);
	if (unusable) {
		char kind[sizeof(unusable->port_kind)];
		memcpy(kind, unusable->port_kind, sizeof(kind));
		endpoint_clear(endpoint);
		return endpoint_uncover(endpoint, "link is enslaved to %s", kind);
	}
	int r = attachments_make(endpoint, view, netns, n_links, &stray);
	if (r < 0)
		return r;
	endpoint->coverage = covered;
	endpoint->reason = "";
	if (stray) {
		char text[PF_ADDRESS_TEXT];
		address_text(stray, text);
		return endpoint_uncover(
			endpoint,
			"%s is on a device without a host-side link (macvlan, ipvlan, "
			"SR-IOV, or made inside the pod)",
			text);
	}
	if (!endpoint->n_attachments)
		return endpoint_end(endpoint, COVERAGE_PENDING, "no address yet");
	if (netns->device[0])
		return endpoint_uncover(
			endpoint,
			"its device %s (%s) sends past the links of this node, even "
			"without an address",
			netns->device, netns->device_kind[0] ? netns->device_kind : "a card");
	return bridges_judge(endpoint, snapshot);
}

static int host_pod_resolve(struct endpoint *endpoint, const struct node_view *view,
			    enum coverage covered)
{
	if (!view->netnses[endpoint->sandbox->netns].is_host)
		return endpoint_end(endpoint, COVERAGE_UNCOVERED,
				    "API says hostNetwork, its processes are in another network "
				    "namespace");
	endpoint->coverage = covered;
	endpoint->reason = "";
	return 0;
}

int endpoint_resolve(struct endpoint *endpoint, const struct snapshot *snapshot,
		     enum coverage covered)
{
	endpoint->kind = endpoint->pod->is_host_network ? ENDPOINT_HOST_POD : ENDPOINT_POD;
	int r = sandbox_choose(endpoint, snapshot->view);
	if (r < 0 || !endpoint->sandbox)
		return r;
	if (endpoint->kind == ENDPOINT_HOST_POD)
		return host_pod_resolve(endpoint, snapshot->view, covered);
	return pod_resolve(endpoint, snapshot, covered);
}
