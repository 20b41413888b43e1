/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The inverse of pod_parse(): what podfence keeps of a pod as the Pod object that would give it, so
 * that one parser with all its checks reads both. */
#include "kube/pod_write.h"

#include <stdio.h>
#include <string.h>

static void write_metadata(struct json *json, const struct pod *pod)
{
	json_object_begin(json, "metadata");
	json_string(json, "namespace", pod->namespace);
	json_string(json, "name", pod->name);
	json_string(json, "uid", pod->uid);
	label_list_write(json, &pod->labels);
	if (strcmp(pod->cgroup_uid, pod->uid) != 0) {
		json_object_begin(json, "annotations");
		json_string(json, "kubernetes.io/config.hash", pod->cgroup_uid);
		json_object_end(json);
	}
	if (pod->owner_kind[0]) {
		json_array_begin(json, "ownerReferences");
		json_object_begin(json, NULL);
		json_string(json, "kind", pod->owner_kind);
		json_string(json, "name", pod->owner_name);
		json_string(json, "uid", pod->owner_uid);
		json_boolean(json, "controller", true);
		json_object_end(json);
		json_array_end(json);
	}
	json_object_end(json);
}

static void write_images(struct json *json, const char *key, const struct pod *pod, bool is_init)
{
	json_array_begin(json, key);
	for (size_t i = 0; i < pod->n_containers; i++) {
		const struct pod_container *container = &pod->containers[i];
		if (container->is_init != is_init)
			continue;
		json_object_begin(json, NULL);
		json_string(json, "name", container->name);
		json_string(json, "image", container->image);
		json_object_end(json);
	}
	json_array_end(json);
}

static void write_ids(struct json *json, const char *key, const struct pod *pod, bool is_init)
{
	char id[160];

	json_array_begin(json, key);
	for (size_t i = 0; i < pod->n_containers; i++) {
		const struct pod_container *container = &pod->containers[i];
		if (container->is_init != is_init || !container->id[0])
			continue;
		snprintf(id, sizeof(id), "%s://%s", container->runtime, container->id);
		json_object_begin(json, NULL);
		json_string(json, "name", container->name);
		json_string(json, "containerID", id);
		json_object_end(json);
	}
	json_array_end(json);
}

void pod_write(struct json *json, const struct pod *pod)
{
	json_object_begin(json, NULL);
	json_string(json, "kind", "Pod");
	write_metadata(json, pod);
	json_object_begin(json, "spec");
	json_string(json, "nodeName", pod->node);
	json_string(json, "serviceAccountName", pod->service_account);
	json_boolean(json, "hostNetwork", pod->is_host_network);
	write_images(json, "initContainers", pod, true);
	write_images(json, "containers", pod, false);
	json_object_end(json);
	json_object_begin(json, "status");
	json_array_begin(json, "podIPs");
	for (size_t i = 0; i < pod->n_addresses; i++) {
		json_object_begin(json, NULL);
		json_address(json, "ip", &pod->addresses[i]);
		json_object_end(json);
	}
	json_array_end(json);
	write_ids(json, "initContainerStatuses", pod, true);
	write_ids(json, "containerStatuses", pod, false);
	json_object_end(json);
	json_object_end(json);
}
