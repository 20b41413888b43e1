/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The schema tables. To add a key, add a field to struct config and a row here: parsing, default, range,
 * message, sample file and manual page follow from the row. A list of objects is a row with a table for its
 * items, made the same way. */
#include "config/schema.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"

#define AT(field) offsetof(struct config, field)

static const char *const modes[] = {"audit", "deny", "off", NULL};
static const char *const sources[] = {"none", "kubeconfig", "in-cluster", NULL};
static const char *const switches[] = {"off", "on", NULL};
static const char *const owners[] = {"auto", "off", NULL};
static const char *const actions[] = {"drop", "reject", NULL};

#define N(array)	(sizeof(array) / sizeof((array)[0]))
#define OVERRIDE(field) offsetof(struct default_override, field)
#define UNIT(field)	offsetof(struct unit_rule, field)

/* path, type, offset, minimum, maximum, default, words, help, example */
static const struct schema_key override_keys[] = {
	{"namespaceSelector", SCHEMA_SELECTOR, OVERRIDE(namespaces), 0, 0, "", NULL,
	 "Labels of the pods' namespaces, as kubectl takes them after -l.",
	 "kubernetes.io/metadata.name in (kube-system)", .is_required = true},
	{"mode", SCHEMA_ENUM, OVERRIDE(mode), 0, 0, "", modes,
	 "Instead of default.mode; off: only policies are in force.", "audit",
	 .inherits = "default.mode"},
	{"action", SCHEMA_ENUM, OVERRIDE(action), 0, 0, "", actions, "Instead of default.action.",
	 "drop", .inherits = "default.action"},
};
static const struct schema_table override_items = {override_keys, N(override_keys),
						   sizeof(struct default_override)};

static const struct schema_key unit_keys[] = {
	{"name", SCHEMA_STRING, UNIT(name), 0, 63, "", NULL, "What this entry is called in events.",
	 "mail", .is_required = true, .is_unique = true},
	{"match", SCHEMA_UNIT_LIST, UNIT(match), 0, 64, "", NULL,
	 "Globs of units' names, wherever they run, or, with a slash at the beginning, of paths "
	 "below cgroupRoot; what runs below a match belongs to it.",
	 "[\"postfix@*.service\", /system.slice/dovecot.service]", .is_required = true},
	{"mode", SCHEMA_ENUM, UNIT(mode), 0, 0, "", modes,
	 "What their external destinations meet; off: they are not judged.", "deny",
	 .inherits = "default.mode"},
	{"action", SCHEMA_ENUM, UNIT(action), 0, 0, "", actions, "How a denied packet is stopped.",
	 "reject", .inherits = "default.action"},
	{"allow", SCHEMA_DESTINATION_LIST, UNIT(allow), 0, 1024, "", NULL,
	 "What they may reach, beside default.allow.",
	 "[\"203.0.113.0/24:25/tcp\", \"[2001:db8::/32]:25/tcp\"]"},
};
static const struct schema_table unit_items = {unit_keys, N(unit_keys), sizeof(struct unit_rule)};

