/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/pod.h"

/* Reads a PodList (what `kubectl get pods -A -o json` prints: kind List or PodList) from chunks of
 * any size. Only one item is in memory as a tree at a time: a tree of 10,000 pods is 917 MB.
 *
 * A document that does not hold together (bad JSON, wrong kind, truncated, no items) is refused
 * whole. One item that is wrong (no uid, a name no pod can have, larger than PODLIST_ITEM_MAX, ...)
 * is named in the report and left out; the others count. Finished pods and pods of other nodes are
 * left out silently. */

#define PODLIST_ITEM_MAX (4u << 20) /* bytes of one item; etcd takes at most 1.5 MiB */

enum {
	PODLIST_E_INVALID = 1, /* the document is refused; the report says where and why */
};

struct pod_list {
	struct pod **pods; /* owned; sorted by namespace, then name */
	size_t n_pods;
	size_t n_refused; /* items left out because they were wrong */
	unsigned n_references;
};

struct podlist; /* a reading in progress */

/* `place` names the source in messages; `node`: only pods of this node, NULL: all. */
PF_MUST_CHECK int podlist_new(const char *place, const char *node, struct report *report,
			      struct podlist **ret_podlist);
struct podlist *podlist_free(struct podlist *podlist);

/* 0, PODLIST_E_INVALID (also on every later call) or -ENOMEM. */
PF_MUST_CHECK int podlist_feed(struct podlist *podlist, const char *bytes, size_t length);
/* End of input: hands the list over. */
PF_MUST_CHECK int podlist_finish(struct podlist *podlist, struct pod_list **ret_list);

/* All of it from a file, in chunks. A negative errno where it cannot be read. */
PF_MUST_CHECK int podlist_read(const char *path, const char *node, struct report *report,
			       struct pod_list **ret_list);

/* A list is never changed, so it can be shared: one pod_list_free() for each reference. */
struct pod_list *pod_list_ref(struct pod_list *list);
struct pod_list *pod_list_empty(void); /* NULL: no memory */
struct pod_list *pod_list_free(struct pod_list *list);
