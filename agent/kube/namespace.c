/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/namespace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/name.h"
#include "kube/object.h"

static bool peek_namespace(struct json_object *object, const char **ret_namespace,
			   const char **ret_name)
{
	*ret_namespace = "";
	*ret_name = object_peek(object, "name");
	return *ret_name && name_is_label(*ret_name);
}

static void release_namespace(void *value)
{
	struct namespace *namespace = value;

	if (!namespace)
		return;
	free(namespace->name);
	label_list_done(&namespace->labels);
	free(namespace);
}

static int parse_namespace(struct json_object *object, const char *place, const void *context,
			   struct report *report, void **ret_value)
{
	struct object_reader reader;
	struct json_object *metadata;
	int r = object_reader_init(&reader, object, place, "Namespace", report, &metadata);
	struct namespace *namespace = r == 0 ? calloc(1, sizeof(*namespace)) : NULL;

	if (r == 0 && !namespace)
		r = -ENOMEM;
	if (r == 0) {
		const char *name = object_text(&reader, metadata, "name", "metadata.name");
		if (!name_is_label(name)) {
			object_complain(&reader, "metadata.name", "\"%.80s\" is no name", name);
			r = STORE_E_REFUSED;
		} else {
			namespace->name = object_copy(&reader, name, strlen(name));
			label_list_parse(&reader, metadata, &namespace->labels);
			r = reader.error;
		}
	}
	object_reader_done(&reader);
	if (r == 0)
		*ret_value = namespace;
	else
		release_namespace(namespace);
	return r;
}

static void name_namespace(const void *value, const char **ret_namespace, const char **ret_name)
{
	*ret_namespace = "";
	*ret_name = ((const struct namespace *)value)->name;
}

static bool is_equal_namespace(const void *a_pointer, const void *b_pointer)
{
	const struct namespace *a = a_pointer, *b = b_pointer;

	return !strcmp(a->name, b->name) && label_list_is_equal(&a->labels, &b->labels);
}

const struct store_kind namespace_kind = {
	.kind = "Namespace",
	.api_version = "v1",
	.parse = parse_namespace,
	.peek = peek_namespace,
	.name = name_namespace,
	.is_equal = is_equal_namespace,
	.release = release_namespace,
};

void namespace_write(struct json *json, const struct namespace *namespace)
{
	json_object_begin(json, NULL);
	json_string(json, "kind", namespace_kind.kind);
	json_object_begin(json, "metadata");
	json_string(json, "name", namespace->name);
	label_list_write(json, &namespace->labels);
	json_object_end(json);
	json_object_end(json);
}
