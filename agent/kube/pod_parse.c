/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Everything foreign is checked before it is kept: names are DNS labels, uids are what a kubelet
 * makes cgroup names of, container ids are hexadecimal. What is kept can therefore be printed,
 * compared and put into messages without a second thought. */
#include "kube/pod_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_DNS   253
#define UID_MAX	       63
#define LABEL_KEY_MAX  317 /* prefix 253, slash, name 63 */
#define LABEL_TEXT_MAX 63
#define LABELS_MAX     256
#define CONTAINERS_MAX 256
#define ADDRESSES_MAX  64
#define IMAGE_MAX      1024

/* The parsing of one pod. The first thing that refuses it is kept in result. */
struct parse {
	const char *place;
	struct report *report;
	struct pod *pod;
	int result;
};

PF_PRINTF(3, 4)
static void refuse(struct parse *parse, const char *path, const char *format, ...)
{
	char place[256], text[256];
	va_list arguments;

	snprintf(place, sizeof(place), "%s: %s", parse->place, path);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_add(parse->report, place, "%s", text);
	if (!parse->result)
		parse->result = POD_E_INVALID;
}

PF_PRINTF(3, 4)
static void remark(struct parse *parse, const char *path, const char *format, ...)
{
	char place[256], text[256];
	va_list arguments;

	snprintf(place, sizeof(place), "%s: %s", parse->place, path);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_add(parse->report, place, "%s", text);
}

static char *copy(struct parse *parse, const char *text)
{
	char *made = strdup(text);

	if (!made)
		parse->result = -ENOMEM;
	return made;
}

/* A member of this type; NULL where it is absent, null, or (then refused) of another type. */
static struct json_object *member(struct parse *parse, struct json_object *object, const char *key,
				  enum json_type type, const char *path)
{
	struct json_object *value;

	if (!object || !json_object_object_get_ex(object, key, &value) || !value)
		return NULL;
	if (json_object_is_type(value, type))
		return value;
	refuse(parse, path, "is %s, not %s", json_type_to_name(json_object_get_type(value)),
	       json_type_to_name(type));
	return NULL;
}

/* The text of a string member, "" where absent. One with a NUL byte inside is refused. */
static const char *text_of(struct parse *parse, struct json_object *object, const char *key,
			   const char *path)
{
	struct json_object *value = member(parse, object, key, json_type_string, path);

	if (!value)
		return "";
	const char *text = json_object_get_string(value);
	if (strlen(text) != (size_t)json_object_get_string_len(value)) {
		refuse(parse, path, "holds a NUL byte");
		return "";
	}
	return text;
}

/* RFC 1123: lower case letters, digits, '-' and '.', an alphanumeric at both ends. */
static bool is_dns_name(const char *text, size_t maximum)
{
	size_t n = strlen(text);

	if (!n || n > maximum || text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.")])
		return false;
	return isalnum((unsigned char)text[0]) && isalnum((unsigned char)text[n - 1]);
}

static bool is_uid(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
	return n && n <= UID_MAX;
}

/* No control characters, and not longer than that. */
static bool is_plain(const char *text, size_t maximum)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return n <= maximum;
}

static char *dns_name(struct parse *parse, struct json_object *object, const char *key,
		      const char *path, bool is_optional)
{
	const char *text = text_of(parse, object, key, path);

	if (!text[0] && !is_optional)
		refuse(parse, path, "is missing");
	else if (text[0] && !is_dns_name(text, NAME_MAX_DNS))
		refuse(parse, path, "\"%.80s\" is no DNS name", text);
	return copy(parse, text);
}

static void parse_identity(struct parse *parse, struct json_object *metadata,
			   struct json_object *spec)
{
	struct pod *pod = parse->pod;

