/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/namespace.h"
#include "kube/network.h"
#include "kube/object.h"
#include "kube/pod_parse.h"
#include "kube/pod_write.h"
#include "kube/policy_kind.h"
#include "kube/policy_write.h"

#define CONNECTION "Connection" /* of our own: no kind of Kubernetes */

struct cluster {
	char *node;
	struct object_store *stores[CLUSTER_KINDS];
	struct pf_address server; /* family 0: not known */
	uint64_t server_version;
	struct pod_list *pods; /* NULL: to be made again */
	uint64_t pods_version; /* of the store it was made of */
	struct policy_list *policies;
	uint64_t policies_version; /* of both their stores */
	struct namespace_list *namespaces;
	uint64_t namespaces_version;
};

static int parse_pod(struct json_object *object, const char *place, const void *context,
		     struct report *report, void **ret_value)
{
	const struct pod_source source = {place, context, report};
	char created[POD_CREATED_MAX];
	struct pod *pod = NULL;
	int r = pod_parse(object, &source, &pod, created);

	*ret_value = pod;
	return r == POD_E_REFUSED      ? OBJECT_STORE_E_REFUSED
	       : r == POD_E_NOT_WANTED ? OBJECT_STORE_E_NOT_WANTED
				       : r;
}

static void name_pod(const void *value, const char **ret_namespace, const char **ret_name)
{
	const struct pod *pod = value;

	*ret_namespace = pod->namespace;
	*ret_name = pod->name;
}

static bool is_equal_pod(const void *a, const void *b)
{
	return pod_is_equal(a, b);
}

static void release_pod(void *value)
{
	pod_free(value);
}

static const struct object_store_kind pod_kind = {
	"Pod", "v1", parse_pod, pod_peek_name, name_pod, is_equal_pod, release_pod,
};

static const struct object_store_kind *const kinds[CLUSTER_KINDS] = {
	[CLUSTER_PODS] = &pod_kind,
	[CLUSTER_NAMESPACES] = &namespace_kind,
	[CLUSTER_NODES] = &node_kind,
	[CLUSTER_SERVICE_CIDRS] = &service_cidr_kind,
	[CLUSTER_API_SERVERS] = &endpoint_slice_kind,
	[CLUSTER_NETWORK_POLICIES] = &network_policy_kind,
	[CLUSTER_CLUSTER_NETWORK_POLICIES] = &cluster_network_policy_kind,
};

int cluster_new(const char *node, struct cluster **ret_cluster)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	int r = 0;

	if (!cluster)
		return -ENOMEM;
	cluster->node = strdup(node);
	if (!cluster->node)
		r = -ENOMEM;
	for (size_t i = 0; i < CLUSTER_KINDS && r == 0; i++)
		r = object_store_new(kinds[i], cluster->node, &cluster->stores[i]);
	if (r < 0) {
		cluster_free(cluster);
		return r;
	}
	*ret_cluster = cluster;
	return 0;
}

struct cluster *cluster_free(struct cluster *cluster)
{
	if (!cluster)
		return NULL;
	for (size_t i = 0; i < CLUSTER_KINDS; i++)
		object_store_free(cluster->stores[i]);
	pod_list_free(cluster->pods);
	policy_list_free(cluster->policies);
	namespace_list_free(cluster->namespaces);
	free(cluster->node);
	free(cluster);
	return NULL;
}

const char *cluster_node(const struct cluster *cluster)
{
	return cluster->node;
}

void cluster_begin(struct cluster *cluster, enum cluster_kind kind)
{
	object_store_begin(cluster->stores[kind]);
}

int cluster_put(struct cluster *cluster, enum cluster_kind kind, struct json_object *object,
		const char *place, struct report *report)
{
	return object_store_put(cluster->stores[kind], object, place, report);
}

void cluster_remove(struct cluster *cluster, enum cluster_kind kind, struct json_object *object)
{
	object_store_remove(cluster->stores[kind], object);
}

void cluster_end(struct cluster *cluster, enum cluster_kind kind)
{
	object_store_end(cluster->stores[kind]);
}

uint64_t cluster_version(const struct cluster *cluster)
{
	uint64_t version = cluster->server_version;

	for (size_t i = 0; i < CLUSTER_KINDS; i++)
		version += object_store_version(cluster->stores[i]);
	return version;
}

bool cluster_is_whole(const struct cluster *cluster, enum cluster_kind kind)
{
	return object_store_is_whole(cluster->stores[kind]);
}

