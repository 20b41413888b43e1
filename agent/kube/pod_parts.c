/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Owner, addresses and containers of a pod: each piece stands or is left out by itself, for
 * a pod with one odd label is still a pod that has to be found.
 *
 * Lists are bounded, since containers of specification and status are joined by comparing names. A
 * Deployment is told by what its controller does: its ReplicaSet is named after it and the
 * pod-template-hash that every pod carries as a label. (The Job of a CronJob carries nothing alike:
 * the workload is then the Job.) */
#include "kube/pod_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

#define UID_LENGTH_MAX	 63
#define CONTAINERS_MAX	 256 /* of one kind */
#define ADDRESSES_MAX	 64
#define IMAGE_LENGTH_MAX 1024
#define LOWER		 "abcdefghijklmnopqrstuvwxyz"
#define UPPER		 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS		 "0123456789"

bool pod_text_is_uid(const char *text)
{
	return text[0] && name_is_made_of(text, LOWER UPPER DIGITS "-", UID_LENGTH_MAX);
}

static struct json_object *find_controller(struct object_reader *reader,
					   struct json_object *metadata)
{
	struct json_object *owners = object_member(reader, metadata, "ownerReferences",
						   json_type_array, "metadata.ownerReferences");
	struct json_object *is_controller;

	for (size_t i = 0; owners && i < json_object_array_length(owners); i++) {
		struct json_object *owner = json_object_array_get_idx(owners, i);
		if (json_object_is_type(owner, json_type_object) &&
		    json_object_object_get_ex(owner, "controller", &is_controller) &&
		    json_object_is_type(is_controller, json_type_boolean) &&
		    json_object_get_boolean(is_controller))
			return owner;
	}
	return NULL;
}

/* How many bytes of ReplicaSet "web-5d8f9c7b4" are the name of Deployment "web"; 0: not of one. */
static size_t deployment_length(const struct pod *pod, const char *kind, const char *name)
{
	const char *hash = strcmp(kind, "ReplicaSet") != 0
				   ? NULL
				   : label_list_find(&pod->labels, "pod-template-hash");
	size_t n = strlen(name), m = hash ? strlen(hash) : 0;

	if (!m || n < m + 2 || name[n - m - 1] != '-' || strcmp(name + n - m, hash) != 0)
		return 0;
	return n - m - 1;
}

/* Owners are of any API group: a name is what may stand in a path of the API. */
void pod_parse_owner(struct object_reader *reader, struct json_object *metadata, struct pod *pod)
{
	static const char path[] = "metadata.ownerReferences";
	struct json_object *owner = find_controller(reader, metadata);
	const char *kind = object_text(reader, owner, "kind", path);
	const char *name = object_text(reader, owner, "name", path);
	const char *uid = object_text(reader, owner, "uid", path);

	if (owner &&
	    (!kind[0] || !name_is_made_of(kind, LOWER UPPER DIGITS, NAME_LABEL_MAX) || !name[0] ||
	     !name_is_made_of(name, LOWER UPPER DIGITS "-_.:", NAME_SUBDOMAIN_MAX) ||
	     !pod_text_is_uid(uid))) {
		object_complain(reader, path, "\"%.64s\" \"%.80s\" is no owner; left out", kind,
				name);
		kind = name = uid = "";
	}
	pod->owner_kind = object_copy(reader, kind, strlen(kind));
	pod->owner_name = object_copy(reader, name, strlen(name));
	pod->owner_uid = object_copy(reader, uid, strlen(uid));
	size_t n = reader->error ? 0 : deployment_length(pod, kind, name);
	pod->workload_kind = n ? object_copy(reader, "Deployment", strlen("Deployment"))
			       : object_copy(reader, kind, strlen(kind));
	pod->workload_name = object_copy(reader, name, n ? n : strlen(name));
}

static void add_address(struct object_reader *reader, struct pod *pod, const char *text)
{
	static const char path[] = "status.podIPs";
	struct pf_address address;

	if (!text[0])
		return;
	if (pf_address_parse(text, &address) < 0) {
		object_complain(reader, path, "\"%.80s\" is no address; left out", text);
		return;
	}
	for (size_t i = 0; i < pod->n_addresses; i++)
		if (pf_address_equal(&pod->addresses[i], &address))
			return;
	struct pf_address *grown = reallocarray(pod->addresses, pod->n_addresses + 1,
						sizeof(*grown));
	if (!grown) {
		reader->error = -ENOMEM;
		return;
	}
	pod->addresses = grown;
	grown[pod->n_addresses++] = address;
}

/* At most `maximum` items of a list are looked at. */
static size_t list_length(struct object_reader *reader, struct json_object *list, size_t maximum,
			  const char *path)
{
	size_t n = list ? json_object_array_length(list) : 0;

	if (n <= maximum)
		return n;
	object_complain(reader, path, "has more than %zu items; the others are left out", maximum);
	return maximum;
}

