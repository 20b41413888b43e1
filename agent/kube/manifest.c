/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	document	-> object, or a list: kind List or KINDList, items[]
 *	object		-> NetworkPolicy, ClusterNetworkPolicy, Namespace; others are passed over
 *
 * Of our API groups another version is refused, not passed over: whoever wrote it meant us. */
#include "kube/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/name.h"
#include "base/yaml_json.h"
#include "kube/object.h"
#include "kube/policy_parse.h"

struct reading {
	const char *path;
	struct report *report;
	struct manifest *manifest;
	size_t document, line;
};

/* One object that is looked at. */
struct candidate {
	struct json_object *object;
	const char *api_version, *kind; /* "" where it does not say */
	char *place;			/* "a.yaml:7: document 2" */
};

struct kind {
	const char *group, *version, *kind;
	int (*take)(struct reading *reading, const struct candidate *candidate,
		    struct manifest_object *object);
};

static size_t n_said(const struct report *report)
{
	return report->n_entries + report->n_left_out;
}

static int take_policy(struct reading *reading, const struct candidate *candidate,
		       struct manifest_object *object,
		       int (*parse)(struct json_object *, const struct policy_source *,
				    struct policy **))
{
	const struct policy_source source = {candidate->place, object->origin, true,
					     reading->report};
	int r = parse(candidate->object, &source, &object->policy);

	object->is_refused = r == POLICY_E_REFUSED;
	return r < 0 ? r : 0;
}

static int take_network_policy(struct reading *reading, const struct candidate *candidate,
			       struct manifest_object *object)
{
	return take_policy(reading, candidate, object, network_policy_parse);
}

static int take_cluster_network_policy(struct reading *reading, const struct candidate *candidate,
				       struct manifest_object *object)
{
	return take_policy(reading, candidate, object, cluster_network_policy_parse);
}

static int take_namespace(struct reading *reading, const struct candidate *candidate,
			  struct manifest_object *object)
{
	int r = namespace_parse(candidate->object, candidate->place, reading->report,
				&object->namespace);

	object->is_refused = r > 0;
	return r < 0 ? r : 0;
}

static const struct kind kinds[] = {
	{"networking.k8s.io", "v1", "NetworkPolicy", take_network_policy},
	{"policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy",
	 take_cluster_network_policy},
	{"", "v1", "Namespace", take_namespace},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_of_group(const struct kind *kind, const char *api_version)
{
	size_t n = strlen(kind->group);

	return n ? !strncmp(api_version, kind->group, n) && api_version[n] == '/'
		 : !strchr(api_version, '/');
}

static const char *version_of(const char *api_version)
{
	const char *slash = strchr(api_version, '/');

	return slash ? slash + 1 : api_version;
}

/* NULL: none of ours. */
static const struct kind *find_kind(const struct candidate *candidate)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (!strcmp(kinds[i].kind, candidate->kind) &&
		    is_of_group(&kinds[i], candidate->api_version))
			return &kinds[i];
	return NULL;
}

static void object_done(struct manifest_object *object)
{
	free(object->identity);
	free(object->place);
	free(object->origin);
	policy_free(object->policy);
	namespace_free(object->namespace);
}

/* Takes it over, also when this fails. */
static int keep_object(struct manifest *manifest, struct manifest_object *object)
{
	struct manifest_object *grown = NULL;
	size_t n = manifest->n_objects;

	if (object->identity && object->place && object->origin)
		grown = n & (n - 1)
				? manifest->objects
				: reallocarray(manifest->objects, n ? 2 * n : 1, sizeof(*grown));
	if (!grown) {
		object_done(object);
		return -ENOMEM;
	}
	manifest->objects = grown;
	manifest->objects[manifest->n_objects++] = *object;
	manifest->n_refused += object->is_refused;
	return 0;
}

int manifest_add(struct manifest *manifest, const struct manifest_object *object)
{
	struct manifest_object copy = {
		.identity = strdup(object->identity),
		.place = strdup(object->place),
		.origin = strdup(object->origin),
		.policy = object->policy ? policy_ref(object->policy) : NULL,
		.namespace = object->namespace ? namespace_ref(object->namespace) : NULL,
	};

	return keep_object(manifest, &copy);
}

