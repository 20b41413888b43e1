/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/backstop.h"

static struct pf_prefix prefix(const char *text)
{
	struct pf_prefix value = {};

	if (pf_prefix_parse(text, &value) != 0)
		fprintf(stderr, "# bad prefix %s\n", text);
	return value;
}

static void fill_prefixes(struct prefix_list *list, const char *const *texts, size_t n)
{
	list->prefixes = calloc(n, sizeof(*list->prefixes));
	list->n_prefixes = n;
	for (size_t i = 0; i < n; i++)
		list->prefixes[i] = prefix(texts[i]);
}

static void fill_numbers(struct number_list *list, uint32_t a, uint32_t b, uint32_t c)
{
	list->numbers = calloc(3, sizeof(*list->numbers));
	list->n_numbers = 3;
	list->numbers[0] = a;
	list->numbers[1] = b;
	list->numbers[2] = c;
}

static void fill_config(struct config *config, unsigned flags)
{
	static const char *const few[] = {"10.0.0.0/8", "172.20.0.0/14", "fd00::/8"};
	static const char *const many[] = {
		"10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16",	 "10.3.0.0/16",
		"10.4.0.0/16", "10.5.0.0/16", "10.6.0.0/16",	 "10.7.0.0/16",
		"10.8.0.0/16", "fd00::/64",   "fd00:0:0:1::/64",
	};
	static const char *const shared[] = {"10.0.0.0/8", "100.64.0.0/10", "fd00::/8"};
	static const char *const nodes[] = {"192.168.7.0/24", "fd07::/64"};

	config->fallback.mode = flags & MADE_AUDIT ? CONFIG_MODE_AUDIT : CONFIG_MODE_DENY;
	config->backstop.mode = config->fallback.mode;
	config->fallback.action = flags & MADE_REJECT ? CONFIG_ACTION_REJECT : CONFIG_ACTION_DROP;
	if (flags & MADE_MANY_NETWORKS)
		fill_prefixes(&config->network.internal, many, sizeof(many) / sizeof(many[0]));
	else if (flags & MADE_SHARED_NETWORK)
		fill_prefixes(&config->network.internal, shared,
			      sizeof(shared) / sizeof(shared[0]));
	else
		fill_prefixes(&config->network.internal, few, sizeof(few) / sizeof(few[0]));
	if (flags & MADE_NODE_CIDRS)
		fill_prefixes(&config->network.node_cidrs, nodes, 2);
	fill_numbers(&config->network.tunnel_ports, 4789, 8472, 6081);
	fill_numbers(&config->network.tunnel_protocols, 4, 41, 47);
	config->conntrack.label_bit = 100;
	config->nflog.group = 1789;
	config->nflog.copy_bytes = 128;
	config->ledger.flows = 65536;
	config->ledger.new_flows = 100;
	config->ledger.allowed = CONFIG_ON;
}

static struct pf_address address4(unsigned i)
{
	return (struct pf_address){.family = 2, .bytes = {10, 244, i >> 8 & 255, i & 255}};
}

static struct pf_address address6(unsigned i)
{
	return (struct pf_address){.family = 10,
				   .bytes = {0xfd, 0, [14] = i >> 8 & 255, [15] = i & 255}};
}

static void fill_pod(struct endpoint *endpoint, unsigned i, bool is_bridged)
{
	endpoint->kind = ENDPOINT_POD;
	endpoint->index = 3000 + i;
	endpoint->n_attachments = 2;
	endpoint->attachments = calloc(2, sizeof(*endpoint->attachments));
	for (unsigned k = 0; k < 2; k++) {
		endpoint->attachments[k].link = is_bridged ? 50 : 1000 + i;
		endpoint->attachments[k].port = is_bridged ? 60 + i : 0;
		endpoint->attachments[k].address = k ? address6(i) : address4(i);
	}
}

static void fill_host_pod(struct endpoint *endpoint, unsigned i)
{
	endpoint->kind = ENDPOINT_HOST_POD;
	endpoint->cgroup = 5000 + i;
	endpoint->index = 5000 + i;
	endpoint->level = i % 2 ? 2 : 3;
}

static int compare_links(const void *a, const void *b)
{
	const struct snapshot_link *x = a, *y = b;

	return x->link < y->link ? -1 : x->link > y->link;
}

