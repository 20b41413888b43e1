/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "kube/label.h"
#include "base/json.h"
#include "kube/object_store.h"

struct namespace
{
	unsigned n_references;
	char *name;
	struct label_list labels; /* kubernetes.io/metadata.name among them, its name */
};

/* One of which nothing but the name is known. */
PF_MUST_CHECK int namespace_new(const char *name, struct namespace **ret_namespace);
/* From a Namespace object. 0, OBJECT_STORE_E_REFUSED or -ENOMEM. */
PF_MUST_CHECK int namespace_parse(struct json_object *object, const char *place,
				  struct report *report, struct namespace **ret_namespace);
struct namespace *namespace_ref(struct namespace *namespace);
struct namespace *namespace_free(struct namespace *namespace);

extern const struct object_store_kind namespace_kind; /* of struct namespace */

/* Those that are known at one time, shared; sorted by name, none twice. */
struct namespace_list {
	unsigned n_references;
	struct namespace **namespaces;
	size_t n_namespaces;
};

/* Of a reference to each, in any order; of two with one name the first counts. */
PF_MUST_CHECK int namespace_list_new(struct namespace *const *namespaces, size_t n,
				     struct namespace_list **ret_list);
/* Those of both, of which either may be NULL; the first knows better. */
PF_MUST_CHECK int namespace_list_join(const struct namespace_list *a,
				      const struct namespace_list *b,
				      struct namespace_list **ret_list);
struct namespace_list *namespace_list_ref(struct namespace_list *list);
struct namespace_list *namespace_list_free(struct namespace_list *list);
/* NULL: not known. */
const struct namespace *namespace_list_find(const struct namespace_list *list, const char *name);

void namespace_write(struct json *json, const struct namespace *namespace);