static char *identity_new(const char *kind, struct json_object *object)
{
	const char *namespace = object_peek(object, "namespace"),
		   *name = object_peek(object, "name");
	char *identity;
	int n;

	if (!name || !name_is_subdomain(name) || (namespace && !name_is_label(namespace)))
		return strdup("");
	n = namespace ? asprintf(&identity, "%s %s/%s", kind, namespace, name)
		      : asprintf(&identity, "%s %s", kind, name);
	return n < 0 ? NULL : identity;
}

static char *print_place(const struct reading *reading, bool has_line, long item)
{
	char line[24] = "", place[64], *text;

	if (has_line)
		snprintf(line, sizeof(line), "%zu: ", reading->line);
	if (item < 0)
		snprintf(place, sizeof(place), "document %zu", reading->document);
	else
		snprintf(place, sizeof(place), "document %zu: items[%ld]", reading->document, item);
	return asprintf(&text, "%s:%s%s%s", reading->path, has_line ? "" : " ", line, place) < 0
		       ? NULL
		       : text;
}

static int take_kind(struct reading *reading, const struct kind *kind,
		     const struct candidate *candidate, long item)
{
	struct manifest_object object = {
		.identity = identity_new(kind->kind, candidate->object),
		.origin = print_place(reading, false, item),
	};
	size_t before = n_said(reading->report);
	int r = object.identity && object.origin ? 0 : -ENOMEM;

	if (r == 0)
		object.place = strdup(object.origin + strlen(reading->path) + 2);
	if (r == 0 && strcmp(version_of(candidate->api_version), kind->version) != 0) {
		report_add(reading->report, candidate->place,
			   "apiVersion: is \"%.80s\"; %s is known as version %s",
			   candidate->api_version, kind->kind, kind->version);
		object.is_refused = true;
	} else if (r == 0) {
		r = kind->take(reading, candidate, &object);
	}
	if (r < 0) {
		object_done(&object);
		return r;
	}
	reading->manifest->n_noted += !object.is_refused && n_said(reading->report) > before;
	return keep_object(reading->manifest, &object);
}

/* What names no kind might be a policy: it counts as one that is refused. */
static int refuse(struct reading *reading, const struct candidate *candidate, long item,
		  const char *reason)
{
	struct manifest_object object = {.identity = strdup(""),
					 .origin = print_place(reading, false, item),
					 .is_refused = true};

	report_add(reading->report, candidate->place, "%s", reason);
	if (object.origin)
		object.place = strdup(object.origin + strlen(reading->path) + 2);
	return keep_object(reading->manifest, &object);
}

/* `of_list`: what the list says of its items, "" where it says nothing. */
static int take_object(struct reading *reading, struct json_object *root, long item,
		       const char *list_version, const char *list_kind)
{
	struct candidate candidate = {root, object_find_text(root, "apiVersion"),
				      object_find_text(root, "kind"),
				      print_place(reading, true, item)};
	int r;

	if (!candidate.place)
		return -ENOMEM;
	if (!candidate.kind[0] && list_kind[0]) {
		candidate.kind = list_kind;
		candidate.api_version = list_version;
	}
	const struct kind *kind = find_kind(&candidate);
	if (reading->manifest->n_objects + reading->manifest->n_ignored >= MANIFEST_OBJECTS_MAX) {
		report_add(reading->report, candidate.place, "more than %d objects in one file",
			   MANIFEST_OBJECTS_MAX);
		r = MANIFEST_E_BROKEN;
	} else if (!json_object_is_type(root, json_type_object)) {
		r = refuse(reading, &candidate, item, "is no object");
	} else if (!candidate.kind[0] || !candidate.api_version[0]) {
		r = refuse(reading, &candidate, item,
			   candidate.kind[0] ? "apiVersion: missing" : "kind: missing");
	} else if (kind) {
		r = take_kind(reading, kind, &candidate, item);
	} else {
		report_add(reading->report, candidate.place, "%.64s of %.80s is passed over",
			   candidate.kind, candidate.api_version);
		reading->manifest->n_ignored++;
		r = 0;
	}
	free(candidate.place);
	return r;
}

