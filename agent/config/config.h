/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>
#include <podfence/address.h>

#include "base/destination.h"
#include "base/report.h"
#include "kube/selector.h"

/* The configuration file as one plain value. Every field has its default before a file is read; the
 * schema table in schema.c is the only place that knows keys, defaults, ranges and help. */

enum config_mode { CONFIG_MODE_AUDIT, CONFIG_MODE_DENY, CONFIG_MODE_OFF };
enum config_source { CONFIG_SOURCE_NONE, CONFIG_SOURCE_KUBECONFIG, CONFIG_SOURCE_IN_CLUSTER };
enum config_switch { CONFIG_OFF, CONFIG_ON };
enum config_owner { CONFIG_OWNER_AUTO, CONFIG_OWNER_OFF };
enum config_action { CONFIG_ACTION_DROP, CONFIG_ACTION_REJECT };

struct string_list {
	char **strings;
	size_t n_strings;
};

struct prefix_list {
	struct pf_prefix *prefixes;
	size_t n_prefixes;
};

struct number_list {
	uint32_t *numbers;
	size_t n_numbers;
};

struct destination_list {
	struct destination *destinations;
	size_t n_destinations;
};

/* Whom of the pods the default is another for. */
struct default_override {
	struct label_selector namespaces; /* namespaceSelector */
	enum config_mode mode;
	enum config_action action;
};

struct default_override_list {
	struct default_override *overrides;
	size_t n_overrides;
};

/* Systemd units and other cgroups that are endpoints, beside pods. */
struct unit_rule {
	char *name;
	struct string_list match; /* globs: of a unit's name, or of a path that begins with "/" */
	enum config_mode mode;
	enum config_action action;
	struct destination_list allow;
};

struct unit_rule_list {
	struct unit_rule *rules;
	size_t n_rules;
};

struct config {
	struct {
		char *name;	   /* node.name; "": NODE_NAME, else the host name in lower case */
		char *cgroup_root; /* node.cgroupRoot; "": the cgroup2 mount of /proc/self/mountinfo
				    */
		struct string_list
			pod_roots; /* node.podRoots: below cgroupRoot; empty: the well-known ones */
	} node;
	struct {
		enum config_source source; /* kubernetes.source: none | kubeconfig | in-cluster */
		char *kubeconfig;	   /* kubernetes.kubeconfig: a path */
		char *server; /* kubernetes.server: in-cluster, instead of the service address; "" */
	} kubernetes;
	struct {
		char *directory; /* state.directory: what outlives the agent; "": nothing does */
	} state;
	struct {
		char *socket; /* control.socket: a path; "": none */
	} control;
	struct {
		char *file; /* pods.file: a PodList as JSON; "": none */
	} pods;
	struct {
		char *directory; /* policies.directory: manifests; "": none */
		uint32_t confirm_seconds;
	} policies;
	struct {
		enum config_mode mode;			/* default.mode: audit | deny | off */
		enum config_action action;		/* default.action: drop | reject */
		enum config_switch ceiling;		/* default.ceiling: on | off */
		struct destination_list allow;		/* default.allow: for every endpoint */
		struct default_override_list overrides; /* default.overrides: the first that fits */
	} fallback;					/* "default" in the file */
	struct unit_rule_list units;			/* the first that matches */
	struct {
		struct string_list
			uplinks; /* network.uplinks: device names; empty: derived from routes */
		enum config_switch derive;	  /* network.derive: on | off */
		char *resolv_conf;		  /* network.resolvConf; "": the well-known ones */
		struct prefix_list internal;	  /* network.internal */
		struct prefix_list pod_cidrs;	  /* network.podCIDRs, internal too */
		struct prefix_list service_cidrs; /* network.serviceCIDRs, internal too */
		struct prefix_list node_cidrs;	  /* network.nodeCIDRs, internal too */
		struct prefix_list
			nat64; /* network.nat64: /96 prefixes beside 64:ff9b::/96; never internal */
		struct number_list tunnel_ports;     /* network.tunnels.udpPorts: 4789 8472 6081 */
		struct number_list tunnel_protocols; /* network.tunnels.protocols: 4 41 47 */
	} network;
	struct {
		enum config_mode mode; /* backstop.mode: audit | deny | off */
	} backstop;
	struct {
		enum config_owner owner; /* tables.owner: auto | off; read at start */
	} tables;
	struct {
		uint32_t label_bit; /* conntrack.labelBit: 0..127, default 100 */
	} conntrack;
	struct {
		uint32_t group;		     /* nflog.group: 1789, 1..65535 */
		uint32_t copy_bytes;	     /* nflog.copyBytes: 128, 64..65535 */
		uint32_t queue_threshold;    /* nflog.queueThreshold: 100, 1..10000 */
		uint32_t flush_milliseconds; /* nflog.flushMilliseconds: 10, 10..1000 */
		uint32_t socket_buffer;	     /* nflog.socketBuffer: bytes, 8 MiB, 64 KiB..256 MiB */
	} nflog;
	struct {
		uint32_t flows;	    /* ledger.flows: in each of its sets, 65536, 16..131072 */
		uint32_t new_flows; /* ledger.newFlows: a second, of one endpoint, 100, 1..100000 */
		enum config_switch allowed; /* ledger.allowed: on | off */
		uint32_t report_seconds;    /* ledger.reportSeconds: 30, 1..3600 */
		uint32_t idle_seconds;	    /* ledger.idleSeconds: 60, 1..86400 */
	} ledger;
	struct {
		enum config_switch lookup; /* process.lookup: on | off */
		uint32_t argument_bytes;   /* process.argumentBytes: 1024, 0..8192; 0: none */
	} process;
	struct {
		uint32_t buffer;    /* events.buffer: bytes kept for a slow reader, 4 MiB, 64 KiB..1
				       GiB */
		char *socket;	    /* events.socket: a path; "": none */
		char *cluster_name; /* events.clusterName, "" */
	} events;
};

enum {
	CONFIG_E_INVALID = 1, /* the report says where and why */
};

/* Reads a file. 0; CONFIG_E_INVALID; a negative errno where it cannot be read (the report says so
 * too). ret_config is set on success only. At most 1 MiB, no anchors or aliases, no duplicate and
 * no unknown keys, one document. */
PF_MUST_CHECK int config_read(const char *path, struct report *report, struct config **ret_config);
/* The same from memory; `name` stands for the file in messages. An empty text is a valid file. */
PF_MUST_CHECK int config_parse(const char *name, const char *text, size_t length,
			       struct report *report, struct config **ret_config);
struct config *config_free(struct config *config);

/* A file that sets every key to its default, with its help as comments. */
void config_print_sample(FILE *stream);
