/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What is the same in all events of one endpoint: host, observer, orchestrator, kubernetes,
 * container. Made once when the endpoint appears and copied into each event, because it is more
 * than half of a line. kubernetes.* is what Filebeat's add_kubernetes_metadata writes (labels with
 * '_' for '.'), so that one dashboard serves both.
 *
 * A packet does not say which container of a pod sent it. Where its culprit was not found, container.*
 * is there only when the pod has one container that can have. Labels end at LABELS_MAX bytes: container runtimes cut a line at 16 KiB, and a
 * cut line is no JSON. */
#include "event/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/format.h"

#define LABELS_MAX 4096
#define LABEL_MAX  320 /* prefix 253, '/', name 63 */

/* NULL leaves a member out. */
static const char *if_set(const char *text)
{
	return text && text[0] ? text : NULL;
}

/* The one container that packets can come from; NULL where there are several, or none. */
static const struct pod_container *sole_container(const struct pod *pod)
{
	const struct pod_container *sole = NULL;

	for (size_t i = 0; i < pod->n_containers; i++) {
		if (pod->containers[i].is_init)
			continue;
		if (sole)
			return NULL;
		sole = &pod->containers[i];
	}
	return sole;
}

/* Where the culprit is known, what is known of his container: at least id and runtime, or nothing. */
static struct pod_container container_of(const struct pod *pod, const struct culprit *culprit)
{
	const struct pod_container *container = pod ? sole_container(pod) : NULL;
	bool is_known = culprit && culprit->container.kind == CGROUP_CONTAINER;
	struct pod_container found = {};

	if (is_known || (culprit && culprit->is_outside))
		container = NULL;
	for (size_t i = 0; is_known && pod && i < pod->n_containers; i++)
		if (!strcmp(pod->containers[i].id, culprit->container.container_id))
			container = &pod->containers[i];
	if (container)
		return *container;
	if (is_known) {
		found.id = (char *)culprit->container.container_id;
		found.runtime = (char *)culprit->container.runtime;
	}
	return found;
}

bool event_members_differ(const struct endpoint *endpoint, const struct culprit *culprit)
{
	const struct pod *pod = endpoint ? endpoint->pod : NULL;

	return container_of(pod, culprit).id != container_of(pod, NULL).id;
}

/* "registry:5000/app:1.2@sha256:..." is the name "registry:5000/app" with the tag "1.2". */
static void image_add(struct json *json, const char *image)
{
	size_t length = strcspn(image, "@");
	size_t name = length;

	for (size_t i = length; i-- && image[i] != '/';)
		if (image[i] == ':')
			name = i;
	json_object_begin(json, "image");
	json_string_n(json, "name", image, name);
	if (name + 1 < length) {
		json_array_begin(json, "tag");
		json_string_n(json, NULL, image + name + 1, length - name - 1);
		json_array_end(json);
	}
	json_object_end(json);
}

static void container_add(struct json *json, const struct pod_container *container)
{
	json_object_begin(json, "container");
	json_string(json, "id", if_set(container->id));
	json_string(json, "name", if_set(container->name));
	json_string(json, "runtime", if_set(container->runtime));
	if (if_set(container->image))
		image_add(json, container->image);
	json_object_end(json);
}

static void addresses_add(struct json *json, const struct pod *pod)
{
	if (!pod->n_addresses)
		return;
	json_array_begin(json, "ip");
	for (size_t i = 0; i < pod->n_addresses; i++)
		json_address(json, NULL, &pod->addresses[i]);
	json_array_end(json);
}

static void orchestrator_add(struct json *json, const struct pod *pod, const char *cluster_name)
{
	json_object_begin(json, "orchestrator");
	json_string(json, "type", "kubernetes");
	if (if_set(cluster_name)) {
		json_object_begin(json, "cluster");
		json_string(json, "name", cluster_name);
		json_object_end(json);
	}
	if (pod) {
		json_string(json, "namespace", pod->namespace);
		json_object_begin(json, "resource");
		json_string(json, "type", "pod");
		json_string(json, "name", pod->name);
		json_string(json, "id", pod->uid);
		addresses_add(json, pod);
		if (if_set(pod->owner_kind)) {
			json_object_begin(json, "parent");
			json_string(json, "type", pod->owner_kind);
			json_object_end(json);
		}
		json_object_end(json);
	}
	json_object_end(json);
}

/* Filebeat knows six kinds of controllers and writes nothing of others. */
static const char *workload_key(const char *kind)
{
	static const char *const kinds[][2] = {
		{"Deployment", "deployment"},
		{"ReplicaSet", "replicaset"},
		{"DaemonSet", "daemonset"},
		{"StatefulSet", "statefulset"},
		{"Job", "job"},
		{"CronJob", "cronjob"},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i][0]) == 0)
			return kinds[i][1];
	return NULL;
}