static struct pod_list *make_list(const struct object_store *store)
{
	struct pod_list *list = pod_list_empty();

	if (!list)
		return NULL;
	list->pods = calloc(object_store_count(store) + 1, sizeof(struct pod *));
	if (!list->pods)
		return pod_list_free(list);
	for (; list->n_pods < object_store_count(store); list->n_pods++)
		list->pods[list->n_pods] = pod_ref(object_store_at(store, list->n_pods));
	return list;
}

int cluster_pods(struct cluster *cluster, struct pod_list **ret_list)
{
	const struct object_store *store = cluster->stores[CLUSTER_PODS];

	if (!cluster->pods || cluster->pods_version != object_store_version(store)) {
		struct pod_list *list = make_list(store);
		if (!list)
			return -ENOMEM;
		pod_list_free(cluster->pods);
		cluster->pods = list;
		cluster->pods_version = object_store_version(store);
	}
	*ret_list = pod_list_ref(cluster->pods);
	return 0;
}

static int make_policies(const struct cluster *cluster, struct policy_list **ret_list)
{
	const struct object_store *namespaced = cluster->stores[CLUSTER_NETWORK_POLICIES],
				  *whole = cluster->stores[CLUSTER_CLUSTER_NETWORK_POLICIES];
	size_t n = 0, maximum = object_store_count(namespaced) + object_store_count(whole);
	struct policy **policies = calloc(maximum + 1, sizeof(struct policy *));

	if (!policies)
		return -ENOMEM;
	for (size_t i = 0; i < object_store_count(namespaced); i++)
		policies[n++] = object_store_at(namespaced, i);
	for (size_t i = 0; i < object_store_count(whole); i++)
		policies[n++] = object_store_at(whole, i);
	int r = policy_list_new(policies, n, ret_list);
	free(policies);
	return r;
}

int cluster_policies(struct cluster *cluster, struct policy_list **ret_list)
{
	uint64_t version = object_store_version(cluster->stores[CLUSTER_NETWORK_POLICIES]) +
			   object_store_version(cluster->stores[CLUSTER_CLUSTER_NETWORK_POLICIES]);

	if (!cluster->policies || cluster->policies_version != version) {
		struct policy_list *list;
		int r = make_policies(cluster, &list);
		if (r < 0)
			return r;
		policy_list_free(cluster->policies);
		cluster->policies = list;
		cluster->policies_version = version;
	}
	*ret_list = policy_list_ref(cluster->policies);
	return 0;
}

static int make_namespaces(const struct object_store *store, struct namespace_list **ret_list)
{
	struct namespace **namespaces = calloc(object_store_count(store) + 1, sizeof(*namespaces));

	if (!namespaces)
		return -ENOMEM;
	for (size_t i = 0; i < object_store_count(store); i++)
		namespaces[i] = object_store_at(store, i);
	int r = namespace_list_new(namespaces, object_store_count(store), ret_list);
	free(namespaces);
	return r;
}

int cluster_namespaces(struct cluster *cluster, struct namespace_list **ret_list)
{
	const struct object_store *store = cluster->stores[CLUSTER_NAMESPACES];

	if (!cluster->namespaces || cluster->namespaces_version != object_store_version(store)) {
		struct namespace_list *list;
		int r = make_namespaces(store, &list);
		if (r < 0)
			return r;
		namespace_list_free(cluster->namespaces);
		cluster->namespaces = list;
		cluster->namespaces_version = object_store_version(store);
	}
	*ret_list = namespace_list_ref(cluster->namespaces);
	return 0;
}

int cluster_know_pods(struct cluster *cluster, const struct pod_list *pods)
{
	struct object_store *store = cluster->stores[CLUSTER_PODS];

	object_store_begin(store);
	for (size_t i = 0; i < pods->n_pods; i++) {
		int r = object_store_take(store, pod_ref(pods->pods[i]));
		if (r < 0)
			return r;
	}
	object_store_end(store);
	return 0;
}

void cluster_note_server(struct cluster *cluster, const struct pf_address *address)
{
	if (pf_address_equal(&cluster->server, address))
		return;
	cluster->server = *address;
	cluster->server_version++;
}

static void write_value(struct json *json, enum cluster_kind kind, const void *value)
{
	switch (kind) {
	case CLUSTER_PODS: pod_write(json, value); break;
	case CLUSTER_NAMESPACES: namespace_write(json, value); break;
	case CLUSTER_NETWORK_POLICIES:
	case CLUSTER_CLUSTER_NETWORK_POLICIES: policy_write(json, value); break;
	default: network_object_write(json, kinds[kind], value); break;
	}
}