static const struct schema_key keys[] = {
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
	 "With source kubeconfig. Rights it needs: list and watch pods. With an exec plugin "
	 "podfenced runs the one that stood there when it was started (podfenced(8)).",
	 NULL},
	{"kubernetes.server", SCHEMA_SERVER, AT(kubernetes.server), 0, 253, "", NULL,
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
	{"policies.confirmSeconds", SCHEMA_NUMBER, AT(policies.confirm_seconds), 0, 3600, "60",
	 NULL,
	 "Seconds after a change of policies or of this configuration in which the agent has to "
	 "reach "
	 "the API server again, if it did before; else what was before is in force again. 0: it is "
	 "not looked at.",
	 NULL},
	{"default.mode", SCHEMA_ENUM, AT(fallback.mode), 0, 0, "audit", modes,
	 "What external destinations meet: audit records and lets pass, deny stops, off leaves it "
	 "to policies.",
	 NULL},
	{"default.action", SCHEMA_ENUM, AT(fallback.action), 0, 0, "drop", actions,
	 "How a denied packet is stopped: drop, or reject (TCP reset, ICMP admin-prohibited).",
	 NULL},
	{"default.ceiling", SCHEMA_ENUM, AT(fallback.ceiling), 0, 0, "on", switches,
	 "Whether a NetworkPolicy may only narrow what the Admin tier and this configuration "
	 "leave open; off: it may open more.",
	 NULL},
	{"default.allow", SCHEMA_DESTINATION_LIST, AT(fallback.allow), 0, 1024, "", NULL,
	 "External destinations that every endpoint may reach: NETWORK[:PORT[-PORT][/PROTOCOL]], "
	 "IPv6 in brackets where ports follow; ports without a protocol (tcp, udp, sctp) are of "
	 "TCP and UDP.",
	 "[\"198.51.100.7:443/tcp\", \"[2001:db8:1::/48]:123/udp\", 203.0.113.0/24]"},
	{"default.overrides", SCHEMA_OBJECT_LIST, AT(fallback.overrides), 0, 64, "", NULL,
	 "Another default for pods of some namespaces; the first that selects the namespace "
	 "counts.",
	 NULL, .items = &override_items},
	{"units", SCHEMA_OBJECT_LIST, AT(units), 0, 256, "", NULL,
	 "Systemd units and other cgroups of this node that are judged like pods, with or without "
	 "Kubernetes; the first that matches counts.",
	 NULL, .items = &unit_items},
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
	{"backstop.mode", SCHEMA_ENUM, AT(backstop.mode), 0, 0, "audit", modes,
	 "What frames meet that packet sockets (AF_PACKET) send by an uplink to external "
	 "destinations, past all rules of IP, while there is a host pod or a unit. They do not say "
	 "who sent them, so it holds for everybody on the node. deny: only where default.mode is "
	 "deny too; off: they are not looked at.",
	 NULL},
	{"tables.owner", SCHEMA_ENUM, AT(tables.owner), 0, 0, "auto", owners,
	 "Whether our nftables tables belong to the agent, so that nobody else can flush or change "
	 "them: auto where the kernel has this (6.9); off: others can, and it is repaired. Read at "
	 "start; tables that are there without an owner stay so.",
	 NULL},
	{"conntrack.labelBit", SCHEMA_NUMBER, AT(conntrack.label_bit), 0, 127, "100", NULL,
	 "Conntrack label of connections that began outside; OVS and others use labels too.", NULL},
	{"nflog.group", SCHEMA_NUMBER, AT(nflog.group), 1, 65535, "1789", NULL, "NFLOG group.",
	 NULL},
	{"nflog.copyBytes", SCHEMA_NUMBER, AT(nflog.copy_bytes), 64, 65535, "128", NULL,
	 "Bytes of each packet that reach the agent.", NULL},
	{"nflog.queueThreshold", SCHEMA_NUMBER, AT(nflog.queue_threshold), 1, 10000, "100", NULL,
	 "Messages the kernel collects before it wakes the agent, while there are many; a few are "
	 "told at once.",
	 NULL},
	{"nflog.flushMilliseconds", SCHEMA_NUMBER, AT(nflog.flush_milliseconds), 10, 1000, "10",
	 NULL, "Time after which it does so anyway; the kernel counts in steps of 10.", NULL},
	{"nflog.socketBuffer", SCHEMA_NUMBER, AT(nflog.socket_buffer), 65536, 268435456, "8388608",
	 NULL, "Receive buffer in bytes.", NULL},
	{"ledger.flows", SCHEMA_NUMBER, AT(ledger.flows), 16, 131072, "65536", NULL,
	 "Flows the kernel keeps at once, in each of the sets of its ledger; beyond it packets are "
	 "counted for the endpoint as a whole. A set that is there keeps its size.",
	 NULL},
	{"ledger.newFlows", SCHEMA_NUMBER, AT(ledger.new_flows), 1, 100000, "100", NULL,
	 "New flows of one endpoint a second, and twice as many at once, that are taken into the "
	 "ledger and told; the packets of others are counted for the endpoint as a whole.",
	 NULL},
	{"ledger.allowed", SCHEMA_ENUM, AT(ledger.allowed), 0, 0, "on", switches,
	 "Whether connections that are allowed to external destinations are recorded too: one "
	 "event "
	 "of each flow for podfence-ship, nothing on standard output.",
	 NULL},
	{"ledger.reportSeconds", SCHEMA_NUMBER, AT(ledger.report_seconds), 1, 3600, "30", NULL,
	 "Time from one event of a flow to the next while its packets keep coming.", NULL},
	{"ledger.idleSeconds", SCHEMA_NUMBER, AT(ledger.idle_seconds), 1, 86400, "60", NULL,
	 "Time without a packet after which a flow has ended.", NULL},
	{"process.lookup", SCHEMA_ENUM, AT(process.lookup), 0, 0, "on", switches,
	 "Whether the process and container that sent a packet are looked for and told in events; "
	 "off "
	 "at the start, those of ordinary pods are not found before the next.",
	 NULL},
	{"process.argumentBytes", SCHEMA_NUMBER, AT(process.argument_bytes), 0, 8192, "1024", NULL,
	 "Bytes of its arguments that are told; 0: none, for they may hold secrets.", NULL},
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
const struct schema_table config_schema = {keys, N(keys), sizeof(struct config)};
_Static_assert(N(keys) <= SCHEMA_MAX, "a reader's marks");

const struct schema_key *schema_find(const struct schema_table *table, const char *path)
{
	for (size_t i = 0; i < table->n_keys; i++)
		if (!strcmp(table->keys[i].path, path))
			return &table->keys[i];
	return NULL;
}

bool schema_is_section(const struct schema_table *table, const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < table->n_keys; i++)
		if (!strncmp(table->keys[i].path, path, n) && table->keys[i].path[n] == '.')
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

const char *schema_fallback(const struct schema_key *key)
{
	return key->inherits ? schema_find(&config_schema, key->inherits)->fallback : key->fallback;
}

static const char *last_word(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

/* Paths are compared by their distance; the right word in the wrong section is the second best
 * guess. */
bool schema_nearest(const struct schema_table *table, const char *path,
		    char ret_nearest[static SCHEMA_PATH_MAX])
{
	const char *word = last_word(path);
	unsigned best = (unsigned)(strnlen(word, 5) + 1) / 2 + 1;
	bool is_found = false;

	for (size_t i = 0; i < table->n_keys; i++) {
		char known[SCHEMA_PATH_MAX];
		snprintf(known, sizeof(known), "%s", table->keys[i].path);
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
