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

#define NAME_LABEL "kubernetes.io/metadata.name"

static bool peek_namespace(struct json_object *object, const char **ret_namespace,
			   const char **ret_name)
{
	*ret_namespace = "";
	*ret_name = object_peek(object, "name");
	return *ret_name && name_is_label(*ret_name);
}

struct namespace *namespace_ref(struct namespace *namespace)
{
	namespace->n_references++;
	return namespace;
}

struct namespace *namespace_free(struct namespace *namespace)
{
	if (!namespace || (namespace->n_references && --namespace->n_references))
		return NULL;
	free(namespace->name);
	label_list_done(&namespace->labels);
	free(namespace);
	return NULL;
}

int namespace_new(const char *name, struct namespace **ret_namespace)
{
	struct namespace *namespace = calloc(1, sizeof(*namespace));

	if (!namespace)
		return -ENOMEM;
	namespace->n_references = 1;
	namespace->name = strdup(name);
	if (!namespace->name || label_list_put(&namespace->labels, NAME_LABEL, name) < 0) {
		namespace_free(namespace);
		return -ENOMEM;
	}
	*ret_namespace = namespace;
	return 0;
}

static int parse_object(struct object_reader *reader, struct json_object *metadata,
			struct namespace *namespace)
{
	const char *name = object_text(reader, metadata, "name", "metadata.name");

	if (!name_is_label(name)) {
		object_complain(reader, "metadata.name", "\"%.80s\" is no name", name);
		return OBJECT_STORE_E_REFUSED;
	}
	namespace->name = object_copy(reader, name, strlen(name));
	label_list_parse(reader, metadata, &namespace->labels);
	if (reader->error)
		return reader->error;
	/* Servers set it since Kubernetes 1.21. */
	return label_list_put(&namespace->labels, NAME_LABEL, namespace->name);
}

int namespace_parse(struct json_object *object, const char *place, struct report *report,
		    struct namespace **ret_namespace)
{
	struct namespace *namespace = calloc(1, sizeof(*namespace));
	struct object_reader reader;
	struct json_object *metadata;
	int r = object_reader_init(&reader, object, place, "Namespace", report, &metadata);

	if (!namespace)
		r = -ENOMEM;
	if (r == 0) {
		namespace->n_references = 1;
		r = parse_object(&reader, metadata, namespace);
	}
	object_reader_done(&reader);
	if (r == 0)
		*ret_namespace = namespace;
	else
		namespace_free(namespace);
	return r;
}

static int parse_namespace(struct json_object *object, const char *place, const void *context,
			   struct report *report, void **ret_value)
{
	struct namespace *namespace = NULL;
	int r = namespace_parse(object, place, report, &namespace);

	*ret_value = namespace;
	return r;
}

static void release_namespace(void *value)
{
	namespace_free(value);
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

const struct object_store_kind namespace_kind = {
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

static int compare(const void *a, const void *b)
{
	return strcmp((*(struct namespace *const *)a)->name, (*(struct namespace *const *)b)->name);
}

/* In place, and stable where names are equal: there are few, and most often they are sorted. */
static void insert(struct namespace_list *list, struct namespace *namespace)
{
	size_t at = list->n_namespaces;

	while (at && compare(&list->namespaces[at - 1], &namespace) > 0)
		at--;
	if (at && !compare(&list->namespaces[at - 1], &namespace))
		return;
	memmove(&list->namespaces[at + 1], &list->namespaces[at],
		(list->n_namespaces++ - at) * sizeof(namespace));
	list->namespaces[at] = namespace_ref(namespace);
}

int namespace_list_new(struct namespace *const *namespaces, size_t n,
		       struct namespace_list **ret_list)
{
	struct namespace_list *list = calloc(1, sizeof(*list));

	if (list)
		list->namespaces = calloc(n + 1, sizeof(*list->namespaces));
	if (!list || !list->namespaces) {
		free(list);
		return -ENOMEM;
	}
	list->n_references = 1;
	for (size_t i = 0; i < n; i++)
		insert(list, namespaces[i]);
	*ret_list = list;
	return 0;
}

int namespace_list_join(const struct namespace_list *a, const struct namespace_list *b,
			struct namespace_list **ret_list)
{
	size_t n_a = a ? a->n_namespaces : 0, n_b = b ? b->n_namespaces : 0;
	struct namespace **both = calloc(n_a + n_b + 1, sizeof(*both));

	if (!both)
		return -ENOMEM;
	if (n_a)
		memcpy(both, a->namespaces, n_a * sizeof(*both));
	if (n_b)
		memcpy(both + n_a, b->namespaces, n_b * sizeof(*both));
	int r = namespace_list_new(both, n_a + n_b, ret_list);
	free(both);
	return r;
}

struct namespace_list *namespace_list_ref(struct namespace_list *list)
{
	list->n_references++;
	return list;
}

struct namespace_list *namespace_list_free(struct namespace_list *list)
{
	if (!list || (list->n_references && --list->n_references))
		return NULL;
	for (size_t i = 0; i < list->n_namespaces; i++)
		namespace_free(list->namespaces[i]);
	free(list->namespaces);
	free(list);
	return NULL;
}

const struct namespace *namespace_list_find(const struct namespace_list *list, const char *name)
{
	struct namespace wanted = {.name = (char *)(uintptr_t)name}, *at = &wanted;
	struct namespace **found = list->n_namespaces
					   ? bsearch(&at, list->namespaces, list->n_namespaces,
						     sizeof(at), compare)
					   : NULL;

	return found ? *found : NULL;
}
