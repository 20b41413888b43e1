/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The endpoints of all pods, then what can only be seen among all of them (two that claim the same
 * identity), then the tables that packets are looked up in.
 *
 * An identity that two pods claim proves nothing, so it is nobody's: both are left pending until
 * one of them is gone. Identity is (link, address) as the kernel side matches it, a bridge being
 * the link of everybody behind it; the same address on two links of their own is two identities,
 * and the kernel's route decides which of them its packets pass the source check on. */
#include "inventory/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address_text.h"
#include "inventory/backstop.h"
#include "inventory/detours.h"
#include "inventory/resolve.h"
#include "inventory/unit_endpoints.h"
#include "node/uplink.h"

/* While tables are made they point to endpoints that may still change. */
struct claim {
	struct attachment attachment;
	struct endpoint *endpoint;
};

static int u32_compare(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int uplink_compare(const void *a, const void *b)
{
	return u32_compare(*(const uint32_t *)a, *(const uint32_t *)b);
}

static int link_address_compare(uint32_t link_a, const struct pf_address *address_a,
				uint32_t link_b, const struct pf_address *address_b)
{
	int r = u32_compare(link_a, link_b);

	return r ? r : memcmp(address_a, address_b, sizeof(*address_a));
}

static int claim_compare(const void *a_pointer, const void *b_pointer)
{
	const struct claim *a = a_pointer, *b = b_pointer;
	int r = link_address_compare(a->attachment.link, &a->attachment.address, b->attachment.link,
				     &b->attachment.address);

	return r ? r : (a->endpoint > b->endpoint) - (a->endpoint < b->endpoint);
}

static int link_compare(const void *a_pointer, const void *b_pointer)
{
	const struct snapshot_link *a = a_pointer, *b = b_pointer;

	return link_address_compare(a->link, &a->address, b->link, &b->address);
}

static int index_compare(const void *a_pointer, const void *b_pointer)
{
	const struct endpoint *const *a = a_pointer, *const *b = b_pointer;
	int r = u32_compare((*a)->index, (*b)->index);

	return r ? r : (*a > *b) - (*a < *b);
}

const char *endpoint_namespace(const struct endpoint *endpoint)
{
	return endpoint->pod ? endpoint->pod->namespace : "";
}

const char *endpoint_kind_name(const struct endpoint *endpoint)
{
	static const char *const names[] = {
		[ENDPOINT_POD] = "pod",
		[ENDPOINT_HOST_POD] = "host-pod",
		[ENDPOINT_UNIT] = "unit",
	};

	return names[endpoint->kind];
}

const char *endpoint_name(const struct endpoint *endpoint)
{
	return endpoint->pod ? endpoint->pod->name : endpoint->name ? endpoint->name : "";
}

int endpoint_compare(const struct endpoint *a, const struct endpoint *b)
{
	int order = strcmp(endpoint_namespace(a), endpoint_namespace(b));

	return order ? order : strcmp(endpoint_name(a), endpoint_name(b));
}

struct snapshot *snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return NULL;
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		endpoint_done(&snapshot->endpoints[i]);
	free(snapshot->endpoints);
	free(snapshot->exempt);
	free(snapshot->uplinks);
	backstops_free(snapshot);
	free(snapshot->by_link);
	free(snapshot->by_index);
	pod_list_free(snapshot->pods);
	network_list_free(snapshot->networks);
	node_view_free(snapshot->view);
	free(snapshot);
	return NULL;
}

static int uplinks_named(struct snapshot *snapshot, const struct snapshot_options *options)
{
	const struct node_view *view = snapshot->view;

	snapshot->uplinks = calloc(view->n_links + 1, sizeof(uint32_t));
	if (!snapshot->uplinks)
		return -ENOMEM;
	for (size_t i = 0; i < view->n_links; i++) {
		for (size_t j = 0; j < options->n_uplink_names; j++) {
			if (strcmp(view->links[i].name, options->uplink_names[j]) != 0)
				continue;
			snapshot->uplinks[snapshot->n_uplinks++] = view->links[i].index;
			break;
		}
	}
	qsort(snapshot->uplinks, snapshot->n_uplinks, sizeof(uint32_t), uplink_compare);
	return 0;
}

