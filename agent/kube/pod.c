/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/pod.h"

#include <stdlib.h>

struct pod *pod_free(struct pod *pod)
{
	if (!pod)
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
	for (size_t i = 0; i < pod->n_labels; i++) {
		free(pod->labels[i].key);
		free(pod->labels[i].value);
	}
	free(pod->labels);
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
