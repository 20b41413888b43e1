/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Everything foreign is checked before it is kept: names are DNS names, uids are what a kubelet can
 * make cgroup names of. What is kept can therefore be printed, compared and put into messages
 * without a second thought.
 *
 * The cgroup of a static pod carries its configuration's hash instead of the uid that its mirror in
 * the API has. Whoever may create pods may write that annotation, so only what looks like the
 * kubelet's own hash (MD5, 32 hexadecimal digits) counts: it can never be the uid of a pod that the
 * API made, and no pod can claim the cgroup of another one by it. */
#include "kube/pod_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

#define HASH_KEY    "kubernetes.io/config.hash"
#define HASH_LENGTH 32

/* The parts of the object that are looked into; NULL where absent. */
struct parts {
	struct json_object *metadata, *spec, *status;
};

static char *copy(struct object_reader *reader, const char *text)
{
	return object_copy(reader, text, strlen(text));
}

bool pod_peek_name(struct json_object *object, const char **ret_namespace, const char **ret_name)
{
	*ret_namespace = object_peek(object, "namespace");
	*ret_name = object_peek(object, "name");
	return *ret_namespace && *ret_name && name_is_label(*ret_namespace) &&
	       name_is_subdomain(*ret_name);
}

/* "pods.json: items[3] (default/web-1)", the name only where it is one. */
static char *place_new(struct json_object *object, const struct pod_source *source)
{
	const char *namespace, *name;
	char *place;

	if (!pod_peek_name(object, &namespace, &name))
		return strdup(source->place);
	return asprintf(&place, "%s (%s/%s)", source->place, namespace, name) < 0 ? NULL : place;
}

static char *parse_name(struct object_reader *reader, struct json_object *object, const char *key,
			const char *path, bool (*is_name)(const char *))
{
	const char *text = object_text(reader, object, key, path);

	if (!text[0])
		object_complain(reader, path, "missing");
	else if (!is_name(text))
		object_complain(reader, path, "\"%.80s\" is no name a pod can have", text);
	return copy(reader, text);
}

static char *parse_cgroup_uid(struct object_reader *reader, struct json_object *metadata,
			      const char *uid)
{
	static const char path[] = "metadata.annotations[" HASH_KEY "]";
	struct json_object *annotations = object_member(reader, metadata, "annotations",
							json_type_object, "metadata.annotations");
	const char *hash = object_text(reader, annotations, HASH_KEY, path);
	bool is_hash = strlen(hash) == HASH_LENGTH &&
		       strspn(hash, "0123456789abcdef") == HASH_LENGTH;

	if (hash[0] && !is_hash)
		object_complain(reader, path, "\"%.80s\" is no hash of a kubelet; ignored", hash);
	return copy(reader, is_hash ? hash : uid);
}

/* What an endpoint is found by. A complaint refuses the pod. */
static void parse_identity(struct object_reader *reader, const struct parts *parts, struct pod *pod)
{
	pod->namespace = parse_name(reader, parts->metadata, "namespace", "metadata.namespace",
				    name_is_label);
	pod->name = parse_name(reader, parts->metadata, "name", "metadata.name", name_is_subdomain);
	const char *uid = object_text(reader, parts->metadata, "uid", "metadata.uid");
	if (!uid[0])
		object_complain(reader, "metadata.uid", "missing");
	else if (!pod_text_is_uid(uid))
		object_complain(reader, "metadata.uid", "\"%.80s\" is no uid", uid);
	pod->uid = copy(reader, uid);
	struct json_object *host_network = object_member(reader, parts->spec, "hostNetwork",
							 json_type_boolean, "spec.hostNetwork");
	pod->is_host_network = host_network && json_object_get_boolean(host_network);
}

