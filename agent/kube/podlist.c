/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A list is read item by item: the scanner finds the text of one, json-c makes a tree of it, the
 * pod is taken out and the tree is freed before the next. Twice the same uid, the first counts;
 * twice the same name, the one that is not finished counts, else the first. */
#include "kube/podlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "kube/item_scanner.h"
#include "kube/pod_parse.h"

#define TREE_DEPTH_MAX 32

struct podlist {
	char *place;
	char *node; /* NULL: all */
	struct report *report;
	struct item_scanner scanner;
	struct json_tokener *tokener;
	struct pod_list *list;
	size_t capacity;
	int result; /* of a failed feed, for every later call */
};

struct pod_list *pod_list_empty(void)
{
	struct pod_list *list = calloc(1, sizeof(*list));

	if (list)
		list->n_references = 1;
	return list;
}

struct pod_list *pod_list_ref(struct pod_list *list)
{
	list->n_references++;
	return list;
}

struct pod_list *pod_list_free(struct pod_list *list)
{
	if (!list || --list->n_references)
		return NULL;
	for (size_t i = 0; i < list->n_pods; i++)
		pod_free(list->pods[i]);
	free(list->pods);
	free(list);
	return NULL;
}

int podlist_new(const char *place, const char *node, struct report *report,
		struct podlist **ret_podlist)
{
	struct podlist *podlist = calloc(1, sizeof(*podlist));

