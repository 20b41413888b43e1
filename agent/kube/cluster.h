/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

#include "base/json.h"
#include "base/report.h"
#include "kube/namespace.h"
#include "kube/podlist.h"
#include "kube/policy.h"

/* What is known of the cluster: the pods of this node, and what else its API says that the rules
 * depend on. It is filled object by object, from the API or from what was kept of it. */
struct cluster;

enum cluster_kind {
	CLUSTER_PODS,
	CLUSTER_NAMESPACES,
	CLUSTER_NODES, /* this one only */
	CLUSTER_SERVICE_CIDRS,
	CLUSTER_API_SERVERS, /* EndpointSlices of Service default/kubernetes */
	CLUSTER_NETWORK_POLICIES,
	CLUSTER_CLUSTER_NETWORK_POLICIES,
	CLUSTER_KINDS,
};

/* `node`: its name. */
PF_MUST_CHECK int cluster_new(const char *node, struct cluster **ret_cluster);
struct cluster *cluster_free(struct cluster *cluster);
const char *cluster_node(const struct cluster *cluster);

/* As object_store_begin() and so on. */
void cluster_begin(struct cluster *cluster, enum cluster_kind kind);
PF_MUST_CHECK int cluster_put(struct cluster *cluster, enum cluster_kind kind,
			      struct json_object *object, const char *place, struct report *report);
void cluster_remove(struct cluster *cluster, enum cluster_kind kind, struct json_object *object);
void cluster_end(struct cluster *cluster, enum cluster_kind kind);

/* Grows with every change of what podfence looks at. */
uint64_t cluster_version(const struct cluster *cluster);
bool cluster_is_whole(const struct cluster *cluster, enum cluster_kind kind);
/* Where the API server answered last; family 0: nothing is known. */
void cluster_note_server(struct cluster *cluster, const struct pf_address *address);
/* The pods as they are now. The same list as before as long as none has changed: the caller
 * compares pointers. */
PF_MUST_CHECK int cluster_pods(struct cluster *cluster, struct pod_list **ret_list);
/* The policies and namespaces as they are now; shared likewise. */
PF_MUST_CHECK int cluster_policies(struct cluster *cluster, struct policy_list **ret_list);
PF_MUST_CHECK int cluster_namespaces(struct cluster *cluster, struct namespace_list **ret_list);
/* Takes the pods of a list in, as begin, put and end would. */
PF_MUST_CHECK int cluster_know_pods(struct cluster *cluster, const struct pod_list *pods);

/* Everything as items of a List, and back; the kind of each item says where it belongs. */
void cluster_write(const struct cluster *cluster, struct json *json);
/* Those of them that networks are derived from, as members of an array. */
void cluster_write_networks(const struct cluster *cluster, struct json *json);
/* 0; 1 after an entry in the report; -ENOMEM. */
PF_MUST_CHECK int cluster_take_item(struct cluster *cluster, struct json_object *object,
				    const char *place, struct report *report);

enum cluster_network_kind {
	CLUSTER_NODE_ADDRESS,
	CLUSTER_NODE_POD_CIDR,
	CLUSTER_SERVICE_CIDR,
	CLUSTER_API_SERVER,
	CLUSTER_CONNECTION, /* cluster_note_server() */
};

struct cluster_network {
	enum cluster_network_kind kind;
	const char *object; /* its name, the cluster's until it changes */
	struct pf_prefix prefix;
};

/* What the objects say of networks; the caller frees the array. */
PF_MUST_CHECK int cluster_networks(const struct cluster *cluster,
				   struct cluster_network **ret_networks, size_t *ret_n);
