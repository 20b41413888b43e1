/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/podlist.h"

/* The pods of this node as a list and a watch of the API tell of them, one after the other. Pods
 * are shared with the lists that were made meanwhile and never changed. */
struct pod_store;

/* `node`: pods of other nodes are as good as gone. */
PF_MUST_CHECK int pod_store_new(const char *node, struct pod_store **ret_store);
struct pod_store *pod_store_free(struct pod_store *store);

/* From here to pod_store_end() all pods are named; those that are not are gone then. Without the
 * end nobody is. */
void pod_store_begin(struct pod_store *store);
/* What is no pod, or not wholly one, is named in the report, and what was known of it stays. 0 or
 * -ENOMEM. */
PF_MUST_CHECK int pod_store_put(struct pod_store *store, struct json_object *object,
				const char *place, struct report *report);
PF_MUST_CHECK int pod_store_remove(struct pod_store *store, struct json_object *object);
void pod_store_end(struct pod_store *store);
/* Takes the pods of a list in, as begin, put and end would. */
PF_MUST_CHECK int pod_store_fill(struct pod_store *store, const struct pod_list *list);

/* Since pod_store_list() was called last. */
bool pod_store_has_changed(const struct pod_store *store);
/* The pods as they are now. The same list as before as long as nothing that podfence looks at has
 * changed: the caller compares pointers. */
PF_MUST_CHECK int pod_store_list(struct pod_store *store, struct pod_list **ret_list);