	pod->name = dns_name(parse, metadata, "name", "metadata.name", false);
	pod->namespace = dns_name(parse, metadata, "namespace", "metadata.namespace", false);
	const char *uid = text_of(parse, metadata, "uid", "metadata.uid");
	if (!uid[0])
		refuse(parse, "metadata.uid", "is missing");
	else if (!is_uid(uid))
		refuse(parse, "metadata.uid", "\"%.80s\" is no uid", uid);
	pod->uid = copy(parse, uid);
	pod->node = dns_name(parse, spec, "nodeName", "spec.nodeName", true);
	pod->service_account = dns_name(parse, spec, "serviceAccountName",
					"spec.serviceAccountName", true);

	/* The kubelet names the cgroup of a static pod by its configuration's hash; the mirror pod
	 * in the API has a uid of its own. */
	struct json_object *annotations = member(parse, metadata, "annotations", json_type_object,
						 "metadata.annotations");
	const char *hash = text_of(parse, annotations, "kubernetes.io/config.hash",
				   "metadata.annotations[kubernetes.io/config.hash]");
	if (hash[0] && !is_uid(hash))
		refuse(parse, "metadata.annotations[kubernetes.io/config.hash]",
		       "\"%.80s\" is no hash", hash);
	pod->cgroup_uid = copy(parse, hash[0] ? hash : uid);
}

static void parse_spec(struct parse *parse, struct json_object *spec, struct json_object *status)
{
	struct json_object *host = member(parse, spec, "hostNetwork", json_type_boolean,
					  "spec.hostNetwork");
	const char *phase = text_of(parse, status, "phase", "status.phase");

	parse->pod->is_host_network = host && json_object_get_boolean(host);
	parse->pod->is_finished = !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed");
}

static const char *label_value(const struct pod *pod, const char *key)
{
	for (size_t i = 0; i < pod->n_labels; i++)
		if (!strcmp(pod->labels[i].key, key))
			return pod->labels[i].value;
	return "";
}

/* ReplicaSet "web-5d8f9c7b4" with label pod-template-hash=5d8f9c7b4 is of Deployment "web". */
static void derive_workload(struct parse *parse)
{
	struct pod *pod = parse->pod;
	const char *hash = label_value(pod, "pod-template-hash");
	size_t n = strlen(pod->owner_name), m = strlen(hash);

	if (!strcmp(pod->owner_kind, "ReplicaSet") && m && n > m + 1 &&
	    pod->owner_name[n - m - 1] == '-' && !strcmp(pod->owner_name + n - m, hash)) {
		pod->workload_kind = copy(parse, "Deployment");
		pod->workload_name = strndup(pod->owner_name, n - m - 1);
		if (!pod->workload_name)
			parse->result = -ENOMEM;
		return;
	}
	pod->workload_kind = copy(parse, pod->owner_kind);
	pod->workload_name = copy(parse, pod->owner_name);
}

static struct json_object *find_controller(struct parse *parse, struct json_object *metadata)
{
	struct json_object *owners = member(parse, metadata, "ownerReferences", json_type_array,
					    "metadata.ownerReferences");
	struct json_object *flag;

	for (size_t i = 0; owners && i < json_object_array_length(owners); i++) {
		struct json_object *owner = json_object_array_get_idx(owners, i);
		if (json_object_is_type(owner, json_type_object) &&
		    json_object_object_get_ex(owner, "controller", &flag) &&
		    json_object_get_boolean(flag))
			return owner;
	}
	return NULL;
}

static void parse_owner(struct parse *parse, struct json_object *metadata)
{
	struct pod *pod = parse->pod;
	struct json_object *owner = find_controller(parse, metadata);
	const char *kind = text_of(parse, owner, "kind", "metadata.ownerReferences.kind");
	const char *uid = text_of(parse, owner, "uid", "metadata.ownerReferences.uid");

	if (!is_plain(kind, LABEL_TEXT_MAX) || (uid[0] && !is_uid(uid)))
		refuse(parse, "metadata.ownerReferences", "\"%.80s\" is no owner", kind);
	pod->owner_kind = copy(parse, kind);
	pod->owner_uid = copy(parse, uid);
	pod->owner_name = dns_name(parse, owner, "name", "metadata.ownerReferences.name", true);
	if (parse->result >= 0 && pod->owner_kind && pod->owner_name)
		derive_workload(parse);
}

