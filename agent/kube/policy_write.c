/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The inverse of the parsers, so that one parser with all its checks reads both. A rule whose peers or
 * ports are all inside the cluster is written with one that is. */
#include "kube/policy_write.h"

#include <arpa/inet.h>

#include "kube/policy_reader.h"

static void write_selector(struct json *json, const char *key,
			   const struct label_selector *selector)
{
	static const char *const operators[] = {
		[LABEL_IN] = "In",
		[LABEL_NOT_IN] = "NotIn",
		[LABEL_EXISTS] = "Exists",
		[LABEL_DOES_NOT_EXIST] = "DoesNotExist",
	};

	json_object_begin(json, key);
	json_array_begin(json, "matchExpressions");
	for (size_t i = 0; i < selector->n_requirements; i++) {
		const struct label_requirement *one = &selector->requirements[i];
		json_object_begin(json, NULL);
		json_string(json, "key", one->key);
		json_string(json, "operator", operators[one->operator]);
		json_array_begin(json, "values");
		for (size_t k = 0; k < one->n_values; k++)
			json_string(json, NULL, one->values[k]);
		json_array_end(json);
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}

static void write_prefix(struct json *json, const char *key, const struct pf_prefix *prefix)
{
	char text[PF_PREFIX_TEXT];

	json_string(json, key, pf_prefix_format(prefix, text));
}

static void write_mark(struct json *json, const struct policy_rule *rule)
{
	if (rule->has_unknown)
		json_boolean(json, POLICY_UNKNOWN_MARK, true);
}

static void write_blocks(struct json *json, const struct policy_rule *rule)
{
	json_array_begin(json, "to");
	for (size_t i = 0; i < rule->n_networks; i++) {
		const struct policy_network *network = &rule->networks[i];
		json_object_begin(json, NULL);
		json_object_begin(json, "ipBlock");
		write_prefix(json, "cidr", &network->prefix);
		json_array_begin(json, "except");
		for (size_t k = 0; k < network->n_except; k++)
			write_prefix(json, NULL, &network->except[k]);
		json_array_end(json);
		json_object_end(json);
		json_object_end(json);
	}
	if (!rule->n_networks && !rule->matches_all_networks) {
		json_object_begin(json, NULL);
		write_selector(json, "podSelector", &(struct label_selector){});
		json_object_end(json);
	}
	json_array_end(json);
}

static const char *protocol_name(uint8_t protocol, bool is_upper)
{
	switch (protocol) {
	case IPPROTO_UDP: return is_upper ? "UDP" : "udp";
	case IPPROTO_SCTP: return is_upper ? "SCTP" : "sctp";
	default: return is_upper ? "TCP" : "tcp";
	}
}

static void write_ports(struct json *json, const struct policy_rule *rule)
{
	json_array_begin(json, "ports");
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct policy_port *port = &rule->ports[i];
		json_object_begin(json, NULL);
		json_string(json, "protocol", protocol_name(port->protocol, true));
		if (port->first) {
			json_uint(json, "port", port->first);
			json_uint(json, "endPort", port->last);
		}
		json_object_end(json);
	}
	if (!rule->n_ports && !rule->matches_all_ports) {
		json_object_begin(json, NULL);
		json_string(json, "port", "name");
		json_object_end(json);
	}
	json_array_end(json);
}

static void write_namespaced_spec(struct json *json, const struct policy *policy)
{
	write_selector(json, "podSelector", &policy->pods);
	json_array_begin(json, "policyTypes");
	json_string(json, NULL, "Egress");
	json_array_end(json);
	json_array_begin(json, "egress");
	for (size_t i = 0; i < policy->n_rules; i++) {
		json_object_begin(json, NULL);
		write_mark(json, &policy->rules[i]);
		write_blocks(json, &policy->rules[i]);
		write_ports(json, &policy->rules[i]);
		json_object_end(json);
	}
	json_array_end(json);
}

/* One network a peer would be more peers than are allowed. */
static void write_peers(struct json *json, const struct policy_rule *rule)
{
	json_array_begin(json, "to");
	for (size_t i = 0; i < rule->n_networks; i++) {
		if (i % POLICY_ITEMS_MAX == 0) {
			json_object_begin(json, NULL);
			json_array_begin(json, "networks");
		}
		write_prefix(json, NULL, &rule->networks[i].prefix);
		if (i % POLICY_ITEMS_MAX == POLICY_ITEMS_MAX - 1 || i + 1 == rule->n_networks) {
			json_array_end(json);
			json_object_end(json);
		}
	}
	if (!rule->n_networks) {
		json_object_begin(json, NULL);
		write_selector(json, "namespaces", &(struct label_selector){});
		json_object_end(json);
	}
	json_array_end(json);
}

static void write_protocol(struct json *json, const struct policy_port *port)
{
	json_object_begin(json, NULL);
	json_object_begin(json, protocol_name(port->protocol, false));
	json_object_begin(json, "destinationPort");
	if (port->first == port->last) {
		json_uint(json, "number", port->first);
	} else {
		json_object_begin(json, "range");
		json_uint(json, "start", port->first);
		json_uint(json, "end", port->last);
		json_object_end(json);
	}
	json_object_end(json);
	json_object_end(json);
	json_object_end(json);
}

static void write_cluster_rule(struct json *json, const struct policy_rule *rule)
{
	static const char *const actions[] = {
		[POLICY_ACCEPT] = "Accept",
		[POLICY_DENY] = "Deny",
		[POLICY_PASS] = "Pass",
	};

	json_object_begin(json, NULL);
	write_mark(json, rule);
	json_string(json, "name", rule->name);
	json_string(json, "action", actions[rule->action]);
	write_peers(json, rule);
	if (!rule->matches_all_ports) {
		json_array_begin(json, "protocols");
		for (size_t i = 0; i < rule->n_ports; i++)
			write_protocol(json, &rule->ports[i]);
		if (!rule->n_ports) {
			json_object_begin(json, NULL);
			json_string(json, "destinationNamedPort", "name");
			json_object_end(json);
		}
		json_array_end(json);
	}
	json_object_end(json);
}

static void write_cluster_spec(struct json *json, const struct policy *policy)
{
	json_string(json, "tier", policy->tier == POLICY_TIER_ADMIN ? "Admin" : "Baseline");
	json_uint(json, "priority", (uint64_t)policy->priority);
	json_object_begin(json, "subject");
	json_object_begin(json, "pods");
	write_selector(json, "namespaceSelector", &policy->namespaces);
	write_selector(json, "podSelector", &policy->pods);
	json_object_end(json);
	json_object_end(json);
	json_array_begin(json, "egress");
	for (size_t i = 0; i < policy->n_rules; i++)
		write_cluster_rule(json, &policy->rules[i]);
	json_array_end(json);
}

void policy_write(struct json *json, const struct policy *policy)
{
	bool is_namespaced = policy->tier == POLICY_TIER_NETWORK_POLICY;

	json_object_begin(json, NULL);
	json_string(json, "kind", is_namespaced ? "NetworkPolicy" : "ClusterNetworkPolicy");
	json_object_begin(json, "metadata");
	if (is_namespaced)
		json_string(json, "namespace", policy->namespace);
	json_string(json, "name", policy->name);
	json_string(json, "uid", policy->uid);
	if (policy->is_audit) {
		json_object_begin(json, "annotations");
		json_string(json, "podfence.io/mode", "audit");
		json_object_end(json);
	}
	json_object_end(json);
	json_object_begin(json, "spec");
	if (is_namespaced)
		write_namespaced_spec(json, policy);
	else
		write_cluster_spec(json, policy);
	json_object_end(json);
	json_object_end(json);
}