static void workload_add(struct json *json, const char *kind, const char *name)
{
	const char *key = workload_key(kind);

	if (!key)
		return;
	json_object_begin(json, key);
	json_string(json, "name", name);
	json_object_end(json);
}

static void workloads_add(struct json *json, const struct pod *pod)
{
	workload_add(json, pod->owner_kind, pod->owner_name);
	if (strcmp(pod->owner_kind, pod->workload_kind) != 0)
		workload_add(json, pod->workload_kind, pod->workload_name);
}

/* "a.b" as "a_b", as much as fits; two keys that differ beyond that do not exist in the API. */
static void label_dedot(const char *key, char dedotted[static LABEL_MAX])
{
	snprintf(dedotted, LABEL_MAX, "%s", key);
	for (char *at = dedotted; *at; at++)
		if (*at == '.')
			*at = '_';
}

/* A label before this one has the same name once dots are gone: JSON wants names to be unique. */
static bool label_is_taken(const struct pod *pod, size_t n, const char *dedotted)
{
	for (size_t i = 0; i < n; i++) {
		char other[LABEL_MAX];
		label_dedot(pod->labels.labels[i].key, other);
		if (strcmp(other, dedotted) == 0)
			return true;
	}
	return false;
}

static void labels_add(struct json *json, const struct pod *pod)
{
	size_t begin = json->buffer->length;

	if (!pod->labels.n_labels)
		return;
	json_object_begin(json, "labels");
	for (size_t i = 0; i < pod->labels.n_labels && json->buffer->length - begin < LABELS_MAX;
	     i++) {
		char key[LABEL_MAX];
		label_dedot(pod->labels.labels[i].key, key);
		if (!label_is_taken(pod, i, key))
			json_string_keyed(json, key, pod->labels.labels[i].value);
	}
	json_object_end(json);
}

/* A static pod is known to its kubelet by the hash of its manifest, which kubectl looks for the pod's
 * Events by; the uid is that of its mirror in the API. Dots are '_', as in labels. */
static void annotations_add(struct json *json, const struct pod *pod)
{
	if (!strcmp(pod->cgroup_uid, pod->uid))
		return;
	json_object_begin(json, "annotations");
	json_string(json, "kubernetes_io/config_hash", pod->cgroup_uid);
	json_object_end(json);
}

static void kubernetes_add(struct json *json, const struct pod *pod, const char *node_name,
			   const struct pod_container *container)
{
	json_object_begin(json, "kubernetes");
	json_string(json, "namespace", pod->namespace);
	json_object_begin(json, "node");
	json_string(json, "name", node_name);
	json_object_end(json);
	json_object_begin(json, "pod");
	json_string(json, "name", pod->name);
	json_string(json, "uid", pod->uid);
	if (pod->n_addresses)
		json_address(json, "ip", &pod->addresses[0]);
	json_object_end(json);
	if (if_set(container->name)) {
		json_object_begin(json, "container");
		json_string(json, "name", container->name);
		json_object_end(json);
	}
	workloads_add(json, pod);
	labels_add(json, pod);
	annotations_add(json, pod);
	json_object_end(json);
}

static void node_add(struct json *json, const struct event_context *context)
{
	json_object_begin(json, "host");
	json_string(json, "name", context->node_name);
	json_object_end(json);
	json_object_begin(json, "observer");
	RAW(json, "\"type\":\"firewall\",\"vendor\":\"podfence\",\"product\":\"podfence\"");
	json_string(json, "version", context->version);
	json_string(json, "hostname", context->node_name);
	json_object_end(json);
}

/* "postfix@mx.service" is an instance of the service "postfix". */
static void service_add(struct json *json, const struct endpoint *endpoint)
{
	static const char ending[] = ".service";
	const char *name = strrchr(endpoint->unit->path, '/');

	name = name ? name + 1 : endpoint->unit->path;
	size_t n = strlen(name), tail = strlen(ending), template = strcspn(name, "@");
	if (n <= tail || strcmp(name + n - tail, ending) != 0)
		return;
	json_object_begin(json, "service");
	json_string_n(json, "name", name, template <n - tail ? template : n - tail);
	json_object_end(json);
}

void event_endpoint_members(const struct endpoint *endpoint, const struct culprit *culprit,
			    const struct event_context *context, struct buffer *buffer)
{
	const struct pod *pod = endpoint ? endpoint->pod : NULL;
	const struct pod_container container = container_of(pod, culprit);
	struct json json;

	json_init(&json, buffer);
	node_add(&json, context);
	if (pod || if_set(context->cluster_name))
		orchestrator_add(&json, pod, context->cluster_name);
	if (endpoint && endpoint->unit)
		service_add(&json, endpoint);
	if (pod)
		kubernetes_add(&json, pod, context->node_name, &container);
	if (container.id || container.name)
		container_add(&json, &container);
}
