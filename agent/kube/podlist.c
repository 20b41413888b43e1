/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A list is read item by item: the scanner finds the text of one, json-c makes a tree of it, the
 * pod is taken out and the tree is freed before the next. Bytes that are no JSON refuse the whole
 * list wherever they stand, for then nobody knows what the rest means; JSON that is no pod refuses
 * one item. (json-c 0.16 also takes NaN, Infinity and "1." for numbers; none is looked at.)
 *
 * kubectl sorts members, so the kind comes after the items: a list of something else is read to its
 * end and then refused. The items of a List say their kind, those of a PodList need not; none may
 * say another.
 *
 * What only shows among all pods is settled at the end. The same uid twice: the first counts. The
 * same name twice (finished pods are gone by then): the one that was created later counts, the
 * first of two that are equal. The other one is named and counted as refused. */
#include "kube/podlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "kube/item_scanner.h"
#include "kube/pod_parse.h"

#define TREE_DEPTH_MAX 64

struct found_pod {
	struct pod *pod;
	size_t index;
	char created[POD_CREATED_MAX];
};

struct podlist {
	char *place;
	char *node; /* NULL: all */
	struct report *report;
	struct item_scanner scanner;
	struct json_tokener *tokener;
	struct found_pod *found;
	size_t n_found, capacity, n_refused;
	bool has_kind;
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
	item_scanner_init(&podlist->scanner, PODLIST_ITEM_MAX);
	if (!podlist->place || (node && !podlist->node) || !podlist->tokener) {
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
	for (size_t i = 0; i < podlist->n_found; i++)
		pod_free(podlist->found[i].pod);
	free(podlist->found);
	free(podlist->place);
	free(podlist->node);
	free(podlist);
	return NULL;
}

/* Nothing of this document counts; the report says why. */
PF_PRINTF(2, 3)
static int refuse_document(struct podlist *podlist, const char *format, ...)
{
	char text[256], *place;
	va_list arguments;

	podlist->result = PODLIST_E_INVALID;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (asprintf(&place, "%s:%zu", podlist->place, podlist->scanner.line) < 0)
		return podlist->result = -ENOMEM;
	report_add(podlist->report, place, "%s", text);
	free(place);
	return podlist->result;
}

static char *item_place_new(const struct podlist *podlist, size_t index)
{
	char *place;

	return asprintf(&place, "%s: items[%zu]", podlist->place, index) < 0 ? NULL : place;
}

PF_PRINTF(3, 4)
static int refuse_item(struct podlist *podlist, size_t index, const char *format, ...)
{
	char *place = item_place_new(podlist, index), text[512];
	va_list arguments;

	if (!place)
		return -ENOMEM;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report_add(podlist->report, place, "%s", text);
	free(place);
	podlist->n_refused++;
	return 0;
}

static size_t item_index(const struct podlist *podlist)
{
	return podlist->scanner.n_items - 1;
}

/* The collected value as a tree, NULL for null; the outcome is in the tokener. */
static struct json_object *value_parse(struct podlist *podlist)
{
	const struct buffer *value = &podlist->scanner.value;

