/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Between the reflectors, which know the protocol, and the HTTP client, which knows the wire: of each
 * resource one request at a time, begun when its reflector says it is due.
 *
 *	timer -> reflector_begin -> http_start -> head, body -> cluster -> reconcile
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
#include "kube/reflector.h"

#define ACCOUNT_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"
#define CONNECT_SECONDS	  10
#define PAGE_ITEMS	  500
#define PROBE_SECONDS	  3
#define WATCH_SECONDS	  300

struct resource {
	enum cluster_kind kind;
	const char *name, *path;
	const char *query;
	bool names_node; /* at the end of the query; a node's name needs no escape */
	bool may_be_absent;
};

static const struct resource resources[] = {
	{CLUSTER_PODS, "pods", "/api/v1/pods", "fieldSelector=spec.nodeName%3D", true, false},
	{CLUSTER_NODES, "nodes", "/api/v1/nodes", "fieldSelector=metadata.name%3D", true, false},
	{CLUSTER_NAMESPACES, "namespaces", "/api/v1/namespaces", "", false, false},
	/* Since Kubernetes 1.33 */
	{CLUSTER_SERVICE_CIDRS, "servicecidrs", "/apis/networking.k8s.io/v1/servicecidrs", "",
	 false, true},
	/* Since 1.21 */
	{CLUSTER_API_SERVERS, "endpointslices",
	 "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
	 "labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes", false, true},
	{CLUSTER_NETWORK_POLICIES, "networkpolicies", "/apis/networking.k8s.io/v1/networkpolicies",
	 "", false, false},
	/* A resource definition that clusters have or have not */
	{CLUSTER_CLUSTER_NETWORK_POLICIES, "clusternetworkpolicies",
	 "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies", "", false, true},
};

#define N_RESOURCES (sizeof(resources) / sizeof(resources[0]))

/* One resource with its reflector and the one request it has under way. */
struct source {
	struct api *api;
	const struct resource *resource;
	struct reflector *reflector;
	struct http_transfer *transfer;
	sd_event_source *timer;
	uint64_t heard_usec; /* CLOCK_MONOTONIC: the last byte of an answer; 0: none yet */
	bool is_waiting;     /* for credentials */
	unsigned credential; /* of the plugin, under way */
};

struct api {
	struct daemon *daemon;
	struct cluster *cluster; /* borrowed */
	struct access *access;
	struct http_client *client;
	struct source sources[N_RESOURCES];
	struct report report;
	uint64_t version_acted_on;
	struct http_transfer *probe;
	void (*probe_fn)(void *userdata, bool is_reached);
	void *probe_userdata;
	bool is_probe_answered;
	char said[512]; /* the problem that was told last; "": none */
	bool was_good;
};

