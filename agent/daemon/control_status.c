/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * GetStatus: the whole agent at one glance, from what it keeps anyway; nothing is looked up for it. */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/control.h"
#include "podfence-config.h"

#define REASONS_MAX 16

/* NULL: nothing is wrong. */
static const char *find_reason(const struct daemon *daemon, bool is_deny)
{
	if (!daemon->is_ready)
		return "no rules of this agent are in force yet";
	if (daemon->failure[0])
		return daemon->failure;
	if (confirm_problem(daemon))
		return confirm_problem(daemon);
	if (!is_deny)
		return "default.mode is audit: what would be denied is let pass and recorded";
	if (!daemon->stream.nflog)
		return "the NFLOG group is not open: packets are stopped, no event is written";
	return NULL;
}

static void add_strings(struct json *json, const struct snapshot *snapshot)
{
	json_array_begin(json, "uplinks");
	for (size_t i = 0; snapshot && i < snapshot->n_uplinks; i++) {
		const struct node_link *link = node_view_link(snapshot->view, snapshot->uplinks[i]);
		if (link)
			json_string_n(json, NULL, link->name,
				      strnlen(link->name, sizeof(link->name)));
	}
	json_array_end(json);
}

static bool has_bridges(const struct snapshot *snapshot)
{
	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++)
			if (snapshot->endpoints[i].attachments[k].port)
				return true;
	return false;
}

static void add_coverage(struct json *json, const struct snapshot *snapshot)
{
	static const char *const names[] = {
		[COVERAGE_ENFORCED] = "enforced",
		[COVERAGE_AUDIT] = "audit",
		[COVERAGE_PENDING] = "pending",
		[COVERAGE_UNCOVERED] = "uncovered",
	};
	uint64_t counts[sizeof(names) / sizeof(names[0])] = {};

	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++)
		counts[snapshot->endpoints[i].coverage]++;
	json_object_begin(json, "endpoints");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_uint(json, names[i], counts[i]);
	json_object_end(json);
}

/* Endpoints that are not enforced by reason. ListEndpoints tells of each: reasons that name
 * something (a device, a program) are one here, and so are those beyond the first few. */
static void add_unresolved(struct json *json, const struct snapshot *snapshot)
{
	struct {
		enum coverage coverage;
		const char *reason;
		uint64_t n;
	} rows[REASONS_MAX] = {};
	size_t n_rows = 0;

	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		const char *reason = endpoint->reason_text || n_rows == REASONS_MAX - 2
					     ? "other"
					     : endpoint->reason;
		size_t k = 0;
		if (endpoint->coverage != COVERAGE_PENDING &&
		    endpoint->coverage != COVERAGE_UNCOVERED)
			continue;
		while (k < n_rows && (rows[k].coverage != endpoint->coverage ||
				      strcmp(rows[k].reason, reason) != 0))
			k++;
		rows[k].coverage = endpoint->coverage;
		rows[k].reason = reason;
		rows[k].n++;
		n_rows += k == n_rows;
	}
	json_array_begin(json, "unresolved");
	for (size_t k = 0; k < n_rows; k++) {
		json_object_begin(json, NULL);
		json_string(json, "coverage",
			    rows[k].coverage == COVERAGE_PENDING ? "pending" : "uncovered");
		json_string(json, "reason", rows[k].reason);
		json_uint(json, "endpoints", rows[k].n);
		json_object_end(json);
	}
	json_array_end(json);
}

static void add_network(struct json *json, const struct pf_prefix *prefix, const char *origin,
			const char *source, const char *refused)
{
	char text[PF_PREFIX_TEXT];

	json_object_begin(json, NULL);
	json_string(json, "prefix", pf_prefix_format(prefix, text));
	json_string(json, "origin", origin);
	json_string(json, "source", source);
	json_string(json, "refused", refused);
	json_object_end(json);
}

static void add_networks(struct json *json, const struct daemon *daemon)
{
	const struct config *config = daemon->config;
	const struct {
		const struct prefix_list *list;
		const char *key;
	} configured[] = {
		{&config->network.internal, "network.internal"},
		{&config->network.pod_cidrs, "network.podCIDRs"},
		{&config->network.service_cidrs, "network.serviceCIDRs"},
		{&config->network.node_cidrs, "network.nodeCIDRs"},
	};
	const struct network_list *derived = daemon->networks;

	json_array_begin(json, "networks");
	for (size_t i = 0; i < sizeof(configured) / sizeof(configured[0]); i++)
		for (size_t k = 0; k < configured[i].list->n_prefixes; k++)
			add_network(json, &configured[i].list->prefixes[k], "configuration",
				    configured[i].key, NULL);
	for (size_t i = 0; derived && i < derived->n_networks; i++) {
		const struct network *network = &derived->networks[i];
		add_network(json, &network->prefix, network_origin_name(network->origin),
			    network->source, network->refused);
	}
	json_array_end(json);
}

static void add_transaction(struct json *json, const struct daemon *daemon)
{
	json_object_begin(json, "transaction");
	json_uint(json, "generation", daemon->generation);
	json_uint(json, "time_usec", daemon->changed_usec);
	json_uint(json, "changes", daemon->n_changes);
	json_uint(json, "refused", daemon->n_refused);
	json_array_begin(json, "delays");
	for (size_t i = 0; i <= DELAY_BOUNDS; i++)
		json_uint(json, NULL, daemon->delays.counts[i]);
	json_array_end(json);
	json_uint(json, "delays_usec", daemon->delays.sum_usec);
	json_string(json, "failure", daemon->failure[0] ? daemon->failure : NULL);
	json_boolean(json, "owned", daemon->fence && fence_is_owned(daemon->fence));
	json_object_end(json);
}

