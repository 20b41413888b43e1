/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

#include "kube/cluster.h"

/* Networks that nobody configured and that are internal all the same, each with where it comes
 * from. */
enum network_origin {
	NETWORK_NODE_ADDRESS,
	NETWORK_NODE_POD_CIDR,
	NETWORK_SERVICE_CIDR,
	NETWORK_API_SERVER, /* of the cluster's endpoints, or the address we are connected to */
	NETWORK_RESOLVER,   /* of this node; reached by port 53 only */
};

#define NETWORKS_RESOLVERS_MAX 16

struct network {
	struct pf_prefix prefix;
	enum network_origin origin;
	char *source;	     /* "Node node-1", "/etc/resolv.conf" */
	const char *refused; /* why it is not internal after all; NULL: it is */
};

struct network_list {
	struct network *networks; /* sorted by prefix, then origin */
	size_t n_networks;
	unsigned n_references;
};

/* What is known of the networks around. */
struct network_facts {
	const struct cluster *cluster; /* NULL: none */
	const struct pf_address *resolvers;
	size_t n_resolvers;
	const char *resolvers_source;
};

/* Pure. 0 or -ENOMEM. */
PF_MUST_CHECK int network_list_new(const struct network_facts *facts,
				   struct network_list **ret_list);
struct network_list *network_list_ref(struct network_list *list);
struct network_list *network_list_free(struct network_list *list);
bool network_list_is_equal(const struct network_list *a, const struct network_list *b);

/* All of it, on every port. */
bool network_is_internal(const struct network *network);
const char *network_origin_name(enum network_origin origin);

/* The addresses of the nameserver lines of a resolv.conf(5) that are not this node's own loopback
 * (127.0.0.53 only forwards). Returns how many, at most NETWORKS_RESOLVERS_MAX. Pure. */
size_t resolv_conf_parse(const char *text,
			 struct pf_address ret_addresses[static NETWORKS_RESOLVERS_MAX]);
