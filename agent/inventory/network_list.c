/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whoever may write a Node or ServiceCIDR object could open the fence with it, so what is derived
 * may not be of the size of a default route: no cluster has a network larger than a /8 of IPv4 or a
 * /32 of IPv6, the smallest block a registry gives to a provider. Configured networks may. */
#include "inventory/network_list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MIN4 8
#define LENGTH_MIN6 32

static const char *const names[] = {
	[NETWORK_NODE_ADDRESS] = "node address",
	[NETWORK_NODE_POD_CIDR] = "pod network",
	[NETWORK_SERVICE_CIDR] = "service network",
	[NETWORK_API_SERVER] = "API server",
	[NETWORK_RESOLVER] = "resolver",
};

const char *network_origin_name(enum network_origin origin)
{
	return names[origin];
}

bool network_is_internal(const struct network *network)
{
	return !network->refused && network->origin != NETWORK_RESOLVER;
}

static bool is_loopback(const struct pf_address *address)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return address->family == AF_INET ? address->bytes[0] == 127
					  : !memcmp(address->bytes, loopback6, sizeof(loopback6));
}

static const char *find_fault(const struct pf_prefix *prefix)
{
	static const uint8_t nothing[16];

	if (prefix->length < (prefix->address.family == AF_INET ? LENGTH_MIN4 : LENGTH_MIN6))
		return "too large to be derived; list it in network.internal if it is meant";
	if (is_loopback(&prefix->address))
		return "a loopback address";
	if (!memcmp(prefix->address.bytes, nothing, sizeof(nothing)))
		return "no address";
	return NULL;
}

static struct pf_prefix host_prefix(const struct pf_address *address)
{
	return (struct pf_prefix){*address, address->family == AF_INET ? 32 : 128};
}

PF_PRINTF(4, 5)
static int add(struct network_list *list, const struct pf_prefix *prefix,
	       enum network_origin origin, const char *format, ...)
{
	struct network *network = &list->networks[list->n_networks];
	va_list arguments;

	va_start(arguments, format);
	int n = vasprintf(&network->source, format, arguments);
	va_end(arguments);
	if (n < 0)
		return -ENOMEM;
	network->prefix = *prefix;
	network->origin = origin;
	network->refused = find_fault(prefix);
	list->n_networks++;
	return 0;
}

static int add_cluster_network(struct network_list *list, const struct cluster_network *network)
{
	switch (network->kind) {
	case CLUSTER_NODE_ADDRESS:
		return add(list, &network->prefix, NETWORK_NODE_ADDRESS, "Node %s",
			   network->object);
	case CLUSTER_NODE_POD_CIDR:
		return add(list, &network->prefix, NETWORK_NODE_POD_CIDR, "Node %s",
			   network->object);
	case CLUSTER_SERVICE_CIDR:
		return add(list, &network->prefix, NETWORK_SERVICE_CIDR, "ServiceCIDR %s",
			   network->object);
	case CLUSTER_API_SERVER:
		return add(list, &network->prefix, NETWORK_API_SERVER, "EndpointSlice default/%s",
			   network->object);
	case CLUSTER_CONNECTION:
		return add(list, &network->prefix, NETWORK_API_SERVER, "connection");
	}
	return 0;
}

static int network_compare(const void *a_pointer, const void *b_pointer)
{
	const struct network *a = a_pointer, *b = b_pointer;
	int order = memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));

	if (!order)
		order = (a->origin > b->origin) - (a->origin < b->origin);
	return order ? order : strcmp(a->source, b->source);
}

static int fill(struct network_list *list, const struct network_facts *facts,
		const struct cluster_network *networks, size_t n)
{
	int r = 0;

	list->networks = calloc(n + facts->n_resolvers + 1, sizeof(*list->networks));
	if (!list->networks)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_cluster_network(list, &networks[i]);
	for (size_t i = 0; i < facts->n_resolvers && r == 0; i++) {
		struct pf_prefix prefix = host_prefix(&facts->resolvers[i]);
		r = add(list, &prefix, NETWORK_RESOLVER, "%s", facts->resolvers_source);
	}
	if (list->n_networks)
		qsort(list->networks, list->n_networks, sizeof(*list->networks), network_compare);
	return r;
}

int network_list_new(const struct network_facts *facts, struct network_list **ret_list)
{
	struct network_list *list = calloc(1, sizeof(*list));
	struct cluster_network *networks = NULL;
	size_t n = 0;
	int r = list ? 0 : -ENOMEM;

	if (r == 0) {
		list->n_references = 1;
		if (facts->cluster)
			r = cluster_networks(facts->cluster, &networks, &n);
	}
	if (r == 0)
		r = fill(list, facts, networks, n);
	free(networks);
	if (r < 0) {
		network_list_free(list);
		return r;
	}
	*ret_list = list;
	return 0;
}

struct network_list *network_list_ref(struct network_list *list)
{
	if (list)
		list->n_references++;
	return list;
}

struct network_list *network_list_free(struct network_list *list)
{
	if (!list || --list->n_references)
		return NULL;
	for (size_t i = 0; i < list->n_networks; i++)
		free(list->networks[i].source);
	free(list->networks);
	free(list);
	return NULL;
}

bool network_list_is_equal(const struct network_list *a, const struct network_list *b)
{
	if (a->n_networks != b->n_networks)
		return false;
	for (size_t i = 0; i < a->n_networks; i++)
		if (network_compare(&a->networks[i], &b->networks[i]) != 0)
			return false;
	return true;
}

size_t resolv_conf_parse(const char *text,
			 struct pf_address ret_addresses[static NETWORKS_RESOLVERS_MAX])
{
	size_t n = 0;

	for (const char *line = text; line && n < NETWORKS_RESOLVERS_MAX;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char word[16], value[PF_ADDRESS_TEXT];
		struct pf_address address;
		if (line[0] == '\n' ||
		    sscanf(line, " %15[^ \t\n] %47[^ \t\n%%]", word, value) != 2 ||
		    strcmp(word, "nameserver") != 0 || pf_address_parse(value, &address) < 0 ||
		    is_loopback(&address))
			continue;
		ret_addresses[n++] = address;
	}
	return n;
}