void pod_parse_addresses(struct object_reader *reader, struct json_object *status, struct pod *pod)
{
	static const char path[] = "status.podIPs";
	struct json_object *list = object_member(reader, status, "podIPs", json_type_array, path);
	size_t n = list_length(reader, list, ADDRESSES_MAX, path);

	add_address(reader, pod, object_text(reader, status, "podIP", "status.podIP"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		if (json_object_is_type(entry, json_type_object))
			add_address(reader, pod, object_text(reader, entry, "ip", path));
		else
			object_complain(reader, path, "holds something else than objects");
	}
}

/* Containers of one kind; those of the pod from `first` on are of this kind. */
struct container_reader {
	struct object_reader *reader;
	struct pod *pod;
	size_t first;
	bool is_init;
	const char *path;
};

static struct pod_container *find_container(const struct container_reader *containers,
					    const char *name)
{
	struct pod *pod = containers->pod;

	for (size_t i = containers->first; i < pod->n_containers; i++)
		if (!strcmp(pod->containers[i].name, name))
			return &pod->containers[i];
	return NULL;
}

static struct pod_container *new_container(const struct container_reader *containers,
					   const char *name, const char *image)
{
	struct object_reader *reader = containers->reader;
	struct pod *pod = containers->pod;
	struct pod_container *grown = reallocarray(pod->containers, pod->n_containers + 1,
						   sizeof(*grown));

	if (!grown) {
		reader->error = -ENOMEM;
		return NULL;
	}
	pod->containers = grown;
	struct pod_container *container = &grown[pod->n_containers++];
	*container = (struct pod_container){
		.name = object_copy(reader, name, strlen(name)),
		.id = object_copy(reader, "", 0),
		.runtime = object_copy(reader, "", 0),
		.image = object_copy(reader, image, strlen(image)),
		.is_init = containers->is_init,
	};
	return reader->error ? NULL : container;
}

static const char *image_of(const struct container_reader *containers, struct json_object *entry)
{
	const char *image = object_text(containers->reader, entry, "image", containers->path);

	if (name_is_made_of(image, LOWER UPPER DIGITS "-_.:/@+", IMAGE_LENGTH_MAX))
		return image;
	object_complain(containers->reader, containers->path,
			"image \"%.80s\" is no image; left out", image);
	return "";
}

/* "containerd://0123abc" */
static void set_container_id(const struct container_reader *containers,
			     struct pod_container *container, const char *text)
{
	struct object_reader *reader = containers->reader;
	const char *separator = strstr(text, "://");
	const char *id = separator ? separator + strlen("://") : "";
	size_t n = separator ? (size_t)(separator - text) : 0;

	if (!text[0])
		return;
	if (!n || n > NAME_LABEL_MAX || strspn(text, LOWER DIGITS "-.+") < n || !id[0] ||
	    !name_is_made_of(id, DIGITS "abcdef", 64)) {
		object_complain(reader, containers->path,
				"containerID \"%.80s\" is no container id; left out", text);
		return;
	}
	char *id_copy = object_copy(reader, id, strlen(id));
	char *runtime = object_copy(reader, text, n);
	if (reader->error) {
		free(id_copy);
		free(runtime);
		return;
	}
	free(container->id);
	free(container->runtime);
	container->id = id_copy;
	container->runtime = runtime;
}

/* The image of the specification is what the user wrote; that of the status may be a digest. */
static void add_container(const struct container_reader *containers, struct json_object *entry)
{
	struct object_reader *reader = containers->reader;
	const char *name = object_text(reader, entry, "name", containers->path);

	if (!name_is_label(name)) {
		object_complain(reader, containers->path, "\"%.80s\" is no container; left out",
				name);
		return;
	}
	struct pod_container *container = find_container(containers, name);
	if (!container)
		container = new_container(containers, name, image_of(containers, entry));
	if (container)
		set_container_id(containers, container,
				 object_text(reader, entry, "containerID", containers->path));
}

static void add_containers(const struct container_reader *containers, struct json_object *list)
{
	size_t n = list_length(containers->reader, list, CONTAINERS_MAX, containers->path);

	for (size_t i = 0; i < n && !containers->reader->error; i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		if (json_object_is_type(entry, json_type_object))
			add_container(containers, entry);
		else
			object_complain(containers->reader, containers->path,
					"holds something else than objects");
	}
}

void pod_parse_containers(struct object_reader *reader, struct json_object *spec,
			  struct json_object *status, struct pod *pod)
{
	static const struct {
		const char *spec_key, *status_key, *spec_path, *status_path;
		bool is_init;
	} kinds[] = {
		{"initContainers", "initContainerStatuses", "spec.initContainers",
		 "status.initContainerStatuses", true},
		{"containers", "containerStatuses", "spec.containers", "status.containerStatuses",
		 false},
		{"ephemeralContainers", "ephemeralContainerStatuses", "spec.ephemeralContainers",
		 "status.ephemeralContainerStatuses", false},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !reader->error; i++) {
		struct container_reader containers = {reader, pod, pod->n_containers,
						      kinds[i].is_init, kinds[i].spec_path};
		add_containers(&containers, object_member(reader, spec, kinds[i].spec_key,
							  json_type_array, containers.path));
		containers.path = kinds[i].status_path;
		add_containers(&containers, object_member(reader, status, kinds[i].status_key,
							  json_type_array, containers.path));
	}
}