static int take_list(struct reading *reading, struct json_object *root, const char *kind)
{
	struct json_object *items = NULL;
	char of_items[64] = "";
	size_t n = strlen(kind) - strlen("List");
	int r = 0;

	snprintf(of_items, sizeof(of_items), "%.*s", n < sizeof(of_items) ? (int)n : 0, kind);
	json_object_object_get_ex(root, "items", &items);
	if (items && !json_object_is_type(items, json_type_array)) {
		struct candidate candidate = {root, "", "", print_place(reading, true, -1)};
		r = candidate.place ? refuse(reading, &candidate, -1, "items: is no list")
				    : -ENOMEM;
		free(candidate.place);
		return r;
	}
	for (size_t i = 0; items && i < json_object_array_length(items) && r == 0; i++)
		r = take_object(reading, json_object_array_get_idx(items, i), (long)i,
				object_find_text(root, "apiVersion"), of_items);
	return r;
}

/* List of v1, or the list of one of our kinds; others' lists are objects like any other. */
static bool is_list(struct json_object *root, const char *kind)
{
	const char *api_version = object_find_text(root, "apiVersion");
	size_t n = strlen(kind), tail = strlen("List");

	if (n < tail || strcmp(kind + n - tail, "List") != 0)
		return false;
	if (n == tail)
		return !strcmp(api_version, "v1");
	for (size_t i = 0; i < N_KINDS; i++)
		if (strlen(kinds[i].kind) == n - tail && !strncmp(kinds[i].kind, kind, n - tail) &&
		    is_of_group(&kinds[i], api_version))
			return true;
	return false;
}

static int on_document(void *userdata, struct json_object *root, size_t line)
{
	struct reading *reading = userdata;
	const char *kind = object_find_text(root, "kind");

	reading->document++;
	reading->line = line;
	return is_list(root, kind) ? take_list(reading, root, kind)
				   : take_object(reading, root, -1, "", "");
}

int manifest_parse(const char *path, const char *text, size_t length, struct report *report,
		   struct manifest **ret_manifest)
{
	struct reading reading = {.path = path, .report = report};
	int r = manifest_new_broken(&reading.manifest);

	if (r < 0)
		return r;
	if (length > MANIFEST_MAX) {
		report_add(report, path, "is larger than %u MiB", MANIFEST_MAX >> 20);
		r = MANIFEST_E_BROKEN;
	} else {
		r = yaml_json_parse(path, text, length, report, on_document, &reading);
	}
	if (r < 0) {
		manifest_free(reading.manifest);
		return r;
	}
	reading.manifest->is_broken = r > 0;
	*ret_manifest = reading.manifest;
	return r > 0 ? MANIFEST_E_BROKEN : 0;
}

int manifest_new_broken(struct manifest **ret_manifest)
{
	struct manifest *manifest = calloc(1, sizeof(*manifest));

	if (!manifest)
		return -ENOMEM;
	manifest->is_broken = true;
	*ret_manifest = manifest;
	return 0;
}

int manifest_read(const char *path, struct report *report, struct manifest **ret_manifest)
{
	size_t length;
	char *text;
	int r = file_read(path, MANIFEST_MAX, &text, &length);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		if (r == -EFBIG)
			report_add(report, path, "is larger than %u MiB", MANIFEST_MAX >> 20);
		else
			report_add(report, path, "%s", strerror(-r));
		r = manifest_new_broken(ret_manifest);
		return r < 0 ? r : MANIFEST_E_BROKEN;
	}
	r = manifest_parse(path, text, length, report, ret_manifest);
	free(text);
	return r;
}

struct manifest *manifest_free(struct manifest *manifest)
{
	if (!manifest)
		return NULL;
	for (size_t i = 0; i < manifest->n_objects; i++)
		object_done(&manifest->objects[i]);
	free(manifest->objects);
	free(manifest);
	return NULL;
}