static bool label_is_good(const char *key, struct json_object *value)
{
	return key[0] && is_plain(key, LABEL_KEY_MAX) &&
	       json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value) &&
	       is_plain(json_object_get_string(value), LABEL_TEXT_MAX);
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct pod_label *)a)->key, ((const struct pod_label *)b)->key);
}

static void parse_labels(struct parse *parse, struct json_object *metadata)
{
	struct json_object *labels = member(parse, metadata, "labels", json_type_object,
					    "metadata.labels");
	struct pod *pod = parse->pod;

	if (!labels)
		return;
	pod->labels = calloc((size_t)json_object_object_length(labels) + 1, sizeof(*pod->labels));
	if (!pod->labels) {
		parse->result = -ENOMEM;
		return;
	}
	json_object_object_foreach(labels, key, value)
	{
		if (pod->n_labels == LABELS_MAX || !label_is_good(key, value)) {
			remark(parse, "metadata.labels",
			       "\"%.80s\" is no label, or one too many: left out", key);
			continue;
		}
		struct pod_label *label = &pod->labels[pod->n_labels++];
		label->key = copy(parse, key);
		label->value = copy(parse, json_object_get_string(value));
	}
	if (parse->result >= 0)
		qsort(pod->labels, pod->n_labels, sizeof(*pod->labels), compare_labels);
}

static void add_address(struct parse *parse, const char *text)
{
	struct pod *pod = parse->pod;
	struct pf_address address;

	if (pf_address_parse(text, &address) < 0 || pod->n_addresses == ADDRESSES_MAX) {
		remark(parse, "status.podIPs", "\"%.80s\" is no address, or one too many: left out",
		       text);
		return;
	}
	for (size_t i = 0; i < pod->n_addresses; i++)
		if (pf_address_equal(&pod->addresses[i], &address))
			return;
	pod->addresses[pod->n_addresses++] = address;
}

static void parse_addresses(struct parse *parse, struct json_object *status)
{
	struct json_object *list = member(parse, status, "podIPs", json_type_array,
					  "status.podIPs");
	const char *single = text_of(parse, status, "podIP", "status.podIP");

	parse->pod->addresses = calloc(ADDRESSES_MAX, sizeof(*parse->pod->addresses));
	if (!parse->pod->addresses) {
		parse->result = -ENOMEM;
		return;
	}
	if (single[0])
		add_address(parse, single);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		if (json_object_is_type(entry, json_type_object))
			add_address(parse, text_of(parse, entry, "ip", "status.podIPs.ip"));
	}
}

/* "containerd://0123abc" */
static void parse_container_id(struct parse *parse, const char *text,
			       struct pod_container *container)
{
	const char *separator = strstr(text, "://");
	size_t n = separator ? (size_t)(separator - text) : 0;
	const char *id = separator ? separator + 3 : "";
	bool is_good = !text[0] ||
		       (n && n < 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz-") == n && id[0] &&
			strlen(id) <= 64 && !id[strspn(id, "0123456789abcdef")]);

	if (!is_good)
		remark(parse, "status.containerStatuses.containerID",
		       "\"%.80s\" is no container id", text);
	container->id = copy(parse, is_good ? id : "");
	container->runtime = is_good ? strndup(text, n) : copy(parse, "");
	if (!container->runtime)
		parse->result = -ENOMEM;
}

static const char *spec_image(struct json_object *spec_list, const char *name)
{
	struct json_object *value;

	for (size_t i = 0; spec_list && i < json_object_array_length(spec_list); i++) {
		struct json_object *entry = json_object_array_get_idx(spec_list, i);
		if (json_object_is_type(entry, json_type_object) &&
		    json_object_object_get_ex(entry, "name", &value) &&
		    json_object_is_type(value, json_type_string) &&
		    !strcmp(json_object_get_string(value), name) &&
		    json_object_object_get_ex(entry, "image", &value) &&
		    json_object_is_type(value, json_type_string))
			return json_object_get_string(value);
	}
	return "";
}

