/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/selector.h"

/* The egress half of a networking.k8s.io/v1 NetworkPolicy or a policy.networking.k8s.io/v1alpha2
 * ClusterNetworkPolicy, as a plain value that nobody changes once it is made. What it says of destinations
 * inside the cluster is left out: peers by namespace, pod or node never match an external address, nor do
 * ports by name, which only pods have. Strings are never NULL where not said so. */

enum policy_tier {
	POLICY_TIER_ADMIN,
	POLICY_TIER_NETWORK_POLICY,
	POLICY_TIER_BASELINE,
	POLICY_TIER_AGENT, /* the agent's own allow list: in no list of policies */
};
enum policy_action { POLICY_ACCEPT, POLICY_DENY, POLICY_PASS };

/* Ports `first` to `last` of one protocol; 0 to 65535: all of it. */
struct policy_port {
	uint8_t protocol; /* IANA: 6, 17, 132 */
	uint16_t first, last;
};

struct policy_network {
	struct pf_prefix prefix;
	struct pf_prefix *except; /* inside prefix */
	size_t n_except;
};

struct policy_rule {
	char *name; /* of a ClusterNetworkPolicy's rule; "" */
	enum policy_action action;
	/* Whom it matches: everybody, or who is in one of the networks. */
	bool matches_all_networks; /* a NetworkPolicy's rule without `to` */
	struct policy_network *networks;
	size_t n_networks;
	/* On which ports: all, or one of these. Without ports nothing else than names was listed: it matches
	 * nothing external. */
	bool matches_all_ports;
	struct policy_port *ports;
	size_t n_ports;
	/* It has a peer, a protocol or a field that is not known or not enforced (domainNames). The API's
	 * comments say what to do then: an Accept rule matches no traffic at all, whatever else it lists;
	 * a Deny or Pass rule is a "Deny all". */
	bool has_unknown;
};

struct policy {
	unsigned n_references;
	enum policy_tier tier;
	int32_t priority; /* ClusterNetworkPolicy: lower is earlier; else 0 */
	char *namespace;  /* of a NetworkPolicy; "" */
	char *name, *uid; /* uid "" in files */
	char *origin; /* where it is defined: "API", "/etc/podfence/policies.d/a.yaml: document 2" */
	bool is_audit; /* annotation podfence.io/mode: audit */
	/* Whom it is about. A NetworkPolicy: pods of its own namespace, `namespaces` is empty. */
	struct label_selector namespaces, pods;
	struct policy_rule *rules; /* in order; a NetworkPolicy's all have action Accept */
	size_t n_rules;
};

struct policy *policy_ref(struct policy *policy);
struct policy *policy_free(struct policy *policy);
/* They say the same, origin included. */
bool policy_is_equal(const struct policy *a, const struct policy *b);
/* The same of the same name, wherever it comes from. */
bool policy_means_same(const struct policy *a, const struct policy *b);
/* The order of a list: tier, priority, namespace, name, origin. */
int policy_compare(const struct policy *a, const struct policy *b);

/* All policies at one time, shared; sorted by policy_compare(). */
struct policy_list {
	unsigned n_references;
	struct policy **policies;
	size_t n_policies;
};

/* Of a reference to each, in any order. */
PF_MUST_CHECK int policy_list_new(struct policy *const *policies, size_t n,
				  struct policy_list **ret_list);
/* Those of both; either may be NULL. */
PF_MUST_CHECK int policy_list_join(const struct policy_list *a, const struct policy_list *b,
				   struct policy_list **ret_list);
/* Names policies of which the order is not defined: equal tiers and priorities. */
void policy_list_check(const struct policy_list *list, struct report *report);
struct policy_list *policy_list_ref(struct policy_list *list);
struct policy_list *policy_list_free(struct policy_list *list);
