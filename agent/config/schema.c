/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The schema table. To add a key, add a field to struct config and a row here: parsing, default,
 * range, message and sample file follow from the row. */
#include "config/schema.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"

#define AT(field) offsetof(struct config, field)

static const char *const modes[] = {"audit", "deny", NULL};
static const char *const sources[] = {"none", "kubeconfig", "in-cluster", NULL};
static const char *const switches[] = {"off", "on", NULL};
static const char *const actions[] = {"drop", "reject", NULL};

/* path, type, offset, minimum, maximum, default, words, help, example */
const struct schema_key schema[] = {
	{"node.name", SCHEMA_NAME, AT(node.name), 0, 0, "", NULL,
	 "Name of this node in the cluster; empty: $NODE_NAME, else the host name.", NULL},
	{"node.cgroupRoot", SCHEMA_PATH, AT(node.cgroup_root), 0, 0, "", NULL,
	 "Where cgroup v2 is mounted; empty: found in /proc/self/mountinfo.", NULL},
	{"node.podRoots", SCHEMA_CGROUP_LIST, AT(node.pod_roots), 0, 16, "", NULL,
	 "Cgroups that hold pods, below cgroupRoot; empty: the well-known names (kubepods.slice, "
	 "...).",
	 "[kubelet.slice/kubelet-kubepods.slice]"},
	{"kubernetes.source", SCHEMA_ENUM, AT(kubernetes.source), 0, 0, "none", sources,
	 "Where pods are heard of: the API by a kubeconfig or by the service account of the pod "
	 "podfenced runs in (in-cluster); none: pods.file alone.",
	 NULL},
	{"kubernetes.kubeconfig", SCHEMA_PATH, AT(kubernetes.kubeconfig), 0, 0,
	 "/etc/podfence/kubeconfig", NULL,
	 "With source kubeconfig. Rights it needs: list and watch pods.", NULL},
	{"kubernetes.server", SCHEMA_STRING, AT(kubernetes.server), 0, 253, "", NULL,
	 "With source in-cluster: the API server's URL instead of the service address, which "
	 "needs kube-proxy.",
	 "https://192.0.2.10:6443"},
	{"state.directory", SCHEMA_PATH, AT(state.directory), 0, 0, "/var/lib/podfence", NULL,
	 "Pods heard of last are kept there, for a start without the API server; empty: nothing "
	 "is kept.",
	 NULL},
	{"control.socket", SCHEMA_PATH, AT(control.socket), 0, 0, "/run/podfence/podfenced.sock",
	 NULL,
	 "Where the command podfence reaches the agent; empty: nowhere. Root may change, members "
	 "of group podfence may read.",
	 NULL},
	{"pods.file", SCHEMA_PATH, AT(pods.file), 0, 0, "", NULL,
	 "With source none: a PodList as JSON (kubectl get pods -A -o json), read again when it "
	 "changes.",
	 "/var/lib/podfence/pods.json"},
	{"policies.directory", SCHEMA_PATH, AT(policies.directory), 0, 0,
	 "/etc/podfence/policies.d", NULL,
	 "NetworkPolicies, ClusterNetworkPolicies and Namespaces as files (*.yaml, *.yml, *.json), "
	 "beside those of the API; read again when they change; empty: none. It may be missing.",
	 NULL},
	{"default.mode", SCHEMA_ENUM, AT(fallback.mode), 0, 0, "audit", modes,
	 "What external destinations meet: audit records and lets pass, deny stops.", NULL},
	{"default.action", SCHEMA_ENUM, AT(fallback.action), 0, 0, "drop", actions,
	 "How a denied packet is stopped: drop, or reject (TCP reset, ICMP admin-prohibited).",
	 NULL},
	{"network.uplinks", SCHEMA_DEVICE_LIST, AT(network.uplinks), 0, 64, "", NULL,
	 "Devices that lead out of the node; empty: those of default and inter-node routes.",
	 "[eth0]"},
	{"network.derive", SCHEMA_ENUM, AT(network.derive), 0, 0, "on", switches,
	 "Whether addresses and pod networks of this Node, ServiceCIDRs, API servers and port 53 "
	 "of the resolvers are internal without being listed.",
	 NULL},
	{"network.resolvConf", SCHEMA_PATH, AT(network.resolv_conf), 0, 0, "", NULL,
	 "The resolv.conf that names them, as the kubelet's; empty: of systemd-resolved, else "
	 "/etc/resolv.conf.",
	 NULL},
	{"network.internal", SCHEMA_PREFIX_LIST, AT(network.internal), 0, 16384, "", NULL,
	 "Networks that are not judged. Internal is what is listed here and below, and what is "
	 "derived.",
	 "[10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]  # RFC 1918"},
	{"network.podCIDRs", SCHEMA_PREFIX_LIST, AT(network.pod_cidrs), 0, 16384, "", NULL,
	 "Networks of pods; internal.", "[10.244.0.0/16]"},
	{"network.serviceCIDRs", SCHEMA_PREFIX_LIST, AT(network.service_cidrs), 0, 1024, "", NULL,
	 "Networks of services; internal.", "[10.96.0.0/12]"},
	{"network.nodeCIDRs", SCHEMA_PREFIX_LIST, AT(network.node_cidrs), 0, 16384, "", NULL,
	 "Networks of nodes; internal.", "[192.0.2.0/24]"},
	{"network.nat64", SCHEMA_NAT64_LIST, AT(network.nat64), 0, 8, "", NULL,
	 "NAT64 prefixes (/96) beside 64:ff9b::/96: judged by the embedded address, never "
	 "internal.",
	 "[2001:db8:64::/96]"},
	{"network.tunnels.udpPorts", SCHEMA_NUMBER_LIST, AT(network.tunnel_ports), 1, 65535,
	 "4789 8472 6081", NULL,
	 "UDP ports of tunnel transport that pods may not send to internal addresses.", NULL},
	{"network.tunnels.protocols", SCHEMA_NUMBER_LIST, AT(network.tunnel_protocols), 1, 255,
	 "4 41 47", NULL, "IP protocols of the same: IPIP, 6in4, GRE.", NULL},
	{"conntrack.labelBit", SCHEMA_NUMBER, AT(conntrack.label_bit), 0, 127, "100", NULL,
	 "Conntrack label of connections that began outside; OVS and others use labels too.", NULL},
	{"nflog.group", SCHEMA_NUMBER, AT(nflog.group), 1, 65535, "1789", NULL, "NFLOG group.",
	 NULL},
	{"nflog.copyBytes", SCHEMA_NUMBER, AT(nflog.copy_bytes), 64, 65535, "128", NULL,
	 "Bytes of each packet that reach the agent.", NULL},
	{"nflog.queueThreshold", SCHEMA_NUMBER, AT(nflog.queue_threshold), 1, 10000, "100", NULL,
	 "Messages the kernel collects before it wakes the agent.", NULL},
	{"nflog.flushMilliseconds", SCHEMA_NUMBER, AT(nflog.flush_milliseconds), 10, 1000, "10",
	 NULL, "Time after which it does so anyway; the kernel counts in steps of 10.", NULL},
	{"nflog.socketBuffer", SCHEMA_NUMBER, AT(nflog.socket_buffer), 65536, 268435456, "8388608",
	 NULL, "Receive buffer in bytes.", NULL},
	{"events.buffer", SCHEMA_NUMBER, AT(events.buffer), 65536, 1073741824, "4194304", NULL,
	 "Bytes of event lines kept for a reader that is slow; beyond it lines are dropped and "
	 "counted.",
	 NULL},
	{"events.socket", SCHEMA_PATH, AT(events.socket), 0, 0, "/run/podfence/events.sock", NULL,
	 "Where podfence-ship reads the events, beside standard output; empty: nowhere. Root and "
	 "group podfence may read, one reader at a time.",
	 NULL},
	{"events.clusterName", SCHEMA_STRING, AT(events.cluster_name), 0, 253, "", NULL,
	 "orchestrator.cluster.name of the events.", "production"},
};
const size_t schema_length = sizeof(schema) / sizeof(schema[0]);
_Static_assert(sizeof(schema) / sizeof(schema[0]) <= SCHEMA_MAX, "a reader's marks");