static void add_container(struct parse *parse, struct json_object *status,
			  struct json_object *spec_list, bool is_init)
{
	struct pod *pod = parse->pod;
	const char *name = text_of(parse, status, "name", "status.containerStatuses.name");
	const char *image = text_of(parse, status, "image", "status.containerStatuses.image");

	if (!is_dns_name(name, LABEL_TEXT_MAX) || pod->n_containers == CONTAINERS_MAX) {
		remark(parse, "status.containerStatuses",
		       "\"%.80s\" is no container, or one too many", name);
		return;
	}
	if (spec_image(spec_list, name)[0])
		image = spec_image(spec_list,
				   name); /* as the user wrote it, not the digest it became */
	struct pod_container *container = &pod->containers[pod->n_containers++];
	container->is_init = is_init;
	container->name = copy(parse, name);
	container->image = copy(parse, is_plain(image, IMAGE_MAX) ? image : "");
	parse_container_id(
		parse,
		text_of(parse, status, "containerID", "status.containerStatuses.containerID"),
		container);
}

static void parse_containers(struct parse *parse, struct json_object *spec,
			     struct json_object *status)
{
	static const struct {
		const char *status_key, *spec_key;
		bool is_init;
	} kinds[] = {
		{"containerStatuses", "containers", false},
		{"initContainerStatuses", "initContainers", true},
		{"ephemeralContainerStatuses", "ephemeralContainers", false},
	};

	parse->pod->containers = calloc(CONTAINERS_MAX, sizeof(*parse->pod->containers));
	if (!parse->pod->containers) {
		parse->result = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct json_object *list = member(parse, status, kinds[i].status_key,
						  json_type_array, kinds[i].status_key);
		struct json_object *spec_list = member(parse, spec, kinds[i].spec_key,
						       json_type_array, kinds[i].spec_key);
		for (size_t k = 0; list && k < json_object_array_length(list); k++) {
			struct json_object *entry = json_object_array_get_idx(list, k);
			if (json_object_is_type(entry, json_type_object) && parse->result >= 0)
				add_container(parse, entry, spec_list, kinds[i].is_init);
		}
	}
}

/* Arrays were made for the most there can be; most pods have one or two of each. */
static void shrink(struct pod *pod)
{
	void *addresses = reallocarray(pod->addresses, pod->n_addresses + 1,
				       sizeof(*pod->addresses));
	void *containers = reallocarray(pod->containers, pod->n_containers + 1,
					sizeof(*pod->containers));

	pod->addresses = addresses ? addresses : pod->addresses;
	pod->containers = containers ? containers : pod->containers;
}

int pod_parse(struct json_object *object, const char *place, struct report *report,
	      struct pod **ret_pod)
{
	struct parse parse = {place, report, calloc(1, sizeof(struct pod)), 0};

	if (!parse.pod)
		return -ENOMEM;
	const char *kind = text_of(&parse, object, "kind", "kind");
	struct json_object *metadata = member(&parse, object, "metadata", json_type_object,
					      "metadata");
	struct json_object *spec = member(&parse, object, "spec", json_type_object, "spec");
	struct json_object *status = member(&parse, object, "status", json_type_object, "status");
	if (kind[0] && strcmp(kind, "Pod") != 0)
		refuse(&parse, "kind", "is %.64s, not Pod", kind);
	else
		parse_identity(&parse, metadata, spec);
	if (!parse.result)
		parse_spec(&parse, spec, status);
	if (!parse.result)
		parse_labels(&parse, metadata);
	if (!parse.result)
		parse_owner(&parse, metadata);
	if (!parse.result)
		parse_addresses(&parse, status);
	if (!parse.result)
		parse_containers(&parse, spec, status);
	if (parse.result) {
		pod_free(parse.pod);
		return parse.result;
	}
	shrink(parse.pod);
	*ret_pod = parse.pod;
	return 0;
}