static uint32_t chance(void)
{
	uint32_t random = 0;

	/* Without it the jitter is gone, nothing else. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return random;
}

static void plan_request(struct source *source);

/* What the reflectors and the stores found fault with. */
static void say_refused(struct api *api)
{
	if (report_is_empty(&api->report))
		return;
	diag_objects_refused(&api->report);
	report_done(&api->report);
	report_init(&api->report);
}

/* Of several problems the first is told: most often they have one cause. A watch that breaks off once
 * and comes back is ordinary. */
static const char *find_problem(const struct api *api)
{
	for (size_t i = 0; i < N_RESOURCES; i++) {
		const struct reflector *reflector = api->sources[i].reflector;
		unsigned n_failures;
		if (api->sources[i].is_waiting && plugin_problem(api->daemon->plugin)[0])
			return plugin_problem(api->daemon->plugin);
		const char *problem = reflector_problem(reflector, &n_failures);
		if (problem[0] && (n_failures > 1 || !reflector_is_synced(reflector)))
			return problem;
	}
	return "";
}

/* But for numbers ("after 12 ms"). */
static bool is_same_sentence(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	for (;; a++, b++) {
		a += strspn(a, digits);
		b += strspn(b, digits);
		if (*a != *b || !*a)
			return *a == *b;
	}
}

static void say_problem(struct api *api)
{
	const char *problem = find_problem(api);

	if (problem[0] && !is_same_sentence(problem, api->said))
		diag_api_problem(api->access->server, problem);
	else if (!problem[0] && (api->said[0] || !api->was_good) && api_is_synced(api))
		diag_api_good(api->access->server);
	api->was_good = !problem[0] && api_is_synced(api);
	snprintf(api->said, sizeof(api->said), "%s", problem);
}

static void act_on_changes(struct api *api)
{
	uint64_t version = cluster_version(api->cluster);

	if (version == api->version_acted_on)
		return;
	api->version_acted_on = version;
	daemon_schedule(api->daemon, 0);
}

/* A server that answers has shown its certificate by then. */
static void note_peer(struct api *api, const char *text)
{
	struct pf_address peer;

	if (api->access->proxy || pf_address_parse(text, &peer) < 0)
		return;
	cluster_note_server(api->cluster, &peer);
	act_on_changes(api);
}

static void on_head(void *userdata, unsigned status, unsigned retry_after)
{
	struct source *source = userdata;

	reflector_status(source->reflector, status, retry_after);
	if (source->api->access->exec)
		plugin_judge(source->api->daemon->plugin, source->credential, status);
	note_peer(source->api, http_peer(source->transfer));
}

static int on_body(void *userdata, const char *bytes, size_t length)
{
	struct source *source = userdata;
	int r = reflector_feed(source->reflector, bytes, length);

	source->heard_usec = clock_usec(CLOCK_MONOTONIC);
	say_refused(source->api);
	act_on_changes(source->api);
	return r;
}

static void end_request(struct source *source, const char *error)
{
	reflector_end(source->reflector, error, clock_usec(CLOCK_MONOTONIC), chance());
	say_refused(source->api);
	say_problem(source->api);
	act_on_changes(source->api);
	plan_request(source);
}

static void on_end(void *userdata, const char *error)
{
	struct source *source = userdata;

	source->transfer = NULL;
	end_request(source, error);
}

static int start_request(struct source *source, const struct reflector_request *what)
{
	static const char *const headers[] = {"Accept: application/json"};
	struct access *access = source->api->access;
	struct http_request request = {
		.method = "GET",
		.headers = headers,
		.n_headers = 1,
		.connect_seconds = CONNECT_SECONDS,
		.stall_seconds = what->stall_seconds,
		.total_seconds = what->total_seconds,
	};
	const struct http_handler handler = {source, on_head, on_body, on_end};
	char *url;
	int r = access_refresh(access);

	if (r < 0 && !access->token)
		return r;
	r = access_apply(access, what->target, &request, &url);
	if (r < 0)
		return r;
	if (access->exec)
		source->credential = plugin_apply(source->api->daemon->plugin, &request);
	r = http_start(source->api->client, &request, &handler, &source->transfer);
	free(url);
	return r;
}

/* The plugin has answered: who waits for it goes on, or goes on waiting. */
static void on_credential(void *userdata)
{
	struct api *api = userdata;
	bool are_there = plugin_ask(api->daemon->plugin, on_credential, api);

	for (size_t i = 0; i < N_RESOURCES && are_there; i++) {
		struct source *source = &api->sources[i];
		if (!source->is_waiting)
			continue;
		source->is_waiting = false;
		plan_request(source);
	}
	say_problem(api);
}

static int on_due(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct source *source = userdata;
	struct api *api = source->api;
	struct reflector_request request;

	if (api->access->exec && !plugin_ask(api->daemon->plugin, on_credential, api)) {
		source->is_waiting = true;
		return 0;
	}
	reflector_begin(source->reflector, clock_usec(CLOCK_MONOTONIC), chance(), &request);
	int r = start_request(source, &request);
	if (r < 0)
		end_request(source, strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown error");
	return 0;
}

static void plan_request(struct source *source)
{
	uint64_t due = reflector_due(source->reflector);

	(void)sd_event_source_set_time(source->timer, due);
	(void)sd_event_source_set_enabled(source->timer, SD_EVENT_ONESHOT);
}

static void on_list_begin(void *userdata)
{
	struct source *source = userdata;

	cluster_begin(source->api->cluster, source->resource->kind);
}

static int on_put(void *userdata, struct json_object *object, const char *place)
{
	struct source *source = userdata;

	return cluster_put(source->api->cluster, source->resource->kind, object, place,
			   &source->api->report);
}

static int on_remove(void *userdata, struct json_object *object, const char *place)
{
	struct source *source = userdata;

	cluster_remove(source->api->cluster, source->resource->kind, object);
	return 0;
}

static int on_list_end(void *userdata)
{
	struct source *source = userdata;

	cluster_end(source->api->cluster, source->resource->kind);
	return 0;
}

static int open_source(struct api *api, size_t i)
{
	struct source *source = &api->sources[i];
	const struct resource *resource = &resources[i];
	const struct reflector_sink sink = {source, on_list_begin, on_put, on_remove, on_list_end};
	char query[320];
	const struct reflector_options options = {
		.name = resource->name,
		.path = resource->path,
		.query = query,
		.page_items = PAGE_ITEMS,
		.watch_seconds = WATCH_SECONDS,
		.object_limit = PODLIST_ITEM_MAX,
		.may_be_absent = resource->may_be_absent,
	};

	source->api = api;
	source->resource = resource;
	snprintf(query, sizeof(query), "%s%s", resource->query,
		 resource->names_node ? cluster_node(api->cluster) : "");
	int r = reflector_new(&options, &sink, &api->report, &source->reflector);
	if (r == 0)
		r = sd_event_add_time(api->daemon->loop, &source->timer, CLOCK_MONOTONIC, 0, 1000,
				      on_due, source);
	if (r >= 0)
		r = sd_event_source_set_priority(source->timer, PRIORITY_SOURCES);
	return r < 0 ? r : 0;
}

static int open_access(struct api *api, const struct config *config, struct report *report)
{
	if (config->kubernetes.source == CONFIG_SOURCE_IN_CLUSTER)
		return access_read_in_cluster(ACCOUNT_DIRECTORY, config->kubernetes.server, report,
					      &api->access);
	int r = access_read_kubeconfig(config->kubernetes.kubeconfig, report, &api->access);
	if (r != 0 || !api->access->exec || plugin_runs(api->daemon->plugin, api->access->exec))
		return r;
	report_add(report, config->kubernetes.kubeconfig,
		   "exec: podfenced can run only the command that stood here when it was started, "
		   "with the same "
		   "arguments, environment and cluster; restart it");
	return ACCESS_E_INVALID;
}

void api_open_plugin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct access *access = NULL;
	struct report report;

	if (config->kubernetes.source != CONFIG_SOURCE_KUBECONFIG)
		return;
	report_init(&report);
	int r = access_read_kubeconfig(config->kubernetes.kubeconfig, &report, &access);
	report_done(&report);
	if (r == 0 && access->exec) {
		struct exec_command *command = access->exec;
		access->exec = NULL;
		r = plugin_new(command, &daemon->plugin);
		if (r < 0)
			diag_cannot("prepare to run the kubeconfig's exec plugin", r);
	}
	access_free(access);
}

int api_open(struct daemon *daemon, const struct config *config, struct cluster *cluster,
	     struct report *report, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return -ENOMEM;
	api->daemon = daemon;
	api->cluster = cluster;
	report_init(&api->report);
	int r = open_access(api, config, report);
	if (r == 0)
		r = http_client_new(daemon->loop, PRIORITY_SOURCES, &api->client);
	for (size_t i = 0; i < N_RESOURCES && r == 0; i++)
		r = open_source(api, i);
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
	if (api->daemon->plugin && api->access && api->access->exec)
		plugin_forget(api->daemon->plugin, api);
	for (size_t i = 0; i < N_RESOURCES; i++) {
		http_cancel(api->sources[i].transfer);
		sd_event_source_disable_unref(api->sources[i].timer);
		reflector_free(api->sources[i].reflector);
	}
	http_cancel(api->probe);
	http_client_free(api->client);
	access_free(api->access);
	report_done(&api->report);
	free(api);
	return NULL;
}

const char *api_server(const struct api *api)
{
	return api->access->server;
}

const char *api_problem(const struct api *api)
{
	return api->said;
}

bool api_is_good(const struct api *api)
{
	return api->was_good;
}

static void on_probe_head(void *userdata, unsigned status, unsigned retry_after)
{
	((struct api *)userdata)->is_probe_answered = true;
}

static int on_probe_body(void *userdata, const char *bytes, size_t length)
{
	return 1; /* enough */
}

static void on_probe_end(void *userdata, const char *error)
{
	struct api *api = userdata;

	api->probe = NULL;
	api->probe_fn(api->probe_userdata, api->is_probe_answered);
}

int api_probe(struct api *api, void (*fn)(void *userdata, bool is_reached), void *userdata)
{
	struct http_request request = {
		.method = "GET",
		.connect_seconds = PROBE_SECONDS,
		.total_seconds = PROBE_SECONDS,
	};
	const struct http_handler handler = {api, on_probe_head, on_probe_body, on_probe_end};
	char *url;

	api->probe = http_cancel(api->probe);
	api->probe_fn = fn;
	api->probe_userdata = userdata;
	api->is_probe_answered = false;
	if (!fn)
		return 0;
	int r = access_apply(api->access, "/version", &request, &url);
	if (r < 0)
		return r;
	if (api->access->exec)
		(void)plugin_apply(api->daemon->plugin, &request);
	r = http_start(api->client, &request, &handler, &api->probe);
	free(url);
	return r;
}

uint64_t api_lag_usec(const struct api *api)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC), lag = 0;

	for (size_t i = 0; i < N_RESOURCES; i++) {
		const struct source *source = &api->sources[i];
		if (source->heard_usec && reflector_is_synced(source->reflector) &&
		    now - source->heard_usec > lag)
			lag = now - source->heard_usec;
	}
	return lag;
}

bool api_is_synced(const struct api *api)
{
	for (size_t i = 0; i < N_RESOURCES; i++)
		if (!reflector_is_synced(api->sources[i].reflector) &&
		    !reflector_is_absent(api->sources[i].reflector))
			return false;
	return true;
}
