/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "config/config.h"
#include "inventory/network_list.h"
#include "kube/podlist.h"
#include "node/view.h"

/* All endpoints of this node at one time: pods of the API (or its file) joined with what the node
 * shows, and the units that the configuration names. Immutable once built; events are attributed with the snapshot of their time. */

struct detours;
struct backstop_device;

enum endpoint_kind { ENDPOINT_POD, ENDPOINT_HOST_POD, ENDPOINT_UNIT };

enum coverage { COVERAGE_ENFORCED, COVERAGE_AUDIT, COVERAGE_PENDING, COVERAGE_UNCOVERED };

/* Coverage and what else is set:
 *	enforced, audit	 everything
 *	pending		 no cgroup, no sandbox, no attachment: the kernel side does not know it
 *	uncovered	 as pending; but where one way out is not judged and others are (a second
 *			 device without a host side, detours.h), the others stay attachments */

/* One way out of a pod: packets that come in by `link` (a bridge where `port` is set: the pod's
 * link into that bridge) with this source address are this endpoint's. */
struct attachment {
	uint32_t link;
	uint32_t port; /* 0: the link itself leads to the pod */
	struct pf_address address;
};

struct endpoint {
	uint32_t index; /* low half of the cgroup id: unique among live cgroups, the same after a
			   restart */
	enum endpoint_kind kind;
	const struct pod *pod;	      /* NULL: a unit */
	const struct node_unit *unit; /* NULL: a pod */
	size_t unit_rule;	      /* of a unit: its place in the configuration */
	char *name,
		*group;	 /* of a unit: the last part of its path, or the path; the entry's name */
	uint64_t cgroup; /* cgroup v2 id of the pod or unit; 0 where unresolved */
	unsigned level;	 /* its depth below the cgroup root */
	struct attachment *attachments;
	size_t n_attachments;
	enum coverage coverage;
	const char *reason; /* why not enforced; static text or reason_text; "" */
	char *reason_text;  /* a reason that names something; NULL where it does not */
	const struct node_sandbox *sandbox; /* container ids and cgroups; NULL where unresolved */
	/* Members of its events that never change ("kubernetes":{...},"orchestrator":{...}), made
	 * with its first event; NULL until then. */
	char *event_members;
	size_t event_members_length;
};

/* Sockets below it are not judged, whatever it stands in. */
struct exempt_cgroup {
	uint64_t cgroup;
	unsigned level;
};

struct snapshot {
	struct endpoint *endpoints; /* sorted by endpoint_namespace(), endpoint_name() */
	size_t n_endpoints;
	struct exempt_cgroup *exempt;
	size_t n_exempt;
	struct pod_list *pods;	/* owned */
	struct node_view *view; /* owned */
	uint32_t *uplinks;	/* ifindexes, sorted */
	size_t n_uplinks;
	struct backstop_device *backstops; /* sorted by ifindex; backstop.h */
	size_t n_backstops;
	struct network_list *networks; /* derived; NULL: none; shared */
	/* look-up tables, built with it */
	struct snapshot_link *by_link; /* (link, address) -> endpoint, sorted */
	size_t n_by_link;
	struct endpoint **by_index; /* sorted by endpoint index; resolved ones only */
	size_t n_by_index;
};

struct snapshot_link {
	uint32_t link;
	bool is_shared; /* a bridge: it alone proves nobody */
	struct pf_address address;
	const struct endpoint *endpoint;
};

/* A unit is in no namespace: "". */
const char *endpoint_namespace(const struct endpoint *endpoint);
const char *endpoint_name(const struct endpoint *endpoint);
const char *endpoint_kind_name(const struct endpoint *endpoint); /* "pod", "host-pod", "unit" */
int endpoint_compare(const struct endpoint *a, const struct endpoint *b); /* their order */

/* `link`: the ingress device (or bridge), or the bridge port. NULL where nobody is registered. */
const struct endpoint *snapshot_find_link(const struct snapshot *snapshot, uint32_t link,
					  const struct pf_address *source);
/* The endpoint behind this link or port, whatever the source address; NULL where there is none or
 * more than one, and for a bridge, which others may stand behind too. */
const struct endpoint *snapshot_find_sole(const struct snapshot *snapshot, uint32_t link);
bool snapshot_has_link(const struct snapshot *snapshot, uint32_t link); /* somebody is registered */
const struct endpoint *snapshot_find_index(const struct snapshot *snapshot, uint32_t index);

/* Takes pods and view over, also when it fails. uplink_names: configured devices; none: derived.
 * networks: NULL or a reference more. */
struct snapshot_options {
	const char *const *uplink_names;
	size_t n_uplink_names;
	bool is_audit; /* agent default: resolved endpoints are `audit`, else `enforced` */
	struct network_list *networks;
	const struct detours *detours;	    /* borrowed; NULL: not known */
	const struct unit_rule_list *units; /* NULL: none; the view was read with their globs */
};
PF_MUST_CHECK int snapshot_new(const struct snapshot_options *options, struct pod_list *pods,
			       struct node_view *view, struct snapshot **ret_snapshot);
bool snapshot_is_uplink(const struct snapshot *snapshot, uint32_t link);
struct snapshot *snapshot_free(struct snapshot *snapshot);