	if (!podlist)
		return -ENOMEM;
	podlist->report = report;
	podlist->place = strdup(place);
	podlist->node = node ? strdup(node) : NULL;
	podlist->tokener = json_tokener_new_ex(TREE_DEPTH_MAX);
	podlist->list = pod_list_empty();
	item_scanner_init(&podlist->scanner, PODLIST_ITEM_MAX);
	if (!podlist->place || (node && !podlist->node) || !podlist->tokener || !podlist->list) {
		podlist_free(podlist);
		return -ENOMEM;
	}
	json_tokener_set_flags(podlist->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret_podlist = podlist;
	return 0;
}

struct podlist *podlist_free(struct podlist *podlist)
{
	if (!podlist)
		return NULL;
	item_scanner_done(&podlist->scanner);
	if (podlist->tokener)
		json_tokener_free(podlist->tokener);
	pod_list_free(podlist->list);
	free(podlist->place);
	free(podlist->node);
	free(podlist);
	return NULL;
}

static int add_pod(struct podlist *podlist, struct pod *pod)
{
	struct pod_list *list = podlist->list;

	if (list->n_pods == podlist->capacity) {
		size_t capacity = podlist->capacity ? 2 * podlist->capacity : 16;
		struct pod **pods = reallocarray(list->pods, capacity, sizeof(*pods));
		if (!pods)
			return -ENOMEM;
		list->pods = pods;
		podlist->capacity = capacity;
	}
	list->pods[list->n_pods++] = pod;
	return 0;
}

/* Finished pods have no traffic, pods of other nodes none here. */
static bool is_wanted(const struct podlist *podlist, const struct pod *pod)
{
	return !pod->is_finished && (!podlist->node || !strcmp(pod->node, podlist->node));
}

static int refuse_item(struct podlist *podlist, const char *why)
{
	char place[512];

	snprintf(place, sizeof(place), "%s: items[%zu]", podlist->place,
		 podlist->scanner.n_items - 1);
	report_add(podlist->report, place, "%s", why);
	podlist->list->n_refused++;
	return 0;
}

static int take_item(struct podlist *podlist)
{
	const struct buffer *text = &podlist->scanner.item;
	char place[512];
	struct pod *pod;

	json_tokener_reset(podlist->tokener);
	struct json_object *object = json_tokener_parse_ex(podlist->tokener, text->bytes,
							   (int)text->length);
	if (!object)
		return refuse_item(
			podlist, json_tokener_error_desc(json_tokener_get_error(podlist->tokener)));
	snprintf(place, sizeof(place), "%s: items[%zu]", podlist->place,
		 podlist->scanner.n_items - 1);
	int r = pod_parse(object, place, podlist->report, &pod);
	json_object_put(object);
	if (r == POD_E_INVALID) {
		podlist->list->n_refused++;
		return 0;
	}
	if (r < 0)
		return r;
	r = is_wanted(podlist, pod) ? add_pod(podlist, pod) : 0;
	if (r < 0 || !podlist->list->n_pods ||
	    podlist->list->pods[podlist->list->n_pods - 1] != pod)
		pod_free(pod);
	return r;
}

static int refuse_document(struct podlist *podlist, const char *why)
{
	char place[512];

	snprintf(place, sizeof(place), "%s: byte %zu", podlist->place, podlist->scanner.offset);
	report_add(podlist->report, place, "%s", why);
	return podlist->result = PODLIST_E_INVALID;
}

int podlist_feed(struct podlist *podlist, const char *bytes, size_t length)
{
	int r = podlist->result;

	while (!r && length) {
		switch (item_scanner_feed(&podlist->scanner, &bytes, &length)) {
		case ITEM_SCANNER_MORE: break;
		case ITEM_SCANNER_ITEM: r = take_item(podlist); break;
		case ITEM_SCANNER_TOO_LARGE:
			r = refuse_item(podlist, "is larger than 4 MiB");
			break;
		case ITEM_SCANNER_MALFORMED:
			return refuse_document(podlist, "this is no list in JSON");
		default: r = -ENOMEM; break;
		}
	}
	return podlist->result = r;
}

static int compare_names(const struct pod *a, const struct pod *b)
{
	int order = strcmp(a->namespace, b->namespace);

	return order ? order : strcmp(a->name, b->name);
}

static int compare_by_name(const void *a, const void *b)
{
	return compare_names(*(struct pod *const *)a, *(struct pod *const *)b);
}

static int compare_by_uid(const void *a, const void *b)
{
	return strcmp((*(struct pod *const *)a)->uid, (*(struct pod *const *)b)->uid);
}

/* Of neighbours in this order that are equal the first stays. */
static void drop_equal(struct podlist *podlist, int (*compare)(const void *, const void *),
		       const char *what)
{
	struct pod_list *list = podlist->list;
	size_t kept = 0;

	if (!list->n_pods)
		return;
	qsort(list->pods, list->n_pods, sizeof(*list->pods), compare);
	for (size_t i = 0; i < list->n_pods; i++) {
		if (!kept || compare(&list->pods[kept - 1], &list->pods[i]) != 0) {
			list->pods[kept++] = list->pods[i];
			continue;
		}
		report_add(podlist->report, podlist->place,
			   "%s/%s: its %s stands twice; left out once", list->pods[i]->namespace,
			   list->pods[i]->name, what);
		list->n_refused++;
		pod_free(list->pods[i]);
	}
	list->n_pods = kept;
}

int podlist_finish(struct podlist *podlist, struct pod_list **ret_list)
{
	const char *kind = podlist->scanner.kind;

	if (podlist->result)
		return podlist->result;
	if (!item_scanner_is_complete(&podlist->scanner))
		return refuse_document(podlist, "it ends in the middle");
	if (strcmp(kind, "List") != 0 && strcmp(kind, "PodList") != 0)
		return refuse_document(podlist, "its kind is neither List nor PodList");
	if (!podlist->scanner.has_items)
		return refuse_document(podlist, "it has no items");
	drop_equal(podlist, compare_by_uid, "uid");
	drop_equal(podlist, compare_by_name, "name");
	*ret_list = podlist->list;
	podlist->list = NULL;
	podlist->result = PODLIST_E_INVALID; /* nothing can follow */
	return 0;
}

static int feed_file(struct podlist *podlist, int fd)
{
	char chunk[16384];
	ssize_t n;
	int r = 0;

	while (!r && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : podlist_feed(podlist, chunk, (size_t)n);
	}
	return r;
}

int podlist_read(const char *path, const char *node, struct report *report,
		 struct pod_list **ret_list)
{
	struct podlist *podlist;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int r = podlist_new(path, node, report, &podlist);
	if (!r) {
		r = feed_file(podlist, fd);
		if (!r)
			r = podlist_finish(podlist, ret_list);
		podlist_free(podlist);
	}
	close(fd);
	return r;
}
