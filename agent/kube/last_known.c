/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The body is {"kind":"List","items":[...]}, read one item at a time. */
#include "kube/last_known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "base/file.h"
#include "base/json.h"
#include "base/state_file.h"
#include "kube/item_scanner.h"

#define MAGIC	"last-known-good"
#define VERSION 2

static void format_body(const struct cluster *cluster, struct buffer *buffer)
{
	struct json json;

	json_init(&json, buffer);
	cluster_write(cluster, &json);
	buffer_add_char(buffer, '\n');
}

void last_known_format(const char *boot, const struct cluster *cluster, struct buffer *buffer)
{
	const struct state_head head = {MAGIC, VERSION, cluster_node(cluster), boot};
	struct buffer body = BUFFER_INIT;

	format_body(cluster, &body);
	state_format(&head, &body, buffer);
	buffer_done(&body);
}

/* The checksum has told that these are our bytes, so every item must be right. */
struct body {
	const char *place;
	struct report *report;
	struct cluster *cluster;
	struct item_scanner scanner;
	struct json_tokener *tokener;
};

static int refuse(struct body *body, const char *why)
{
	report_add(body->report, body->place, "%s (items[%zu])", why,
		   body->scanner.n_items ? body->scanner.n_items - 1 : 0);
	return LAST_KNOWN_E_DAMAGED;
}

static int take_item(struct body *body)
{
	const struct buffer *value = &body->scanner.value;

	json_tokener_reset(body->tokener);
	struct json_object *object = json_tokener_parse_ex(body->tokener, value->bytes,
							   (int)value->length);
	if (json_tokener_get_error(body->tokener) != json_tokener_success)
		return refuse(body, "holds an item that is no JSON");
	int r = cluster_take_item(body->cluster, object, body->place, body->report);
	json_object_put(object);
	return r > 0 ? LAST_KNOWN_E_DAMAGED : r;
}

static int scan_body(struct body *body, const char *text, size_t length)
{
	int r = 0;

	while (r == 0 && length) {
		r = item_scanner_feed(&body->scanner, &text, &length);
		if (r == ITEM_SCANNER_ITEM)
			r = take_item(body);
		else if (r == ITEM_SCANNER_MEMBER)
			r = 0;
		else if (r == ITEM_SCANNER_TOO_LARGE)
			r = refuse(body, "holds an item that is too large");
		else if (r == ITEM_SCANNER_MALFORMED)
			r = refuse(body, body->scanner.problem);
	}
	if (r == 0 && !item_scanner_is_complete(&body->scanner))
		r = refuse(body, "ends in the middle");
	return r;
}

static int parse_body(const char *place, const char *text, size_t length, const char *node,
		      struct report *report, struct cluster **ret_cluster)
{
	struct body body = {.place = place, .report = report};
	int r = cluster_new(node, &body.cluster);

	if (r < 0)
		return r;
	item_scanner_init(&body.scanner, PODLIST_ITEM_MAX);
	body.tokener = json_tokener_new();
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		cluster_begin(body.cluster, kind);
	r = body.tokener ? scan_body(&body, text, length) : -ENOMEM;
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		cluster_end(body.cluster, kind);
	item_scanner_done(&body.scanner);
	if (body.tokener)
		json_tokener_free(body.tokener);
	if (r == 0)
		*ret_cluster = body.cluster;
	else
		cluster_free(body.cluster);
	return r;
}

int last_known_parse(const char *place, const char *text, size_t length, const char *node,
		     struct report *report, struct cluster **ret_cluster)
{
	const struct state_head head = {MAGIC, VERSION, node, NULL};
	const char *body;
	size_t body_length;
	const char *problem = state_problem(&head, text, length, &body, &body_length);

	if (problem) {
		report_add(report, place, "%s", problem);
		return LAST_KNOWN_E_DAMAGED;
	}
	return parse_body(place, body, body_length, node, report, ret_cluster);
}

int last_known_save(const char *directory, const struct buffer *text)
{
	return state_save(directory, LAST_KNOWN_NAME, text);
}

int last_known_load(const char *directory, const char *node, struct report *report,
		    struct cluster **ret_cluster)
{
	char *path, *text;
	size_t length;

	if (asprintf(&path, "%s/%s", directory, LAST_KNOWN_NAME) < 0)
		return -ENOMEM;
	int r = file_read(path, LAST_KNOWN_MAX, &text, &length);
	if (r == 0) {
		r = last_known_parse(path, text, length, node, report, ret_cluster);
		free(text);
		int aside = r == LAST_KNOWN_E_DAMAGED
				    ? state_set_aside(directory, LAST_KNOWN_NAME, path, report)
				    : 0;
		if (aside < 0)
			r = aside;
	}
	free(path);
	return r;
}