static int uplinks_make(struct snapshot *snapshot, const struct snapshot_options *options)
{
	if (options->n_uplink_names)
		return uplinks_named(snapshot, options);
	size_t n = uplinks_derive(snapshot->view, NULL, 0);
	snapshot->uplinks = calloc(n + 1, sizeof(uint32_t));
	if (!snapshot->uplinks)
		return -ENOMEM;
	snapshot->n_uplinks = uplinks_derive(snapshot->view, snapshot->uplinks, n);
	return 0;
}

/* Units come first: they are in no namespace. The pod podfence itself runs in is nobody's endpoint: it is exempt. */
static int endpoints_resolve(struct snapshot *snapshot, const struct snapshot_options *options)
{
	static const struct unit_rule_list no_rules = {};
	enum coverage covered = options->is_audit ? COVERAGE_AUDIT : COVERAGE_ENFORCED;
	const struct pod_list *pods = snapshot->pods;
	const struct node_sandbox *own = own_sandbox(snapshot->view);

	snapshot->endpoints = calloc(snapshot->view->n_units + pods->n_pods + 1,
				     sizeof(struct endpoint));
	if (!snapshot->endpoints ||
	    unit_endpoints_make(snapshot, options->units ? options->units : &no_rules) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < pods->n_pods; i++) {
		struct endpoint *endpoint = &snapshot->endpoints[snapshot->n_endpoints++];
		endpoint->pod = pods->pods[i];
		endpoint->reason = "";
		int r = endpoint_resolve(endpoint, snapshot, covered);
		if (r < 0)
			return r;
		if (endpoint->sandbox && endpoint->sandbox == own) {
			endpoint_done(endpoint);
			*endpoint = (struct endpoint){};
			snapshot->n_endpoints--;
		}
	}
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		if (detours_judge(&snapshot->endpoints[i], snapshot->view, options->detours) < 0)
			return -ENOMEM;
	return 0;
}