	json_tokener_reset(podlist->tokener);
	return json_tokener_parse_ex(podlist->tokener, value->bytes, (int)value->length);
}

static int add_pod(struct podlist *podlist, const struct found_pod *found)
{
	if (podlist->n_found == podlist->capacity) {
		size_t capacity = podlist->capacity ? 2 * podlist->capacity : 16;
		struct found_pod *grown = reallocarray(podlist->found, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		podlist->found = grown;
		podlist->capacity = capacity;
	}
	podlist->found[podlist->n_found++] = *found;
	return 0;
}

static int take_pod(struct podlist *podlist, struct json_object *object)
{
	struct found_pod found = {.index = item_index(podlist)};
	char *place = item_place_new(podlist, found.index);
	const struct pod_source source = {place, podlist->node, podlist->report};
	int r = place ? pod_parse(object, &source, &found.pod, found.created) : -ENOMEM;

	free(place);
	if (r == POD_E_REFUSED)
		podlist->n_refused++;
	if (r)
		return r < 0 ? r : 0;
	r = add_pod(podlist, &found);
	if (r < 0)
		pod_free(found.pod);
	return r;
}

static int take_item(struct podlist *podlist)
{
	struct json_object *object = value_parse(podlist);
	enum json_tokener_error error = json_tokener_get_error(podlist->tokener);
	int r;

	if (error == json_tokener_error_depth)
		r = refuse_item(podlist, item_index(podlist), "is nested deeper than %d levels",
				TREE_DEPTH_MAX);
	else if (error != json_tokener_success)
		r = refuse_document(podlist, "no JSON: items[%zu]: %s", item_index(podlist),
				    json_tokener_error_desc(error));
	else
		r = take_pod(podlist, object);
	json_object_put(object);
	return r;
}

static int take_kind(struct podlist *podlist, struct json_object *value)
{
	const char *kind = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : "";

	if (podlist->has_kind)
		return refuse_document(podlist, "kind stands twice");
	podlist->has_kind = true;
	if (strcmp(kind, "PodList") != 0 && strcmp(kind, "List") != 0)
		return refuse_document(podlist, "kind: \"%.64s\" is neither PodList nor List",
				       kind);
	return 0;
}

/* A page of a longer list would leave pods out without anybody noticing. */
static int take_metadata(struct podlist *podlist, struct json_object *value)
{
	struct json_object *token;

	if (json_object_is_type(value, json_type_object) &&
	    json_object_object_get_ex(value, "continue", &token) &&
	    json_object_get_string_len(token) > 0)
		return refuse_document(podlist, "metadata.continue: only one page of a list");
	return 0;
}

static int take_member(struct podlist *podlist)
{
	struct json_object *value = value_parse(podlist);
	enum json_tokener_error error = json_tokener_get_error(podlist->tokener);
	const char *key = podlist->scanner.key;
	int r = 0;

	if (error != json_tokener_success)
		r = refuse_document(podlist, "no JSON: %s: %s", key,
				    json_tokener_error_desc(error));
	else if (!strcmp(key, "kind"))
		r = take_kind(podlist, value);
	else if (!strcmp(key, "metadata"))
		r = take_metadata(podlist, value);
	json_object_put(value);
	return r;
}

int podlist_feed(struct podlist *podlist, const char *bytes, size_t length)
{
	struct item_scanner *scanner = &podlist->scanner;

	while (!podlist->result && length) {
		int r = item_scanner_feed(scanner, &bytes, &length);
		switch (r) {
		case ITEM_SCANNER_MORE: break;
		case ITEM_SCANNER_ITEM: r = take_item(podlist); break;
		case ITEM_SCANNER_MEMBER: r = take_member(podlist); break;
		case ITEM_SCANNER_TOO_LARGE:
			r = refuse_item(podlist, item_index(podlist), "is larger than %u MiB",
					PODLIST_ITEM_MAX >> 20);
			break;
		case ITEM_SCANNER_MALFORMED:
			r = refuse_document(podlist, "no JSON list: %s (byte %zu)",
					    scanner->problem, scanner->offset + 1);
			break;
		default: break;
		}
		podlist->result = r;
	}
	return podlist->result;
}

static int compare_index(const struct found_pod *a, const struct found_pod *b)
{
	return (a->index > b->index) - (a->index < b->index);
}

static int compare_uid(const void *a_pointer, const void *b_pointer)
{
	const struct found_pod *a = a_pointer, *b = b_pointer;
	int order = strcmp(a->pod->uid, b->pod->uid);

	return order ? order : compare_index(a, b);
}

static int compare_name(const struct found_pod *a, const struct found_pod *b)
{
	int order = strcmp(a->pod->namespace, b->pod->namespace);

	return order ? order : strcmp(a->pod->name, b->pod->name);
}

static int compare_name_newest_first(const void *a_pointer, const void *b_pointer)
{
	const struct found_pod *a = a_pointer, *b = b_pointer;
	int order = compare_name(a, b);

	if (!order)
		order = strcmp(b->created, a->created);
	return order ? order : compare_index(a, b);
}

static bool is_same_uid(const struct found_pod *a, const struct found_pod *b)
{
	return !strcmp(a->pod->uid, b->pod->uid);
}

static bool is_same_name(const struct found_pod *a, const struct found_pod *b)
{
	return compare_name(a, b) == 0;
}

/* Of neighbours in this order that are the same, the first stays. */
static int leave_out_same(struct podlist *podlist, int (*order)(const void *, const void *),
			  bool (*is_same)(const struct found_pod *, const struct found_pod *),
			  const char *what)
{
	struct found_pod *found = podlist->found;
	size_t n_kept = 0;
	int r = 0;

	if (!podlist->n_found)
		return 0;
	qsort(found, podlist->n_found, sizeof(*found), order);
	for (size_t i = 0; i < podlist->n_found; i++) {
		if (!n_kept || !is_same(&found[n_kept - 1], &found[i])) {
			found[n_kept++] = found[i];
			continue;
		}
		const struct pod *pod = found[i].pod;
		if (!r)
			r = refuse_item(podlist, found[i].index,
					"%s/%s has the %s of items[%zu]; left out", pod->namespace,
					pod->name, what, found[n_kept - 1].index);
		pod_free(found[i].pod);
	}
	podlist->n_found = n_kept;
	return r;
}

static int make_list(struct podlist *podlist, struct pod_list **ret_list)
{
	struct pod_list *list = pod_list_empty();

	if (!list)
		return -ENOMEM;
	list->n_refused = podlist->n_refused;
	list->pods = calloc(podlist->n_found ? podlist->n_found : 1, sizeof(struct pod *));
	if (!list->pods) {
		pod_list_free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < podlist->n_found; i++)
		list->pods[list->n_pods++] = podlist->found[i].pod;
	podlist->n_found = 0;
	*ret_list = list;
	return 0;
}

int podlist_finish(struct podlist *podlist, struct pod_list **ret_list)
{
	if (podlist->result)
		return podlist->result;
	if (!podlist->scanner.offset)
		return refuse_document(podlist, "is empty");
	if (!item_scanner_is_complete(&podlist->scanner))
		return refuse_document(podlist, "ends in the middle of the list");
	if (!podlist->has_kind)
		return refuse_document(podlist, "kind: missing");
	if (!podlist->scanner.has_items)
		return refuse_document(podlist, "items: missing");
	int r = leave_out_same(podlist, compare_uid, is_same_uid, "uid");
	if (!r)
		r = leave_out_same(podlist, compare_name_newest_first, is_same_name, "name");
	if (!r)
		r = make_list(podlist, ret_list);
	podlist->result = r ? r : PODLIST_E_INVALID; /* nothing can follow */
	return r;
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
