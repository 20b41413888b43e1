/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/address.h>

#include "kube/label.h"

/* What podfence needs of a Pod object, as a plain value that nobody changes once it is made.
 * Strings are never NULL where not said so. */
struct pod_container {
	char *name;
	char *id;      /* hexadecimal, without its scheme; "" while not created */
	char *runtime; /* the scheme: "containerd", "cri-o", "docker"; "" while not created */
	char *image;
	bool is_init;
};

struct pod {
	unsigned n_references; /* 1 for its maker */
	char *namespace, *name, *uid, *node;
	char *cgroup_uid; /* annotation kubernetes.io/config.hash (static pods), else uid */
	char *service_account;
	/* The controlling owner; "" where there is none. workload_* is the Deployment behind a
	 * ReplicaSet (its name carries label pod-template-hash), else the owner itself. */
	char *owner_kind, *owner_name, *owner_uid;
	char *workload_kind, *workload_name;
	bool is_host_network;
	bool is_finished; /* phase Succeeded or Failed */
	struct label_list labels;
	struct pf_address
		*addresses; /* status.podIPs: a cross-check only, the kubelet publishes them late */
	size_t n_addresses;
	struct pod_container *containers;
	size_t n_containers;
};

/* A pod is never changed once it is made, so lists share it: one pod_free() for each reference.
 */
struct pod *pod_ref(struct pod *pod);
struct pod *pod_free(struct pod *pod);
/* They say the same. */
bool pod_is_equal(const struct pod *a, const struct pod *b);