const struct schema_key *schema_find(const char *path)
{
	for (size_t i = 0; i < schema_length; i++)
		if (!strcmp(schema[i].path, path))
			return &schema[i];
	return NULL;
}

bool schema_is_section(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < schema_length; i++)
		if (!strncmp(schema[i].path, path, n) && schema[i].path[n] == '.')
			return true;
	return false;
}

bool schema_is_list(const struct schema_key *key)
{
	return key->type >= SCHEMA_CGROUP_LIST;
}

size_t schema_items_max(const struct schema_key *key)
{
	return key->type == SCHEMA_NUMBER_LIST ? SCHEMA_NUMBERS_MAX : key->maximum;
}

static const char *last_word(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

/* Paths are compared by their distance; the right word in the wrong section is the second best
 * guess. */
bool schema_nearest(const char *path, char ret_nearest[static SCHEMA_PATH_MAX])
{
	const char *word = last_word(path);
	unsigned best = (unsigned)(strnlen(word, 5) + 1) / 2 + 1;
	bool is_found = false;

	for (size_t i = 0; i < schema_length; i++) {
		char known[SCHEMA_PATH_MAX];
		snprintf(known, sizeof(known), "%s", schema[i].path);
		for (char *end = known + strlen(known); end; end = strrchr(known, '.')) {
			*end = '\0';
			unsigned d = near_distance(path, known);
			if (d >= best && (is_found || strcmp(last_word(known), word) != 0))
				continue;
			best = d < best ? d : best;
			is_found = true;
			snprintf(ret_nearest, SCHEMA_PATH_MAX, "%s", known);
		}
	}
	return is_found;
}