/* Two pods of the API with one cgroup: an old and a new object of the same static pod, or a lie. */
static int cgroups_settle(struct endpoint **sorted, size_t n)
{
	for (size_t begin = 0, end; begin < n; begin = end) {
		for (end = begin + 1; end < n && sorted[end]->index == sorted[begin]->index; end++)
			;
		for (size_t i = begin; end - begin > 1 && i < end; i++) {
			const struct pod *other = sorted[i == begin ? begin + 1 : begin]->pod;
			int r = endpoint_unresolve(sorted[i], "its cgroup is the one of %s/%s too",
						   other->namespace, other->name);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int cgroups_make_unique(struct snapshot *snapshot)
{
	struct endpoint **sorted = calloc(snapshot->n_endpoints + 1, sizeof(struct endpoint *));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		if (snapshot->endpoints[i].sandbox)
			sorted[n++] = &snapshot->endpoints[i];
	qsort(sorted, n, sizeof(struct endpoint *), index_compare);
	int r = cgroups_settle(sorted, n);
	free(sorted);
	return r;
}

static size_t attachments_count(const struct snapshot *snapshot)
{
	size_t n = 0;

	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		n += snapshot->endpoints[i].n_attachments;
	return n;
}

static bool is_same_identity(const struct attachment *a, const struct attachment *b)
{
	return a->link == b->link && pf_address_equal(&a->address, &b->address);
}

static int claim_refuse(const struct claim *claim, const struct claim *other)
{
	char text[PF_ADDRESS_TEXT];

	address_text(&claim->attachment.address, text);
	return endpoint_unresolve(claim->endpoint, "claims %s that %s/%s has too", text,
				  other->endpoint->pod->namespace, other->endpoint->pod->name);
}

static int claims_settle(const struct claim *claims, size_t n)
{
	for (size_t begin = 0, end; begin < n; begin = end) {
		for (end = begin + 1; end < n && is_same_identity(&claims[end].attachment,
								  &claims[begin].attachment);
		     end++)
			;
		const struct claim *first = &claims[begin], *last = &claims[end - 1];
		/* They are sorted by endpoint too: all are one pod's, or first and last differ. */
		if (first->endpoint == last->endpoint)
			continue;
		for (size_t i = begin; i < end; i++) {
			const struct claim *other = claims[i].endpoint == first->endpoint ? last
											  : first;
			int r = claim_refuse(&claims[i], other);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int addresses_make_unique(struct snapshot *snapshot)
{
	size_t n = 0;
	struct claim *claims = calloc(attachments_count(snapshot) + 1, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		for (size_t j = 0; j < snapshot->endpoints[i].n_attachments; j++)
			claims[n++] = (struct claim){snapshot->endpoints[i].attachments[j],
						     &snapshot->endpoints[i]};
	qsort(claims, n, sizeof(*claims), claim_compare);
	int r = claims_settle(claims, n);
	free(claims);
	return r;
}

static int tables_make(struct snapshot *snapshot)
{
	snapshot->by_link = calloc(2 * attachments_count(snapshot) + 1,
				   sizeof(struct snapshot_link));
	snapshot->by_index = calloc(snapshot->n_endpoints + 1, sizeof(struct endpoint *));
	if (!snapshot->by_link || !snapshot->by_index)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		struct endpoint *endpoint = &snapshot->endpoints[i];
		if (endpoint->sandbox || endpoint->unit)
			snapshot->by_index[snapshot->n_by_index++] = endpoint;
		for (size_t j = 0; j < endpoint->n_attachments; j++) {
			const struct attachment *a = &endpoint->attachments[j];
			snapshot->by_link[snapshot->n_by_link++] =
				(struct snapshot_link){a->link, a->port != 0, a->address, endpoint};
			if (a->port)
				snapshot->by_link[snapshot->n_by_link++] = (struct snapshot_link){
					a->port, false, a->address, endpoint};
		}
	}
	qsort(snapshot->by_link, snapshot->n_by_link, sizeof(struct snapshot_link), link_compare);
	qsort(snapshot->by_index, snapshot->n_by_index, sizeof(struct endpoint *), index_compare);
	return 0;
}

static int snapshot_fill(struct snapshot *snapshot, const struct snapshot_options *options)
{
	int r = uplinks_make(snapshot, options);

	if (r == 0)
		r = endpoints_resolve(snapshot, options);
	if (r == 0)
		r = backstops_find(snapshot, options->detours);
	if (r == 0)
		r = cgroups_make_unique(snapshot);
	if (r == 0)
		r = addresses_make_unique(snapshot);
	return r == 0 ? tables_make(snapshot) : r;
}

int snapshot_new(const struct snapshot_options *options, struct pod_list *pods,
		 struct node_view *view, struct snapshot **ret_snapshot)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot) {
		pod_list_free(pods);
		node_view_free(view);
		return -ENOMEM;
	}
	snapshot->pods = pods;
	snapshot->view = view;
	snapshot->networks = network_list_ref(options->networks);
	int r = snapshot_fill(snapshot, options);
	if (r < 0) {
		snapshot_free(snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}

/* The first entry that is not before (link, address). */
static size_t by_link_lower(const struct snapshot *snapshot, uint32_t link,
			    const struct pf_address *address)
{
	size_t low = 0, high = snapshot->n_by_link;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct snapshot_link *entry = &snapshot->by_link[middle];
		if (link_address_compare(entry->link, &entry->address, link, address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct endpoint *snapshot_find_link(const struct snapshot *snapshot, uint32_t link,
					  const struct pf_address *source)
{
	size_t at = by_link_lower(snapshot, link, source);

	if (at == snapshot->n_by_link || snapshot->by_link[at].link != link ||
	    !pf_address_equal(&snapshot->by_link[at].address, source))
		return NULL;
	return snapshot->by_link[at].endpoint;
}

bool snapshot_is_uplink(const struct snapshot *snapshot, uint32_t link)
{
	for (size_t i = 0; i < snapshot->n_uplinks; i++)
		if (snapshot->uplinks[i] == link)
			return true;
	return false;
}

bool snapshot_has_link(const struct snapshot *snapshot, uint32_t link)
{
	size_t at = by_link_lower(snapshot, link, &(struct pf_address){});

	return at < snapshot->n_by_link && snapshot->by_link[at].link == link;
}

const struct endpoint *snapshot_find_sole(const struct snapshot *snapshot, uint32_t link)
{
	const struct endpoint *sole = NULL;

	for (size_t at = by_link_lower(snapshot, link, &(struct pf_address){});
	     at < snapshot->n_by_link && snapshot->by_link[at].link == link; at++) {
		const struct snapshot_link *entry = &snapshot->by_link[at];
		if (entry->is_shared || (sole && entry->endpoint != sole))
			return NULL;
		sole = entry->endpoint;
	}
	return sole;
}

const struct endpoint *snapshot_find_index(const struct snapshot *snapshot, uint32_t index)
{
	size_t low = 0, high = snapshot->n_by_index;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (snapshot->by_index[middle]->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == snapshot->n_by_index || snapshot->by_index[low]->index != index)
		return NULL;
	return snapshot->by_index[low];
}
