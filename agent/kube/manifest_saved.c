/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	{"path":"/etc/.../a.yaml","identity":"NetworkPolicy shop/web","place":"document 2","origin":...,"object":{...}}
 *
 * Objects are written by the inverse of their parsers, so one parser with all its checks reads both. */
#include "kube/manifest_saved.h"

#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "base/json.h"
#include "base/state_file.h"
#include "kube/policy_parse.h"
#include "kube/policy_write.h"

#define MAGIC	"last-good-policies"
#define VERSION 1

static void write_object(struct json *json, const char *path, const struct manifest_object *object)
{
	json_object_begin(json, NULL);
	json_string(json, "path", path);
	json_string(json, "identity", object->identity);
	json_string(json, "place", object->place);
	json_string(json, "origin", object->origin);
	/* A member of an array, which has no key, is what the writers make. */
	json_array_begin(json, "object");
	if (object->policy)
		policy_write(json, object->policy);
	else
		namespace_write(json, object->namespace);
	json_array_end(json);
	json_object_end(json);
}

void manifest_saved_format(const char *boot, const char *node, const struct manifest_set *set,
			   struct buffer *buffer)
{
	const struct state_head head = {MAGIC, VERSION, node, boot};
	struct buffer body = BUFFER_INIT;

	for (size_t i = 0; i < set->n_files; i++) {
		const struct manifest *manifest = set->files[i].manifest;
		for (size_t k = 0; k < manifest->n_objects; k++) {
			struct json json;
			if (!manifest->objects[k].policy && !manifest->objects[k].namespace)
				continue;
			json_init(&json, &body);
			write_object(&json, set->files[i].path, &manifest->objects[k]);
			buffer_add_char(&body, '\n');
		}
	}
	state_format(&head, &body, buffer);
	buffer_done(&body);
}

static const char *text_of(struct json_object *line, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(line, key, &value) &&
			       json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

/* 0; positive: it is none; -ENOMEM. */
static int parse_object(struct json_object *object, const char *place, const char *origin,
			struct report *report, struct manifest_object *ret_object)
{
	const struct policy_source source = {place, origin, false, report};
	const char *kind = text_of(object, "kind");

	if (!kind)
		return MANIFEST_SAVED_E_DAMAGED;
	if (!strcmp(kind, "NetworkPolicy"))
		return network_policy_parse(object, &source, &ret_object->policy);
	if (!strcmp(kind, "ClusterNetworkPolicy"))
		return cluster_network_policy_parse(object, &source, &ret_object->policy);
	if (!strcmp(kind, "Namespace"))
		return namespace_parse(object, place, report, &ret_object->namespace);
	return MANIFEST_SAVED_E_DAMAGED;
}

/* The file's manifest, which is the last one or a new one: objects of a file stand together. */
static int find_manifest(struct manifest_set *set, const char *path, struct manifest **ret_manifest)
{
	struct manifest *manifest = NULL;

	if (set->n_files && !strcmp(set->files[set->n_files - 1].path, path)) {
		*ret_manifest = set->files[set->n_files - 1].manifest;
		return 0;
	}
	int r = manifest_new_broken(&manifest);
	if (r == 0)
		r = manifest_set_add(set, path, manifest, NULL);
	if (r == 0)
		*ret_manifest = manifest;
	return r;
}

static int take_line(struct manifest_set *set, struct json_object *line, const char *place,
		     struct report *report)
{
	const char *path = text_of(line, "path"), *origin = text_of(line, "origin");
	struct manifest_object object = {
		.identity = (char *)text_of(line, "identity"),
		.place = (char *)text_of(line, "place"),
		.origin = (char *)origin,
	};
	struct json_object *array;
	struct manifest *manifest;

	if (!path || !origin || !object.identity || !object.place ||
	    !json_object_object_get_ex(line, "object", &array) ||
	    !json_object_is_type(array, json_type_array) || json_object_array_length(array) != 1)
		return MANIFEST_SAVED_E_DAMAGED;
	int r = parse_object(json_object_array_get_idx(array, 0), place, origin, report, &object);
	if (r == 0)
		r = find_manifest(set, path, &manifest);
	if (r == 0)
		r = manifest_add(manifest, &object);
	policy_free(object.policy);
	namespace_free(object.namespace);
	return r > 0 ? MANIFEST_SAVED_E_DAMAGED : r;
}

static int scan(struct manifest_set *set, const char *place, const char *text, size_t length,
		struct json_tokener *tokener, struct report *report)
{
	const char *end = text + length;
	int r = 0;

	for (size_t line = 2; text < end && r == 0; line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline) {
			report_add(report, place, "ends in the middle");
			return MANIFEST_SAVED_E_DAMAGED;
		}
		json_tokener_reset(tokener);
		struct json_object *object = json_tokener_parse_ex(tokener, text,
								   (int)(newline - text));
		r = take_line(set, object, place, report);
		json_object_put(object);
		if (r > 0)
			report_add(report, place, "line %zu is no object that was good", line);
		text = newline + 1;
	}
	return r;
}

int manifest_saved_parse(const char *place, const char *text, size_t length, const char *node,
			 struct report *report, struct manifest_set **ret_set)
{
	const struct state_head head = {MAGIC, VERSION, node, NULL};
	struct manifest_set *set = NULL;
	const char *body;
	size_t body_length;
	const char *problem = state_problem(&head, text, length, &body, &body_length);

	if (problem) {
		report_add(report, place, "%s", problem);
		return MANIFEST_SAVED_E_DAMAGED;
	}
	struct json_tokener *tokener = json_tokener_new();
	int r = tokener ? manifest_set_new(&set) : -ENOMEM;
	if (r == 0)
		r = scan(set, place, body, body_length, tokener, report);
	if (tokener)
		json_tokener_free(tokener);
	if (r != 0) {
		manifest_set_free(set);
		return r;
	}
	*ret_set = set;
	return 0;
}