static void fill_links(struct snapshot *snapshot)
{
	snapshot->by_link = calloc(4 * snapshot->n_endpoints + 1, sizeof(*snapshot->by_link));
	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++) {
			const struct attachment *at = &snapshot->endpoints[i].attachments[k];
			struct snapshot_link link = {
				.link = at->link,
				.is_shared = at->port != 0,
				.address = at->address,
				.endpoint = &snapshot->endpoints[i],
			};
			snapshot->by_link[snapshot->n_by_link++] = link;
			if (!at->port)
				continue;
			link.link = at->port;
			link.is_shared = false;
			snapshot->by_link[snapshot->n_by_link++] = link;
		}
	qsort(snapshot->by_link, snapshot->n_by_link, sizeof(*snapshot->by_link), compare_links);
}

/* Without a name: nobody is told of them here. */
static void fill_units(struct snapshot *snapshot, struct endpoint *endpoints)
{
	static const struct exempt_cgroup exempt = {6003, 2};

	for (unsigned i = 0; i < 2; i++)
		endpoints[i] = (struct endpoint){.kind = ENDPOINT_UNIT,
						 .coverage = COVERAGE_ENFORCED,
						 .reason = "",
						 .cgroup = 6001 + i,
						 .index = 6001 + i,
						 .level = 1 + i};
	snapshot->exempt = calloc(1, sizeof(exempt));
	snapshot->exempt[0] = exempt;
	snapshot->n_exempt = 1;
}

static void fill_backstop(struct snapshot *snapshot)
{
	static const struct node_link link = {.index = 2, .name = "lo", .peer_nsid = -1};

	snapshot->view->links = calloc(1, sizeof(link));
	snapshot->view->links[0] = link;
	snapshot->view->n_links = 1;
	snapshot->backstops = calloc(1, sizeof(*snapshot->backstops));
	snapshot->backstops[0].link = link.index;
	snapshot->n_backstops = 1;
}

struct made_node *made_node_new(unsigned n_pods, unsigned n_host_pods, unsigned flags)
{
	struct made_node *made = calloc(1, sizeof(*made));
	unsigned n_bridged = flags & MADE_BRIDGE ? 2 : 0, n = n_pods + n_bridged + n_host_pods;
	unsigned n_units = flags & MADE_UNITS ? 2 : 0;
	struct snapshot *snapshot = &made->snapshot;

	fill_config(&made->config, flags);
	snapshot->view = calloc(1, sizeof(*snapshot->view));
	snapshot->view->n_pod_roots = 1;
	snapshot->view->pod_roots = calloc(1, sizeof(*snapshot->view->pod_roots));
	snapshot->view->pod_roots[0] = (struct node_pod_root){.cgroup = 4000, .level = 1};
	snapshot->n_uplinks = flags & MADE_MANY_UPLINKS ? 6 : 1;
	snapshot->uplinks = calloc(snapshot->n_uplinks, sizeof(*snapshot->uplinks));
	for (unsigned i = 0; i < snapshot->n_uplinks; i++)
		snapshot->uplinks[i] = 2 + i;
	snapshot->endpoints = calloc(n + n_units + 1, sizeof(*snapshot->endpoints));
	snapshot->n_endpoints = n + n_units;
	if (n_units)
		fill_units(snapshot, &snapshot->endpoints[n]);
	for (unsigned i = 0; i < n; i++) {
		snapshot->endpoints[i].coverage = flags & MADE_AUDIT ? COVERAGE_AUDIT
								     : COVERAGE_ENFORCED;
		if (i < n_pods + n_bridged)
			fill_pod(&snapshot->endpoints[i], i, i >= n_pods);
		else
			fill_host_pod(&snapshot->endpoints[i], i - n_pods - n_bridged);
	}
	fill_links(snapshot);
	if (flags & MADE_BACKSTOP)
		fill_backstop(snapshot);
	return made;
}

struct made_node *made_node_free(struct made_node *made)
{
	for (size_t i = 0; i < made->snapshot.n_endpoints; i++)
		free(made->snapshot.endpoints[i].attachments);
	free(made->snapshot.endpoints);
	free(made->snapshot.exempt);
	free(made->snapshot.by_link);
	free(made->snapshot.uplinks);
	backstops_free(&made->snapshot);
	free(made->snapshot.view->links);
	free(made->snapshot.view->pod_roots);
	free(made->snapshot.view);
	free(made->config.network.internal.prefixes);
	free(made->config.network.node_cidrs.prefixes);
	free(made->config.network.tunnel_ports.numbers);
	free(made->config.network.tunnel_protocols.numbers);
	free(made);
	return NULL;
}