static void add_api(struct json *json, const struct daemon *daemon)
{
	static const char *const sources[] = {"none", "kubeconfig", "in-cluster"};
	const char *problem = daemon->api ? api_problem(daemon->api) : "";

	json_object_begin(json, "api");
	json_string(json, "source", sources[daemon->config->kubernetes.source]);
	json_string(json, "server", daemon->api ? api_server(daemon->api) : NULL);
	json_boolean(json, "synced", daemon->api && api_is_synced(daemon->api));
	json_string(json, "problem", problem[0] ? problem : NULL);
	if (daemon->api)
		json_uint(json, "lag_seconds", api_lag_usec(daemon->api) / 1000000);
	json_object_end(json);
}

static void add_books(struct json *json, const struct stream *stream)
{
	const struct pf_nflog_counts nflog = stream_nflog_counts(stream);
	const struct output_counts output = output_counts(stream->output);

	json_object_begin(json, "books");
	json_uint(json, "records_received", nflog.received);
	json_uint(json, "records_lost", nflog.lost);
	json_uint(json, "records_malformed", nflog.malformed);
	json_uint(json, "records_foreign", stream->n_foreign);
	json_uint(json, "events_written", output.lines_written);
	json_uint(json, "events_dropped", output.lines_dropped);
	json_object_end(json);
}

static uint64_t absolute(int64_t number)
{
	return number < 0 ? (uint64_t)-number : (uint64_t)number;
}

static void add_account(struct json *json, const char *name, const struct class_books *class)
{
	json_object_begin(json, name);
	json_uint(json, "packets", class->counted);
	json_uint(json, "ledger", class->ledger);
	json_uint(json, "overflow", class->overflow);
	json_uint(json, "unkept", class->unkept);
	json_uint(json, "difference", absolute(class_books_difference(class)));
	json_object_end(json);
}

static void add_ledger(struct json *json, const struct daemon *daemon)
{
	const struct ledger *ledger = &daemon->ledger;
	const struct books *books = &ledger->books;

	json_object_begin(json, "ledger");
	json_uint(json, "flows", flow_table_count(ledger->flows));
	for (enum ledger_class i = 0; i < LEDGER_CLASS_N; i++)
		add_account(json, ledger_class_name(i), &books->classes[i]);
	json_uint(json, "messages_sent", books->logged);
	json_uint(json, "messages_unheard", absolute(books_unheard(books)));
	json_uint(json, "messages_late", books->late);
	json_uint(json, "messages_repeated", books->repeated);
	json_uint(json, "forgotten", books->forgotten);
	json_uint(json, "readings", books->readings);
	json_uint(json, "read_usec", books->read_usec);
	json_boolean(json, "records_allowed", daemon->config->ledger.allowed == CONFIG_ON);
	json_object_end(json);
}

static void add_processes(struct json *json, const struct daemon *daemon)
{
	struct culprit_counts counts = {};

	if (daemon->culprits)
		counts = culprits_counts(daemon->culprits);
	json_object_begin(json, "processes");
	json_uint(json, "named", counts.named);
	json_uint(json, "unknown", counts.asked - counts.named - counts.skipped);
	json_uint(json, "skipped", counts.skipped);
	json_object_end(json);
}

static void add_shipper(struct json *json, const struct seam *seam)
{
	json_object_begin(json, "shipper");
	json_boolean(json, "connected", seam->reader >= 0);
	json_uint(json, "events", seam->lines);
	json_uint(json, "refused", seam->refused);
	json_object_end(json);
}

static void add_control(struct json *json, const struct daemon *daemon)
{
	const struct control_counts counts = control_counts(daemon->control);

	json_object_begin(json, "control");
	json_uint(json, "clients", counts.clients);
	json_uint(json, "connections", counts.connections);
	json_uint(json, "calls", counts.calls);
	json_uint(json, "errors", counts.errors);
	json_uint(json, "refused_limit", counts.refused_limit);
	json_uint(json, "refused_permission", counts.refused_permission);
	json_uint(json, "malformed", counts.malformed);
	json_uint(json, "timed_out", counts.timed_out);
	json_object_end(json);
}

void control_status_numbers(struct json *json, const struct daemon *daemon)
{
	bool is_deny = daemon->config->fallback.mode == CONFIG_MODE_DENY;

	json_boolean(json, "enforcing", daemon->is_ready && is_deny);
	json_string(json, "reason", find_reason(daemon, is_deny));
	json_string(json, "node", daemon->node_name);
	json_string(json, "version", PODFENCE_VERSION);
	json_uint(json, "pid", (uint64_t)getpid());
	json_uint(json, "started_usec", daemon->started_usec);
	json_string(json, "mode", is_deny ? "deny" : "audit");
	json_string(json, "action",
		    daemon->config->fallback.action == CONFIG_ACTION_REJECT ? "reject" : "drop");
	add_coverage(json, daemon->snapshot);
	add_unresolved(json, daemon->snapshot);
	add_transaction(json, daemon);
	add_api(json, daemon);
	add_books(json, &daemon->stream);
	add_ledger(json, daemon);
	add_processes(json, daemon);
	backstop_write(daemon, json);
	add_shipper(json, &daemon->seam);
	add_control(json, daemon);
}

int control_get_status(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	const struct snapshot *snapshot = daemon->snapshot;
	struct utsname kernel = {};

	(void)uname(&kernel);
	json_object_begin(reply, "status");
	control_status_numbers(reply, daemon);
	json_string(reply, "kernel", kernel.release);
	add_strings(reply, snapshot);
	json_uint(reply, "pod_roots", snapshot ? snapshot->view->n_pod_roots : 0);
	json_boolean(reply, "bridges", has_bridges(snapshot));
	add_networks(reply, daemon);
	json_object_end(reply);
	return CONTROL_DONE;
}
