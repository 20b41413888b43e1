/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/pod.h"

#include <stdlib.h>
#include <string.h>

struct pod *pod_ref(struct pod *pod)
{
	pod->n_references++;
	return pod;
}

struct pod *pod_free(struct pod *pod)
{
	if (!pod || (pod->n_references && --pod->n_references))
		return NULL;
	free(pod->namespace);
	free(pod->name);
	free(pod->uid);
	free(pod->node);
	free(pod->cgroup_uid);
	free(pod->service_account);
	free(pod->owner_kind);
	free(pod->owner_name);
	free(pod->owner_uid);
	free(pod->workload_kind);
	free(pod->workload_name);
	label_list_done(&pod->labels);
	free(pod->addresses);
	for (size_t i = 0; i < pod->n_containers; i++) {
		free(pod->containers[i].name);
		free(pod->containers[i].id);
		free(pod->containers[i].runtime);
		free(pod->containers[i].image);
	}
	free(pod->containers);
	free(pod);
	return NULL;
}

static bool has_same_texts(const struct pod *a, const struct pod *b)
{
	return !strcmp(a->namespace, b->namespace) && !strcmp(a->name, b->name) &&
	       !strcmp(a->uid, b->uid) && !strcmp(a->node, b->node) &&
	       !strcmp(a->cgroup_uid, b->cgroup_uid) &&
	       !strcmp(a->service_account, b->service_account) &&
	       !strcmp(a->owner_kind, b->owner_kind) && !strcmp(a->owner_name, b->owner_name) &&
	       !strcmp(a->owner_uid, b->owner_uid) && !strcmp(a->workload_kind, b->workload_kind) &&
	       !strcmp(a->workload_name, b->workload_name);
}

static bool has_same_addresses(const struct pod *a, const struct pod *b)
{
	if (a->n_addresses != b->n_addresses)
		return false;
	for (size_t i = 0; i < a->n_addresses; i++)
		if (!pf_address_equal(&a->addresses[i], &b->addresses[i]))
			return false;
	return true;
}

static bool has_same_containers(const struct pod *a, const struct pod *b)
{
	if (a->n_containers != b->n_containers)
		return false;
	for (size_t i = 0; i < a->n_containers; i++) {
		const struct pod_container *x = &a->containers[i], *y = &b->containers[i];
		if (strcmp(x->name, y->name) != 0 || strcmp(x->id, y->id) != 0 ||
		    strcmp(x->runtime, y->runtime) != 0 || strcmp(x->image, y->image) != 0 ||
		    x->is_init != y->is_init)
			return false;
	}
	return true;
}

bool pod_is_equal(const struct pod *a, const struct pod *b)
{
	return a->is_host_network == b->is_host_network && a->is_finished == b->is_finished &&
	       has_same_texts(a, b) && label_list_is_equal(&a->labels, &b->labels) &&
	       has_same_addresses(a, b) && has_same_containers(a, b);
}
