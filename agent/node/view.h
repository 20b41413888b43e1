/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>
#include <podfence/address.h>

#include "node/cgroup_path.h"

/* What this node shows at one time: its links, routes and pod cgroups with their network
 * namespaces. A plain value, read by view_read(), judged by nobody here. Kernel ids (ifindex,
 * cgroup id, nsid) are true only while this view is fresh: they are reused. */

#define LINK_NAME_MAX 16 /* IFNAMSIZ */

/* Where a BPF program sees a packet that comes in by a link before the stack does: it can send it on
 * past every hook of netfilter (bpf_redirect() and its kin, XDP_REDIRECT). */
enum link_program {
	LINK_PROGRAM_NONE,
	LINK_PROGRAM_XDP,
	LINK_PROGRAM_TC,
	LINK_PROGRAM_TCX,
	LINK_PROGRAM_NETKIT, /* on the other end of the pair */
	LINK_PROGRAM_N
};
/* "tc" */
const char *link_program_name(enum link_program program);

struct node_link {
	uint32_t index;
	char name[LINK_NAME_MAX];
	char kind[16];	    /* IFLA_INFO_KIND: "veth", "bridge", "vxlan"; "" for a device without */
	char port_kind[16]; /* IFLA_INFO_SLAVE_KIND: "bridge", "vrf", "bond"; "" where not enslaved
			     */
	uint32_t master;    /* ifindex, 0: none */
	uint32_t peer; /* IFLA_LINK: ifindex of the peer or parent, in the namespace of peer_nsid */
	int32_t peer_nsid; /* IFLA_LINK_NETNSID; -1: the peer is in this namespace */
	bool is_loopback;
	bool is_up;	  /* IFF_UP */
	bool is_ethernet; /* ARPHRD_ETHER: its frames begin with an Ethernet header */
	enum link_program program;
};

struct node_route {
	struct pf_prefix destination; /* ::/0 and 0.0.0.0/0 for the default */
	uint32_t link;		      /* ifindex */
	uint32_t table;
	bool has_gateway;
};

struct node_address {
	struct pf_prefix address; /* host address with its network's length: host bits may be set */
	uint32_t link;		  /* ifindex in its own namespace */
	bool is_link_scope;	  /* RT_SCOPE_LINK, e.g. fe80::/10 */
};

struct node_netns {
	uint64_t inode; /* of the nsfs file; the identity while something keeps it alive */
	int32_t nsid;	/* this namespace's name for it; -1: none, then no link leads there */
	bool is_host;	/* it is our own */
	struct node_address *addresses; /* inside it, loopback excluded */
	size_t n_addresses;
	/* A device inside it that sends by none of our links: a card, or what stands on a device of another
	 * namespace (macvlan, ipvlan, vlan). device "": there is none. kind as in node_link. */
	char device[LINK_NAME_MAX], device_kind[16];
};

struct node_container {
	char id[CGROUP_CONTAINER_MAX];
	const char *runtime; /* static text */
	uint64_t cgroup;     /* cgroup v2 id: the directory's inode number */
};

enum sandbox_state {
	SANDBOX_OK,
	SANDBOX_NO_PROCESS, /* no process in the cgroup yet, or no longer */
	SANDBOX_GONE,	    /* the cgroup or the process vanished while we looked */
	SANDBOX_ERROR,	    /* error says why */
};

struct node_sandbox {
	char uid[CGROUP_UID_MAX];
	char *path;	 /* below the cgroup root, without a leading slash */
	uint64_t cgroup; /* cgroup v2 id of the pod directory */
	unsigned level;	 /* its depth: 1 is a child of the root */
	enum sandbox_state state;
	int error;    /* negative errno with SANDBOX_ERROR */
	pid_t pid;    /* one process in it */
	size_t netns; /* index into node_view.netnses; only with SANDBOX_OK */
	struct node_container *containers;
	size_t n_containers;
};

struct node_pod_root {
	char *path; /* below the cgroup root */
	uint64_t cgroup;
	unsigned level;
};

/* A cgroup that the configuration names, or that is exempt from everything: that of this process and of the
 * shipper of its events. */
struct node_unit {
	char *path; /* below the cgroup root, without a leading slash */
	uint64_t cgroup;
	unsigned level;
	size_t glob; /* the first of node_options.unit_globs that it matches; n_unit_globs: none */
	bool is_exempt;
	bool is_own;
};

struct node_view {
	struct node_link *links; /* sorted by index */
	size_t n_links;
	struct node_route *routes; /* unicast routes of all tables but local */
	size_t n_routes;
	struct node_netns *netnses;
	size_t n_netnses;
	struct node_sandbox *sandboxes; /* sorted by uid, then cgroup */
	size_t n_sandboxes;
	struct node_pod_root *pod_roots;
	size_t n_pod_roots;
	struct node_unit *units; /* sorted by path */
	size_t n_units;
	char *own_cgroup;      /* of this process: its path below the cgroup root, or NULL */
	bool is_unit_list_cut; /* more match than are looked at */
	/* net.ipv4.conf.all.accept_source_route: a packet to this node can name where it goes next
	 */
	bool accepts_source_routes;
	bool is_tcx_hidden; /* the kernel did not let us ask which links have programs by tcx or netkit */
};

struct node_view *node_view_free(struct node_view *view);
const struct node_link *node_view_link(const struct node_view *view, uint32_t index); /* or NULL */

struct node; /* the open handles: cgroup root, /proc, netlink sockets */

struct node_options {
	const char *cgroup_root; /* "": look for the cgroup2 mount in /proc/self/mountinfo */
	const char *const
		*pod_roots; /* paths below it; none: the well-known names; those that exist count */
	size_t n_pod_roots;
	/* Names of units, or paths below the root that begin with a slash. */
	const char *const *unit_globs;
	size_t n_unit_globs;
};

/* -ENOENT: no cgroup2 mount; -EINVAL: a pod root is empty or has a component "." or ".."; else the
 * errno of what could not be opened. */
PF_MUST_CHECK int node_open(const struct node_options *options, struct node **ret_node);
struct node *node_free(struct node *node);

/* Looks at whatever has changed since the last time, at everything the first time. No namespace is
 * entered. Fails as a whole where this process is short of memory or descriptors, or where links
 * change faster than they can be read (-EAGAIN); what was not read is read the next time. */
PF_MUST_CHECK int node_view_read(struct node *node, struct node_view **ret_view);

/* The next view is read anew from top to bottom: nothing that was missed can last. */
void node_forget(struct node *node);

/* A descriptor that becomes readable when links, addresses (of all namespaces with an id), routes
 * or pod cgroups of the last view change, or when something in it is worth a second look;
 * node_changed() drains it and says whether a view read now may differ (1), or not (0), or a
 * negative errno. An overrun counts as a change. */
int node_fd(const struct node *node);
PF_MUST_CHECK int node_changed(struct node *node);
