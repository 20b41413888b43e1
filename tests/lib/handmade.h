/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Pods and node views made by hand, on the heap as their owners want them. Everything aborts where
 * memory runs out. */
#pragma once

#include "kube/podlist.h"
#include "node/view.h"

/* A pod with these facts and all else empty; cgroup_uid is uid. */
struct pod *handmade_pod(const char *namespace, const char *name, const char *uid,
			 bool is_host_network);
void handmade_pod_owner(struct pod *pod, const char *kind, const char *name,
			const char *workload_kind, const char *workload_name);
void handmade_pod_label(struct pod *pod, const char *key, const char *value);
void handmade_pod_address(struct pod *pod, const char *text);
struct handmade_container {
	const char *name, *id, *runtime, *image;
	bool is_init;
};
void handmade_pod_container(struct pod *pod, const struct handmade_container *container);

/* Takes the pods over, in this order. */
struct pod_list *handmade_pod_list(struct pod *const *pods, size_t n_pods);

/* A deep copy of a view whose parts are anywhere. */
struct node_view *handmade_view(const struct node_view *model);

/* "10.0.0.5" or "fe80::1"; aborts where it is none. */
struct pf_address handmade_address(const char *text);
