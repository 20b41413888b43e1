/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The list is small and is looked at once for each endpoint of a new snapshot: a sorted array. */
#include "inventory/quarantine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/json.h"
#include "kube/label.h"

void quarantine_done(struct quarantine *quarantine)
{
	free(quarantine->namespace);
	free(quarantine->name);
	free(quarantine->reason);
	free(quarantine->allow.prefixes);
	*quarantine = (struct quarantine){};
}

void quarantine_list_done(struct quarantine_list *list)
{
	for (size_t i = 0; i < list->n_items; i++)
		quarantine_done(&list->items[i]);
	free(list->items);
	*list = (struct quarantine_list){};
}

static int compare(const struct quarantine *quarantine, const char *namespace, const char *name)
{
	int order = strcmp(quarantine->namespace, namespace);

	return order ? order : strcmp(quarantine->name, name);
}

/* The first one that is not before the name. */
static size_t place_of(const struct quarantine_list *list, const char *namespace, const char *name)
{
	size_t low = 0, high = list->n_items;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&list->items[middle], namespace, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct quarantine *quarantine_find(const struct quarantine_list *list, const char *namespace,
					 const char *name)
{
	size_t at = place_of(list, namespace, name);

	return at < list->n_items && compare(&list->items[at], namespace, name) == 0
		       ? &list->items[at]
		       : NULL;
}

int quarantine_set(struct quarantine_list *list, struct quarantine *quarantine)
{
	size_t at = place_of(list, quarantine->namespace, quarantine->name);
	bool is_there = quarantine_find(list, quarantine->namespace, quarantine->name) != NULL;
	struct quarantine *items = list->items;

	if (is_there) {
		quarantine_done(&list->items[at]);
	} else {
		if (list->n_items < QUARANTINE_MAX)
			items = reallocarray(list->items, list->n_items + 1, sizeof(*items));
		if (!items || list->n_items == QUARANTINE_MAX) {
			quarantine_done(quarantine);
			return items ? -ENOSPC : -ENOMEM;
		}
		list->items = items;
		memmove(&items[at + 1], &items[at], (list->n_items - at) * sizeof(*items));
		list->n_items++;
	}
	list->items[at] = *quarantine;
	*quarantine = (struct quarantine){};
	return 0;
}

bool quarantine_take(struct quarantine_list *list, const char *namespace, const char *name,
		     struct quarantine *ret_quarantine)
{
	size_t at = place_of(list, namespace, name);

	if (!quarantine_find(list, namespace, name))
		return false;
	*ret_quarantine = list->items[at];
	list->n_items--;
	memmove(&list->items[at], &list->items[at + 1],
		(list->n_items - at) * sizeof(*list->items));
	return true;
}

const struct quarantine *quarantine_find_over(const struct quarantine_list *list, uint64_t now_usec)
{
	for (size_t i = 0; i < list->n_items; i++)
		if (list->items[i].until_usec && list->items[i].until_usec <= now_usec)
			return &list->items[i];
	return NULL;
}

uint64_t quarantine_next_end(const struct quarantine_list *list)
{
	uint64_t end = 0;

	for (size_t i = 0; i < list->n_items; i++) {
		uint64_t until = list->items[i].until_usec;
		if (until && (!end || until < end))
			end = until;
	}
	return end;
}

struct quarantine_terms quarantine_terms(const struct quarantine_list *list,
					 const struct endpoint *endpoint)
{
	struct quarantine_terms terms = {};

	if (!endpoint->pod && !endpoint->unit)
		return terms;
	const struct quarantine *manual = list ? quarantine_find(list, endpoint_namespace(endpoint),
								 endpoint_name(endpoint))
					       : NULL;
	const char *label = endpoint->pod
				    ? label_list_find(&endpoint->pod->labels, QUARANTINE_LABEL)
				    : NULL;
	if (manual) {
		terms.origin = QUARANTINE_MANUAL;
		terms.keeps_probes = manual->keeps_probes;
		terms.allow = manual->allow.n_prefixes ? &manual->allow : NULL;
	} else if (label && strcmp(label, "false") != 0) {
		terms.origin = QUARANTINE_LABELLED;
		terms.keeps_probes = !strcmp(label, QUARANTINE_LABEL_PROBES);
	}
	return terms;
}

static void write_item(struct json *json, const struct quarantine *item)
{
	char text[PF_PREFIX_TEXT];

	json_object_begin(json, NULL);
	json_string(json, "namespace", item->namespace);
	json_string(json, "name", item->name);
	json_string(json, "reason", item->reason);
	json_uint(json, "since_usec", item->since_usec);
	json_uint(json, "until_usec", item->until_usec);
	json_boolean(json, "probes", item->keeps_probes);
	json_uint(json, "uid", item->uid);
	json_array_begin(json, "allow");
	for (size_t i = 0; i < item->allow.n_prefixes; i++)
		json_string(json, NULL, pf_prefix_format(&item->allow.prefixes[i], text));
	json_array_end(json);
	json_object_end(json);
}

void quarantine_list_write(const struct quarantine_list *list, struct buffer *buffer)
{
	struct json json;

	json_init(&json, buffer);
	json_object_begin(&json, NULL);
	json_array_begin(&json, "items");
	for (size_t i = 0; i < list->n_items; i++)
		write_item(&json, &list->items[i]);
	json_array_end(&json);
	json_object_end(&json);
	buffer_add_char(buffer, '\n');
}

static struct json_object *member(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && json_object_is_type(value, type)
		       ? value
		       : NULL;
}

/* false: it is missing, or too long. */
static bool read_text(struct json_object *object, const char *key, size_t maximum, char **ret_text)
{
	struct json_object *value = member(object, key, json_type_string);

	if (!value || (size_t)json_object_get_string_len(value) > maximum)
		return false;
	*ret_text = strdup(json_object_get_string(value));
	return *ret_text != NULL;
}

static bool read_number(struct json_object *object, const char *key, uint64_t *ret_number)
{
	struct json_object *value = member(object, key, json_type_int);

	if (!value || json_object_get_int64(value) < 0)
		return false;
	*ret_number = json_object_get_uint64(value);
	return true;
}

static bool read_allow(struct json_object *object, struct prefix_list *allow)
{
	struct json_object *list = member(object, "allow", json_type_array);
	size_t n = list ? json_object_array_length(list) : 0;

	if (!list || n > QUARANTINE_ALLOW_MAX)
		return false;
	allow->prefixes = calloc(n ? n : 1, sizeof(*allow->prefixes));
	for (; allow->prefixes && allow->n_prefixes < n; allow->n_prefixes++) {
		struct json_object *text = json_object_array_get_idx(list, allow->n_prefixes);
		if (!json_object_is_type(text, json_type_string) ||
		    pf_prefix_parse(json_object_get_string(text),
				    &allow->prefixes[allow->n_prefixes]) != 0)
			return false;
	}
	return allow->prefixes != NULL;
}

static bool read_item(struct json_object *object, struct quarantine *item)
{
	struct json_object *probes = member(object, "probes", json_type_boolean);
	uint64_t uid = 0;

	item->keeps_probes = probes && json_object_get_boolean(probes);
	bool is_good = probes && read_text(object, "namespace", 253, &item->namespace) &&
		       read_text(object, "name", 253, &item->name) &&
		       read_text(object, "reason", QUARANTINE_REASON_MAX, &item->reason) &&
		       read_number(object, "since_usec", &item->since_usec) &&
		       read_number(object, "until_usec", &item->until_usec) &&
		       read_number(object, "uid", &uid) && uid <= UINT32_MAX &&
		       read_allow(object, &item->allow);
	item->uid = (uint32_t)uid;
	return is_good;
}

static int read_items(const char *place, struct json_object *items, struct report *report,
		      struct quarantine_list *list)
{
	size_t n = json_object_array_length(items);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct quarantine item = {};
		if (read_item(json_object_array_get_idx(items, i), &item)) {
			r = quarantine_set(list, &item);
			continue;
		}
		quarantine_done(&item);
		report_add(report, place, "items[%zu] is no quarantine", i);
		r = QUARANTINE_E_INVALID;
	}
	if (r != -ENOSPC)
		return r;
	report_add(report, place, "holds more than %d quarantines", QUARANTINE_MAX);
	return QUARANTINE_E_INVALID;
}

int quarantine_list_parse(const char *place, const char *text, size_t length, struct report *report,
			  struct quarantine_list *ret_list)
{
	struct quarantine_list list = {};
	struct json_tokener *tokener = json_tokener_new_ex(8);
	int r = QUARANTINE_E_INVALID;

	if (!tokener)
		return -ENOMEM;
	struct json_object *tree = json_tokener_parse_ex(tokener, text, (int)length);
	struct json_object *items = member(tree, "items", json_type_array);
	if (items)
		r = read_items(place, items, report, &list);
	else
		report_add(report, place, "holds no list of quarantines");
	json_object_put(tree);
	json_tokener_free(tokener);
	if (r != 0)
		quarantine_list_done(&list);
	else
		*ret_list = list;
	return r;
}
