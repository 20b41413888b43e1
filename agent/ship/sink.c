/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What there is to deliver to. A remote kind is a body and a judgement of the reply, both without
 * I/O; requests, retries and books are delivery.c's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "ship/delivery.h"
#include "ship/note.h"
#include "ship/sink_local.h"

#define DIGEST_MAX 10 /* alerts in one message */

static void add_header(struct delivery_request *request, const char *header)
{
	request->header_list[request->http.n_headers++] = header;
}

static int set_body(struct delivery *delivery, struct delivery_request *request, const char *type)
{
	if (delivery->body.is_broken)
		return -ENOMEM;
	request->http.body = delivery->body.bytes;
	request->http.body_length = delivery->body.length;
	add_header(request, type);
	return 0;
}

static void append(struct delivery_request *request, const char *path)
{
	size_t n = strlen(request->url);

	while (n && request->url[n - 1] == '/')
		n--;
	snprintf(request->url + n, sizeof(request->url) - n, "%s", path);
}

static struct outcome judge_http(const struct reply *reply, size_t n, bool is_patch,
				 struct outcome *items)
{
	return outcome_of_http(reply);
}

/* ---- Elasticsearch */

static int zip(struct delivery *delivery)
{
	z_stream stream = {};
	int code;

	if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	size_t bound = deflateBound(&stream, delivery->body.length);
	char *room = buffer_extend(&delivery->zipped, bound);
	stream.next_in = (Bytef *)delivery->body.bytes;
	stream.avail_in = (uInt)delivery->body.length;
	stream.next_out = (Bytef *)room;
	stream.avail_out = (uInt)bound;
	code = room ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
	delivery->zipped.length = stream.total_out;
	deflateEnd(&stream);
	return code == Z_STREAM_END ? 0 : -ENOMEM;
}

static int add_key(struct delivery *delivery, struct delivery_request *request)
{
	char *key = NULL, encoded[400];
	int r;

	if (!delivery->config->api_key_file[0])
		return 0;
	r = delivery_secret(delivery->config->api_key_file, &key);
	if (r == 0 && strlen(key) > 256)
		r = -E2BIG;
	if (r == 0 && strchr(key, ':')) /* id:key */
		sign_base64(key, strlen(key), encoded);
	else if (r == 0)
		snprintf(encoded, sizeof(encoded), "%s", key);
	if (r == 0) {
		snprintf(request->headers[0], sizeof(request->headers[0]),
			 "Authorization: ApiKey %s", encoded);
		add_header(request, request->headers[0]);
	}
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
	return r;
}

static void add_action(struct buffer *body, const struct delivery_item *item, const char *namespace)
{
	buffer_add_text(body, "{\"create\":{\"_index\":\"logs-podfence.");
	buffer_add_text(body, item->row.kind == SHIP_ALERT ? "alert-" : "flow-");
	buffer_add_text(body, namespace);
	if (item->id[0]) {
		buffer_add_text(body, "\",\"_id\":\"");
		buffer_add_text(body, item->id);
	}
	buffer_add_text(body, "\"}}\n");
}

static int build_elastic(struct delivery *delivery, struct delivery_item *const *items, size_t n,
			 struct delivery_request *request)
{
	for (size_t i = 0; i < n; i++) {
		add_action(&delivery->body, items[i], delivery->config->stream);
		buffer_add(&delivery->body, items[i]->line, items[i]->row.length);
		buffer_add_char(&delivery->body, '\n');
	}
	append(request, "/_bulk?filter_path=errors,items.*.error,items.*.status");
	int r = add_key(delivery, request);
	if (r == 0)
		r = set_body(delivery, request, "Content-Type: application/x-ndjson");
	if (r < 0 || !delivery->config->gzip)
		return r;
	r = zip(delivery);
	request->http.body = delivery->zipped.bytes;
	request->http.body_length = delivery->zipped.length;
	add_header(request, "Content-Encoding: gzip");
	return r;
}

static struct outcome judge_elastic(const struct reply *reply, size_t n, bool is_patch,
				    struct outcome *items)
{
	return outcome_of_elastic(reply, n, items);
}

/* ---- webhook */

static int build_webhook(struct delivery *delivery, struct delivery_item *const *items, size_t n,
			 struct delivery_request *request)
{
	bool is_list = delivery->config->batch_events > 1;
	char *secret = NULL, sign[72];
	uint64_t now = clock_usec(CLOCK_REALTIME) / 1000000u;
	int r;

