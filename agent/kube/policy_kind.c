/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Policies as the API tells of them. */
#include "kube/policy_kind.h"

#include "base/name.h"
#include "kube/object.h"
#include "kube/policy_parse.h"

#define ORIGIN "API"

static int as_store(int r, struct policy *policy, void **ret_value)
{
	*ret_value = policy;
	return r == POLICY_E_REFUSED	  ? OBJECT_STORE_E_REFUSED
	       : r == POLICY_E_NOT_WANTED ? OBJECT_STORE_E_NOT_WANTED
					  : r;
}

static int parse_namespaced(struct json_object *object, const char *place, const void *context,
			    struct report *report, void **ret_value)
{
	const struct policy_source source = {place, ORIGIN, false, report};
	struct policy *policy = NULL;
	int r = network_policy_parse(object, &source, &policy);

	return as_store(r, policy, ret_value);
}

static int parse_cluster(struct json_object *object, const char *place, const void *context,
			 struct report *report, void **ret_value)
{
	const struct policy_source source = {place, ORIGIN, false, report};
	struct policy *policy = NULL;
	int r = cluster_network_policy_parse(object, &source, &policy);

	return as_store(r, policy, ret_value);
}

static bool peek_namespaced(struct json_object *object, const char **ret_namespace,
			    const char **ret_name)
{
	*ret_namespace = object_peek(object, "namespace");
	*ret_name = object_peek(object, "name");
	return *ret_namespace && *ret_name && name_is_label(*ret_namespace) &&
	       name_is_subdomain(*ret_name);
}

static bool peek_cluster(struct json_object *object, const char **ret_namespace,
			 const char **ret_name)
{
	*ret_namespace = "";
	*ret_name = object_peek(object, "name");
	return *ret_name && name_is_subdomain(*ret_name);
}

static void name(const void *value, const char **ret_namespace, const char **ret_name)
{
	const struct policy *policy = value;

	*ret_namespace = policy->namespace;
	*ret_name = policy->name;
}

static bool is_equal(const void *a, const void *b)
{
	return policy_is_equal(a, b);
}

static void release(void *value)
{
	policy_free(value);
}

const struct object_store_kind network_policy_kind = {
	.kind = "NetworkPolicy",
	.api_version = "networking.k8s.io/v1",
	.parse = parse_namespaced,
	.peek = peek_namespaced,
	.name = name,
	.is_equal = is_equal,
	.release = release,
};

const struct object_store_kind cluster_network_policy_kind = {
	.kind = "ClusterNetworkPolicy",
	.api_version = "policy.networking.k8s.io/v1alpha2",
	.parse = parse_cluster,
	.peek = peek_cluster,
	.name = name,
	.is_equal = is_equal,
	.release = release,
};