/* What adorns its events and selects its policies. A complaint leaves the piece out. */
static void parse_rest(struct object_reader *reader, const struct parts *parts, struct pod *pod)
{
	const char *account = object_text(reader, parts->spec, "serviceAccountName",
					  "spec.serviceAccountName");
	bool is_name = name_is_subdomain(account);

	if (account[0] && !is_name)
		object_complain(reader, "spec.serviceAccountName", "\"%.80s\" is no name; left out",
				account);
	pod->service_account = copy(reader, is_name ? account : "");
	pod->cgroup_uid = parse_cgroup_uid(reader, parts->metadata, pod->uid ? pod->uid : "");
	label_list_parse(reader, parts->metadata, &pod->labels);
	pod_parse_owner(reader, parts->metadata, pod);
	pod_parse_addresses(reader, parts->status, pod);
	pod_parse_containers(reader, parts->spec, parts->status, pod);
}

/* "2026-11-23T16:19:32Z": of fixed form, so text order is time order. */
static void parse_created(struct object_reader *reader, struct json_object *metadata,
			  char ret_created[static POD_CREATED_MAX])
{
	static const char form[] = "0000-00-00T00:00:00Z";
	const char *path = "metadata.creationTimestamp";
	const char *text = object_text(reader, metadata, "creationTimestamp", path);
	bool is_time = strlen(text) == sizeof(form) - 1;

	for (size_t i = 0; is_time && i < sizeof(form) - 1; i++)
		is_time = form[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i];
	if (text[0] && !is_time)
		object_complain(reader, path, "\"%.80s\" is no time; left out", text);
	snprintf(ret_created, POD_CREATED_MAX, "%s", is_time ? text : "");
}

/* Its kind, its three parts, its node and whether it still runs. */
static int parse_head(struct object_reader *reader, struct json_object *object,
		      const struct pod_source *source, struct parts *parts, struct pod *pod)
{
	const char *kind = object_text(reader, object, "kind", "kind");

	if (kind[0] && strcmp(kind, "Pod") != 0)
		object_complain(reader, "kind", "is \"%.64s\", not Pod", kind);
	parts->metadata = object_member(reader, object, "metadata", json_type_object, "metadata");
	parts->spec = object_member(reader, object, "spec", json_type_object, "spec");
	parts->status = object_member(reader, object, "status", json_type_object, "status");
	const char *node = object_text(reader, parts->spec, "nodeName", "spec.nodeName");
	const char *phase = object_text(reader, parts->status, "phase", "status.phase");
	if (reader->n_wrong)
		return POD_E_REFUSED;
	if ((source->node && strcmp(source->node, node) != 0) || !strcmp(phase, "Succeeded") ||
	    !strcmp(phase, "Failed"))
		return POD_E_NOT_WANTED;
	if (node[0] && !name_is_subdomain(node))
		object_complain(reader, "spec.nodeName", "\"%.80s\" is no name a node can have",
				node);
	pod->node = copy(reader, node);
	return 0;
}

static int parse_object(struct object_reader *reader, struct json_object *object,
			const struct pod_source *source, struct pod *pod, char *ret_created)
{
	struct parts parts = {};

	if (!json_object_is_type(object, json_type_object)) {
		report_add(reader->report, reader->place, "is no object");
		return POD_E_REFUSED;
	}
	int r = parse_head(reader, object, source, &parts, pod);
	if (r)
		return r;
	parse_identity(reader, &parts, pod);
	if (reader->n_wrong)
		return POD_E_REFUSED;
	parse_created(reader, parts.metadata, ret_created);
	parse_rest(reader, &parts, pod);
	return 0;
}

int pod_parse(struct json_object *object, const struct pod_source *source, struct pod **ret_pod,
	      char ret_created[static POD_CREATED_MAX])
{
	struct object_reader reader = {place_new(object, source), source->report};
	struct pod *pod = calloc(1, sizeof(*pod));

	if (pod)
		pod->n_references = 1;
	int r = reader.place && pod ? parse_object(&reader, object, source, pod, ret_created)
				    : -ENOMEM;

	if (reader.error < 0)
		r = reader.error;
	free(reader.place);
	if (r) {
		pod_free(pod);
		return r;
	}
	*ret_pod = pod;
	return 0;
}