	if (is_list)
		buffer_add_char(&delivery->body, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buffer_add_char(&delivery->body, ',');
		buffer_add(&delivery->body, items[i]->line, items[i]->row.length);
	}
	if (is_list)
		buffer_add_char(&delivery->body, ']');
	r = set_body(delivery, request, "Content-Type: application/json");
	if (r < 0 || !delivery->config->secret_file[0])
		return r;
	r = delivery_secret(delivery->config->secret_file, &secret);
	if (r == 0)
		r = sign_webhook(secret, now, delivery->body.bytes, delivery->body.length, sign);
	free(secret);
	if (r < 0)
		return r;
	snprintf(request->headers[0], sizeof(request->headers[0]), "X-Podfence-Signature: %s",
		 sign);
	snprintf(request->headers[1], sizeof(request->headers[1]), "X-Podfence-Timestamp: %llu",
		 (unsigned long long)now);
	add_header(request, request->headers[0]);
	add_header(request, request->headers[1]);
	return 0;
}

/* ---- for people */

static size_t trees_of(struct delivery_item *const *items, size_t n, struct json_object **trees)
{
	for (size_t i = 0; i < n; i++)
		trees[i] = items[i]->tree;
	return n;
}

static int build_slack(struct delivery *delivery, struct delivery_item *const *items, size_t n,
		       struct delivery_request *request)
{
	struct json_object *trees[DIGEST_MAX];

	note_slack(trees, trees_of(items, n, trees), &delivery->body);
	return set_body(delivery, request, "Content-Type: application/json");
}

static int build_dingtalk(struct delivery *delivery, struct delivery_item *const *items, size_t n,
			  struct delivery_request *request)
{
	struct json_object *trees[DIGEST_MAX];
	char *secret = NULL, sign[160];
	uint64_t now = clock_usec(CLOCK_REALTIME) / 1000u;
	size_t length = strlen(request->url);
	int r = 0;

	note_dingtalk(trees, trees_of(items, n, trees), delivery->config->keyword, &delivery->body);
	if (delivery->config->secret_file[0]) {
		r = delivery_secret(delivery->config->secret_file, &secret);
		if (r == 0)
			r = sign_dingtalk(secret, now, sign);
		free(secret);
		if (r == 0)
			snprintf(request->url + length, sizeof(request->url) - length,
				 "%ctimestamp=%llu&sign=%s", strchr(request->url, '?') ? '&' : '?',
				 (unsigned long long)now, sign);
	}
	return r < 0 ? r
		     : set_body(delivery, request, "Content-Type: application/json; charset=utf-8");
}

static struct outcome judge_dingtalk(const struct reply *reply, size_t n, bool is_patch,
				     struct outcome *items)
{
	return outcome_of_dingtalk(reply);
}

static int build_alertmanager(struct delivery *delivery, struct delivery_item *const *items,
			      size_t n, struct delivery_request *request)
{
	struct json_object *trees[DIGEST_MAX];
	const struct ship_config *config = delivery->context->config;
	uint64_t resend = ((uint64_t)config->alert_quiet + 2 * config->alert_interval) * 1000000u;

	note_alertmanager(trees, trees_of(items, n, trees), config->cluster_name, resend,
			  &delivery->body);
	append(request, "/api/v2/alerts");
	return set_body(delivery, request, "Content-Type: application/json");
}

static int build_kubernetes(struct delivery *delivery, struct delivery_item *const *items, size_t n,
			    struct delivery_request *request)
{
	struct note_kubernetes note;
	int r = note_kubernetes(items[0]->tree, items[0]->is_anew, &note, &delivery->body);

	if (r != 0)
		return r;
	append(request, note.path);
	request->is_patch = note.is_patch;
	if (note.is_patch)
		request->http.method = "PATCH";
	return set_body(delivery, request,
			note.is_patch ? "Content-Type: application/merge-patch+json"
				      : "Content-Type: application/json");
}

static struct outcome judge_kubernetes(const struct reply *reply, size_t n, bool is_patch,
				       struct outcome *items)
{
	return outcome_of_kubernetes(reply, is_patch);
}

const struct sink sinks[SHIP_OUTPUT_KINDS] = {
	[SHIP_FILE] = {.write = sink_file_write,
		       .reopen = sink_file_close,
		       .close = sink_file_close},
	[SHIP_JOURNALD] = {.needs_tree = true, .write = sink_journal_write},
	[SHIP_ELASTICSEARCH] = {.build = build_elastic, .judge = judge_elastic},
	[SHIP_WEBHOOK] = {.build = build_webhook, .judge = judge_http},
	[SHIP_SLACK] = {true, 50, DIGEST_MAX, .build = build_slack, .judge = judge_http},
	[SHIP_DINGTALK] = {true, 18, DIGEST_MAX, .build = build_dingtalk, .judge = judge_dingtalk},
	[SHIP_ALERTMANAGER] = {true, 0, DIGEST_MAX, .build = build_alertmanager,
			       .judge = judge_http},
	[SHIP_KUBERNETES] = {true, 60, 1, .build = build_kubernetes, .judge = judge_kubernetes},
};
