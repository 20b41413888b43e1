/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	ready --> GET the Node --> it has the taint: PATCH --> looked at again in five minutes
 *	                       `-> it has not ---------------^
 *
 * It is the shipper's work, not podfenced's: that one reads the API and changes nothing there. What goes
 * wrong is tried again after 5, 10, 20 ... 300 s, said once, and stands in /healthz. A node that got the
 * taint anew gets rid of it at the next look; its pods were fenced all the time. */
#include "ship/taint.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/file.h"
#include "base/name.h"

#define REPLY_MAX     (4u << 20)
#define TOKEN_MAX     65536
#define PEM_MAX	      (1u << 20)
#define TAINTS_MAX    256
#define DEPTH_MAX     32
#define AGAIN_SECONDS 300
#define FIRST_SECONDS 5

struct taint {
	const struct ship_config *config;
	struct http_client *http;
	struct http_transfer *transfer;
	struct buffer received, patch;
	char node[NAME_SUBDOMAIN_MAX + 1];
	char problem[200];
	unsigned status, n_failures;
	uint64_t now_usec, next_usec;
	bool is_patch, is_cut;
};

int taint_new(const struct ship_config *config, struct http_client *http, struct taint **ret_taint)
{
	struct taint *taint = calloc(1, sizeof(*taint));

	if (!taint)
		return -ENOMEM;
	taint->config = config;
	taint->http = http;
	*ret_taint = taint;
	return 0;
}

struct taint *taint_free(struct taint *taint)
{
	if (!taint)
		return NULL;
	http_cancel(taint->transfer);
	buffer_done(&taint->received);
	buffer_done(&taint->patch);
	free(taint);
	return NULL;
}

const char *taint_problem(const struct taint *taint)
{
	return taint->problem;
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &value);
	return value;
}

static bool has_key(struct json_object *taint, const char *key)
{
	struct json_object *value = member(taint, "key");

	return json_object_is_type(value, json_type_string) &&
	       !strcmp(json_object_get_string(value), key);
}

static void add_operation(struct buffer *patch, const char *operation, size_t place,
			  const char *value)
{
	char text[96];

	snprintf(text, sizeof(text), "%s{\"op\":\"%s\",\"path\":\"/spec/taints/%zu\"",
		 patch->length > 1 ? "," : "", operation, place);
	buffer_add_text(patch, text);
	if (value) {
		buffer_add_text(patch, ",\"value\":");
		buffer_add_text(patch, value);
	}
	buffer_add_char(patch, '}');
}

/* Every place is proven before the first is changed; then from the end, so that places stay. */
static int write_patch(struct json_object *taints, const char *key, struct buffer *patch)
{
	size_t n = json_object_array_length(taints), n_found = 0;

	buffer_clear(patch);
	buffer_add_char(patch, '[');
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(taints, i);
		if (!has_key(one, key))
			continue;
		const char *text = json_object_to_json_string_ext(
			one, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		if (!text)
			return -ENOMEM;
		add_operation(patch, "test", i, text);
		n_found++;
	}
	for (size_t i = n; i-- > 0;)
		if (has_key(json_object_array_get_idx(taints, i), key))
			add_operation(patch, "remove", i, NULL);
	buffer_add_char(patch, ']');
	if (patch->is_broken)
		return -ENOMEM;
	return n_found ? 0 : TAINT_E_NONE;
}

int taint_patch(const char *text, size_t length, const char *key, struct buffer *patch)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *node;
	int r = TAINT_E_NOT_A_NODE;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	node = length && length <= REPLY_MAX ? json_tokener_parse_ex(tokener, text, (int)length)
					     : NULL;
	struct json_object *kind = member(node, "kind"), *spec = member(node, "spec");
	struct json_object *taints = member(spec, "taints");
	if (json_object_is_type(kind, json_type_string) &&
	    !strcmp(json_object_get_string(kind), "Node") &&
	    json_object_is_type(spec, json_type_object)) {
		if (!taints)
			r = TAINT_E_NONE;
		else if (json_object_is_type(taints, json_type_array) &&
			 json_object_array_length(taints) <= TAINTS_MAX)
			r = write_patch(taints, key, patch);
	}
	json_object_put(node);
	json_tokener_free(tokener);
	return r;
}

static void fail(struct taint *taint, const char *what, const char *problem)
{
	char text[sizeof(taint->problem)];
	unsigned wait = FIRST_SECONDS << (taint->n_failures < 6 ? taint->n_failures : 6);

	taint->n_failures++;
	taint->next_usec = taint->now_usec +
			   (wait < AGAIN_SECONDS ? wait : AGAIN_SECONDS) * 1000000ull;
	snprintf(text, sizeof(text), "%s: %s", what, problem);
	if (strcmp(text, taint->problem) != 0)
		diag_ship_taint_stays(taint->node, taint->config->taint_key, text);
	snprintf(taint->problem, sizeof(taint->problem), "%s", text);
}

static void succeed(struct taint *taint)
{
	taint->n_failures = 0;
	taint->problem[0] = '\0';
	taint->next_usec = taint->now_usec + AGAIN_SECONDS * 1000000ull;
}

static void ask(struct taint *taint, bool is_patch);

static void on_head(void *userdata, unsigned status, unsigned retry_after)
{
	((struct taint *)userdata)->status = status;
}

static int on_body(void *userdata, const char *bytes, size_t length)
{
	struct taint *taint = userdata;

	if (taint->received.length + length > REPLY_MAX) {
		taint->is_cut = true;
		return 1;
	}
	buffer_add(&taint->received, bytes, length);
	return 0;
}

/* The node as it is. */
static void take_node(struct taint *taint)
{
	int r = taint_patch(taint->received.bytes, taint->received.length, taint->config->taint_key,
			    &taint->patch);

	if (r == TAINT_E_NONE)
		succeed(taint);
	else if (r == TAINT_E_NOT_A_NODE)
		fail(taint, "GET", "the reply is not a Node");
	else if (r < 0)
		fail(taint, "GET", strerror(-r));
	else
		ask(taint, true);
}

static void on_end(void *userdata, const char *error)
{
	struct taint *taint = userdata;
	const char *what = taint->is_patch ? "PATCH" : "GET";
	char text[48];

	taint->transfer = NULL;
	if (taint->is_cut || taint->received.is_broken)
		error = "the reply is too long";
	snprintf(text, sizeof(text), "HTTP status %u", taint->status);
	if (!error && (taint->status < 200 || taint->status > 299))
		error = text;
	if (error) {
		fail(taint, what, error);
	} else if (taint->is_patch) {
		diag_ship_taint_gone(taint->node, taint->config->taint_key);
		succeed(taint);
	} else {
		take_node(taint);
	}
}

/* The configured server, or the service address of the pod. -ENOENT: neither. */
static int make_url(const struct taint *taint, char url[static 512])
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	const char *server = taint->config->taint_server;
	char address[128];

	if (!server[0]) {
		if (!host || !host[0] || !port || !port[0])
			return -ENOENT;
		bool is_v6 = strchr(host, ':');
		snprintf(address, sizeof(address), "https://%s%s%s:%s", is_v6 ? "[" : "", host,
			 is_v6 ? "]" : "", port);
		server = address;
	}
	int n = snprintf(url, 512, "%s/api/v1/nodes/%s", server, taint->node);
	return n < 512 ? 0 : -ENAMETOOLONG;
}

/* Token and authorities are read each time: the kubelet replaces them. */
static int start(struct taint *taint, const char *url, const char **ret_file)
{
	static const char *const patch_headers[] = {"Accept: application/json",
						    "Content-Type: application/json-patch+json"};
	const struct http_handler handler = {taint, on_head, on_body, on_end};
	const struct ship_config *config = taint->config;
	char *token = NULL, *authorities = NULL;
	size_t length;

	*ret_file = config->taint_token_file;
	int r = file_read(config->taint_token_file, TOKEN_MAX, &token, &length);
	if (r == 0 && config->taint_ca_file[0]) {
		*ret_file = config->taint_ca_file;
		r = file_read(config->taint_ca_file, PEM_MAX, &authorities, &length);
	}
	if (r == 0) {
		*ret_file = "startupTaint.server";
		token[strcspn(token, "\r\n")] = '\0';
		const struct http_request request = {
			.method = taint->is_patch ? "PATCH" : "GET",
			.url = url,
			.headers = patch_headers,
			.n_headers = taint->is_patch ? 2 : 1,
			.body = taint->is_patch ? taint->patch.bytes : NULL,
			.body_length = taint->is_patch ? taint->patch.length : 0,
			.token = token,
			.authorities = authorities,
			.connect_seconds = 10,
			.total_seconds = 30,
		};
		r = http_start(taint->http, &request, &handler, &taint->transfer);
	}
	free(token);
	free(authorities);
	return r;
}

static void ask(struct taint *taint, bool is_patch)
{
	const char *file = "KUBERNETES_SERVICE_HOST";
	char url[512];

	taint->is_patch = is_patch;
	taint->is_cut = false;
	taint->status = 0;
	buffer_clear(&taint->received);
	int r = make_url(taint, url);
	if (r == 0)
		r = start(taint, url, &file);
	if (r < 0)
		fail(taint, file, strerror(-r));
}

void taint_look(struct taint *taint, const char *node, uint64_t now_usec)
{
	taint->now_usec = now_usec;
	if (taint->transfer || now_usec < taint->next_usec || !name_is_subdomain(node))
		return;
	snprintf(taint->node, sizeof(taint->node), "%s", node);
	ask(taint, false);
}