static void write_kind(const struct cluster *cluster, enum cluster_kind kind, struct json *json)
{
	for (size_t i = 0; i < object_store_count(cluster->stores[kind]); i++)
		write_value(json, kind, object_store_at(cluster->stores[kind], i));
}

static void write_connection(const struct cluster *cluster, struct json *json)
{
	if (!cluster->server.family)
		return;
	json_object_begin(json, NULL);
	json_string(json, "kind", CONNECTION);
	json_address(json, "address", &cluster->server);
	json_object_end(json);
}

void cluster_write_networks(const struct cluster *cluster, struct json *json)
{
	write_kind(cluster, CLUSTER_NODES, json);
	write_kind(cluster, CLUSTER_SERVICE_CIDRS, json);
	write_kind(cluster, CLUSTER_API_SERVERS, json);
	write_connection(cluster, json);
}

void cluster_write(const struct cluster *cluster, struct json *json)
{
	json_object_begin(json, NULL);
	json_string(json, "kind", "List");
	json_array_begin(json, "items");
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		write_kind(cluster, kind, json);
	write_connection(cluster, json);
	json_array_end(json);
	json_object_end(json);
}

static void take_connection(struct cluster *cluster, struct json_object *object,
			    struct object_reader *reader)
{
	struct pf_address address;

	if (pf_address_parse(object_text(reader, object, "address", "address"), &address) == 0)
		cluster_note_server(cluster, &address);
	else
		object_complain(reader, "address", "is none");
}

int cluster_take_item(struct cluster *cluster, struct json_object *object, const char *place,
		      struct report *report)
{
	struct object_reader reader = {.place = (char *)(uintptr_t)place, .report = report};
	struct json_object *root = json_object_is_type(object, json_type_object) ? object : NULL;
	const char *said = object_text(&reader, root, "kind", "kind");
	size_t before = report->n_entries + report->n_left_out;
	int r;

	if (!strcmp(said, CONNECTION)) {
		take_connection(cluster, object, &reader);
		return reader.error < 0 ? reader.error
					: report->n_entries + report->n_left_out > before;
	}
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++) {
		if (strcmp(said, kinds[kind]->kind) != 0)
			continue;
		r = cluster_put(cluster, kind, object, place, report);
		return r < 0 ? r : report->n_entries + report->n_left_out > before;
	}
	object_complain(&reader, "kind", "\"%.64s\" is none of ours", said);
	return reader.error < 0 ? reader.error : 1;
}

static size_t add_networks(const struct object_store *store, enum cluster_network_kind first,
			   enum cluster_network_kind rest, struct cluster_network *networks,
			   size_t n)
{
	for (size_t i = 0; i < object_store_count(store); i++) {
		const struct network_object *object = object_store_at(store, i);
		for (size_t k = 0; k < object->n_prefixes; k++, n++)
			if (networks)
				networks[n] = (struct cluster_network){
					k < object->n_addresses ? first : rest,
					object->name,
					object->prefixes[k],
				};
	}
	return n;
}

static size_t all_networks(const struct cluster *cluster, struct cluster_network *networks)
{
	struct object_store *const *stores = cluster->stores;
	size_t n = add_networks(stores[CLUSTER_NODES], CLUSTER_NODE_ADDRESS, CLUSTER_NODE_POD_CIDR,
				networks, 0);

	n = add_networks(stores[CLUSTER_SERVICE_CIDRS], CLUSTER_SERVICE_CIDR, CLUSTER_SERVICE_CIDR,
			 networks, n);
	n = add_networks(stores[CLUSTER_API_SERVERS], CLUSTER_API_SERVER, CLUSTER_API_SERVER,
			 networks, n);
	if (cluster->server.family && networks)
		networks[n] = (struct cluster_network){
			CLUSTER_CONNECTION,
			"",
			{cluster->server, cluster->server.family == AF_INET ? 32 : 128},
		};
	return n + (cluster->server.family != 0);
}

int cluster_networks(const struct cluster *cluster, struct cluster_network **ret_networks,
		     size_t *ret_n)
{
	*ret_n = all_networks(cluster, NULL);
	*ret_networks = calloc(*ret_n + 1, sizeof(**ret_networks));
	if (!*ret_networks)
		return -ENOMEM;
	(void)all_networks(cluster, *ret_networks);
	return 0;
}
