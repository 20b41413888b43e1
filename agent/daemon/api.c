/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Between the reflector, which knows the protocol, and the HTTP client, which knows the wire: one
 * request at a time, begun when the reflector says it is due.
 *
 *	timer -> reflector_begin -> http_start -> head, body -> pod store -> reconcile
 *	  ^----------------------- reflector_end <- end
 *
 * The token is read again before each request: the kubelet replaces it every hour. Trouble is said
 * when it begins, when it is another, and when it is over. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/diag.h"
#include "http/client.h"
#include "kube/access.h"
#include "kube/pod_store.h"
#include "kube/reflector.h"

#define ACCOUNT_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"
#define CONNECT_SECONDS	  10
#define PAGE_ITEMS	  500
#define WATCH_SECONDS	  300

struct api {
	struct daemon *daemon;
	struct access *access;
	struct http_client *client;
	struct reflector *reflector;
	struct pod_store *store;
	struct report report;
	struct http_transfer *transfer;
	sd_event_source *timer;
	char said[320]; /* the problem that was told last; "": none */
	bool was_synced;
};

static uint32_t chance(void)
{
	uint32_t random = 0;

	/* Without it the jitter is gone, nothing else. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return random;
}

static void plan_request(struct api *api);

/* What the reflector and the store found fault with. */
static void say_refused(struct api *api)
{
	if (report_is_empty(&api->report))
		return;
	diag_objects_refused(&api->report);
	report_done(&api->report);
	report_init(&api->report);
}

static void say_problem(struct api *api)
{
	unsigned n_failures;
	const char *problem = reflector_problem(api->reflector, &n_failures);

	if (problem[0] && strcmp(problem, api->said) != 0)
		diag_api_problem(api->access->server, problem);
	else if (!problem[0] && (api->said[0] || !api->was_synced) &&
		 reflector_is_synced(api->reflector))
		diag_api_good(api->access->server);
	api->was_synced = reflector_is_synced(api->reflector);
	snprintf(api->said, sizeof(api->said), "%s", problem);
}

static void act_on_changes(struct api *api)
{
	if (pod_store_has_changed(api->store))
		daemon_schedule(api->daemon, 0);
}

static void on_head(void *userdata, unsigned status, unsigned retry_after)
{
	struct api *api = userdata;

	reflector_status(api->reflector, status, retry_after);
}

static int on_body(void *userdata, const char *bytes, size_t length)
{
	struct api *api = userdata;
	int r = reflector_feed(api->reflector, bytes, length);

	say_refused(api);
	act_on_changes(api);
	return r;
}

static void end_request(struct api *api, const char *error)
{
	reflector_end(api->reflector, error, clock_usec(CLOCK_MONOTONIC), chance());
	say_refused(api);
	say_problem(api);
	act_on_changes(api);
	plan_request(api);
}

static void on_end(void *userdata, const char *error)
{
	struct api *api = userdata;

	api->transfer = NULL;
	end_request(api, error);
}

static int start_request(struct api *api, const struct reflector_request *what)
{
	static const char *const headers[] = {"Accept: application/json"};
	struct http_request request = {
		.method = "GET",
		.headers = headers,
		.n_headers = 1,
		.connect_seconds = CONNECT_SECONDS,
		.stall_seconds = what->stall_seconds,
		.total_seconds = what->total_seconds,
	};
	const struct http_handler handler = {api, on_head, on_body, on_end};
	char *url;
	int r = access_refresh(api->access);

	if (r < 0 && !api->access->token)
		return r;
	r = access_apply(api->access, what->target, &request, &url);
	if (r < 0)
		return r;
	r = http_start(api->client, &request, &handler, &api->transfer);
	free(url);
	return r;
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct api *api = userdata;
	struct reflector_request request;

	reflector_begin(api->reflector, clock_usec(CLOCK_MONOTONIC), chance(), &request);
	int r = start_request(api, &request);
	if (r < 0)
		end_request(api, strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown error");
	return 0;
}

static void plan_request(struct api *api)
{
	uint64_t due = reflector_due(api->reflector);

	(void)sd_event_source_set_time(api->timer, due);
	(void)sd_event_source_set_enabled(api->timer, SD_EVENT_ONESHOT);
}

static void on_list_begin(void *userdata)
{
	struct api *api = userdata;

	pod_store_begin(api->store);
}

static int on_put(void *userdata, struct json_object *object, const char *place)
{
	struct api *api = userdata;

	return pod_store_put(api->store, object, place, &api->report);
}

static int on_remove(void *userdata, struct json_object *object, const char *place)
{
	struct api *api = userdata;

	return pod_store_remove(api->store, object);
}

static int on_list_end(void *userdata)
{
	struct api *api = userdata;

	pod_store_end(api->store);
	daemon_schedule(api->daemon, 0);
	return 0;
}

static int open_reflector(struct api *api, const char *node_name)
{
	const struct reflector_sink sink = {api, on_list_begin, on_put, on_remove, on_list_end};
	char query[320];
	const struct reflector_options options = {
		.name = "pods",
		.path = "/api/v1/pods",
		.query = query,
		.page_items = PAGE_ITEMS,
		.watch_seconds = WATCH_SECONDS,
		.object_limit = PODLIST_ITEM_MAX,
	};

	/* A node's name is a DNS name: nothing in it has to be escaped. */
	snprintf(query, sizeof(query), "fieldSelector=spec.nodeName%%3D%s", node_name);
	return reflector_new(&options, &sink, &api->report, &api->reflector);
}

static int open_access(struct api *api, const struct config *config, struct report *report)
{
	if (config->kubernetes.source == CONFIG_SOURCE_IN_CLUSTER)
		return access_read_in_cluster(ACCOUNT_DIRECTORY, config->kubernetes.server, report,
					      &api->access);
	return access_read_kubeconfig(config->kubernetes.kubeconfig, report, &api->access);
}

static int open_rest(struct api *api, const char *node_name)
{
	sd_event *loop = api->daemon->loop;
	int r = pod_store_new(node_name, &api->store);

	if (r == 0)
		r = open_reflector(api, node_name);
	if (r == 0)
		r = http_client_new(loop, PRIORITY_SOURCES, &api->client);
	if (r == 0)
		r = sd_event_add_time(loop, &api->timer, CLOCK_MONOTONIC, 0, 1000, on_due, api);
	if (r >= 0)
		r = sd_event_source_set_priority(api->timer, PRIORITY_SOURCES);
	return r < 0 ? r : 0;
}

int api_open(struct daemon *daemon, const struct config *config, const char *node_name,
	     struct report *report, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return -ENOMEM;
	api->daemon = daemon;
	report_init(&api->report);
	int r = open_access(api, config, report);
	if (r == 0)
		r = open_rest(api, node_name);
	if (r != 0) {
		api_free(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

struct api *api_free(struct api *api)
{
	if (!api)
		return NULL;
	http_cancel(api->transfer);
	http_client_free(api->client);
	sd_event_source_disable_unref(api->timer);
	reflector_free(api->reflector);
	pod_store_free(api->store);
	access_free(api->access);
	report_done(&api->report);
	free(api);
	return NULL;
}

int api_pods(struct api *api, struct pod_list **ret_pods)
{
	return pod_store_list(api->store, ret_pods);
}

int api_know(struct api *api, const struct pod_list *pods)
{
	return pod_store_fill(api->store, pods);
}

bool api_is_synced(const struct api *api)
{
	return reflector_is_synced(api->reflector);
}
