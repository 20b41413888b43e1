/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "config/config.h"
#include "inventory/snapshot.h"

/* A made-up node as values: routed pods, pods behind a bridge, host pods, an uplink. Nothing of it
 * exists; kernel ids are arbitrary but constant, so that golden files can hold them. */
struct made_node {
	struct config config;
	struct snapshot snapshot;
};

enum made_flags {
	MADE_AUDIT = 1,
	MADE_REJECT = 2,
	MADE_BRIDGE = 4,	/* two more pods behind a bridge */
	MADE_MANY_NETWORKS = 8, /* more internal networks than are compared one by one */
	MADE_NODE_CIDRS = 16,
	MADE_SHARED_NETWORK = 32, /* 100.64.0.0/10 is internal, and holds a metadata address */
	MADE_MANY_UPLINKS = 64,	  /* more than are compared one by one */
	MADE_UNITS =
		128, /* a slice, a unit inside it with another policy, and one that is exempt */
	MADE_BACKSTOP =
		256, /* the uplink is lo, as every namespace has it, and frames are told apart there */
};

/* n_pods routed pods with an IPv4 and an IPv6 address each, n_host_pods host pods. NULL: no memory.
 */
struct made_node *made_node_new(unsigned n_pods, unsigned n_host_pods, unsigned flags);
struct made_node *made_node_free(struct made_node *made);
