/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Prometheus text (0.0.4). No label holds an address, a port or a pid. Series by namespace and
 * policy are bounded: what comes after the first SHIP_SERIES_MAX is one series, "__overflow__".
 *
 * The agent's numbers come with its lines of state: a row of a table each. What a line does not have
 * gives no sample. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "podfence-config.h"
#include "ship/ship.h"

#define UNRESOLVED_MAX	 64
#define STATE_FRESH_USEC 20000000u

static bool is_series(const struct ship_series *series, const struct ship_event *event)
{
	return series->action == event->action &&
	       !strncmp(series->namespace, event->namespace, sizeof(series->namespace) - 1) &&
	       !strncmp(series->policy, event->policy, sizeof(series->policy) - 1) &&
	       !strncmp(series->kind, event->endpoint_kind, sizeof(series->kind) - 1);
}

void metrics_count(struct ship *ship, const struct ship_event *event)
{
	size_t i = 0;

	if (event->kind != SHIP_FLOW)
		return;
	while (i < ship->n_series && !is_series(&ship->series[i], event))
		i++;
	struct ship_series *series = &ship->series[i];
	if (i == ship->n_series && i < SHIP_SERIES_MAX) {
		ship->n_series++;
		snprintf(series->namespace, sizeof(series->namespace), "%s", event->namespace);
		snprintf(series->policy, sizeof(series->policy), "%s", event->policy);
		snprintf(series->kind, sizeof(series->kind), "%s", event->endpoint_kind);
		series->action = event->action;
	} else if (i == SHIP_SERIES_MAX) {
		snprintf(series->namespace, sizeof(series->namespace), "__overflow__");
		series->action = SHIP_OTHER_ACTION;
	}
	series->events++;
	series->packets += event->packets;
}

PF_PRINTF(2, 3) static void line(struct buffer *text, const char *format, ...)
{
	char bytes[768];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(bytes, sizeof(bytes), format, arguments);
	va_end(arguments);
	buffer_add_text(text, bytes);
	buffer_add_char(text, '\n');
}

static void head(struct buffer *text, const char *name, const char *type, const char *help)
{
	line(text, "# HELP %s %s", name, help);
	line(text, "# TYPE %s %s", name, type);
}

static void single(struct buffer *text, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	head(text, name, type, help);
	line(text, "%s %" PRIu64, name, value);
}

/* A label's value: foreign, so quotes, backslashes and line breaks are escaped; rest is UTF-8. */
static void label(const char *value, char escaped[static 2 * SHIP_LABEL_MAX * 2 + 1])
{
	size_t n = 0;

	for (; *value && n < 2 * SHIP_LABEL_MAX * 2 - 1; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			escaped[n++] = '\\';
		escaped[n++] = *value == '\n' ? 'n' : *value;
	}
	escaped[n] = '\0';
}

static void write_flows(const struct ship *ship, struct buffer *text)
{
	static const char *const names[] = {"podfence_flow_events_total",
					    "podfence_flow_packets_total"};
	static const char *const help[] = {"Flow events by what became of the packets.",
					   "Packets those events speak of."};

	for (int m = 0; m < 2; m++) {
		head(text, names[m], "counter", help[m]);
		for (size_t i = 0; i <= SHIP_SERIES_MAX; i++) {
			const struct ship_series *series = &ship->series[i];
			char namespace[2 * SHIP_LABEL_MAX * 2 + 1], policy[sizeof(namespace)],
				kind[sizeof(namespace)];
			if (!series->events)
				continue;
			label(series->namespace, namespace);
			label(series->policy, policy);
			label(series->kind, kind);
			line(text,
			     "%s{action=\"%s\",namespace=\"%s\",policy=\"%s\",kind=\"%s\"} "
			     "%" PRIu64,
			     names[m], ship_action_names[series->action], namespace, policy, kind,
			     m ? series->packets : series->events);
		}
	}
}

/* Lines that are in the transaction, and may be lost with it. */
static uint64_t pending_lines(const struct ship *ship)
{
	uint64_t events = ship->store ? store_last(ship->store) - store_committed(ship->store) : 0;

	return events > ship->n_own ? events - ship->n_own : 0;
}

static void write_lines(const struct ship *ship, struct buffer *text)
{
	const struct ship_counts *counts = &ship->counts;

	head(text, "podfence_ship_lines_total", "counter",
	     "Event lines of the agent by what became of "
	     "them.");
	line(text, "podfence_ship_lines_total{outcome=\"stored\"} %" PRIu64,
	     counts->lines - counts->refused - counts->lost_store - pending_lines(ship));
	line(text, "podfence_ship_lines_total{outcome=\"refused\"} %" PRIu64, counts->refused);
	line(text, "podfence_ship_lines_total{outcome=\"lost-before\"} %" PRIu64,
	     counts->lost_before);
	line(text, "podfence_ship_lines_total{outcome=\"lost-store\"} %" PRIu64,
	     counts->lost_store);
	single(text, "podfence_ship_alerts_total", "counter", "Alerts that were made.",
	       counts->alerts);
	single(text, "podfence_ship_alert_groups", "gauge", "Groups of alerts that are open.",
	       alerts_groups(ship->alerts));
	single(text, "podfence_ship_seam_connected", "gauge", "1: the agent's events are read.",
	       ship->intake.fd >= 0);
	single(text, "podfence_ship_seam_connections_total", "counter", "Connections to the agent.",
	       counts->connections);
}

static void write_store(const struct ship *ship, struct buffer *text)
{
	single(text, "podfence_store_up", "gauge", "1: events can be stored.",
	       ship->store && !ship->store_problem[0]);
	single(text, "podfence_store_set_aside_total", "counter",
	       "Stores that were damaged or gone and begun anew.", ship->set_aside);
	single(text, "podfence_store_evicted_total", "counter",
	       "Events that were deleted for size or age.", ship->counts.evicted);
	if (!ship->store)
		return;
	single(text, "podfence_store_bytes", "gauge", "Bytes of the store in use.",
	       store_bytes(ship->store));
	single(text, "podfence_store_events", "gauge", "Events in the store.",
	       store_last(ship->store) + 1 - store_first(ship->store));
	single(text, "podfence_store_oldest_timestamp_seconds", "gauge",
	       "When the oldest event in the store happened; 0: there is none.",
	       store_oldest(ship->store) / 1000000u);
}

/* Numbers of an output, by name of the metric. */
static uint64_t output_number(const struct ship *ship, const struct delivery *delivery, int which)
{
	uint64_t last = ship->store ? store_last(ship->store) : delivery->books.cursor;

	switch (which) {
	case 0: return delivery->retried;
	case 1: return delivery->requests;
	case 2: return delivery_waiting(delivery, last);
	case 3: return !delivery->problem[0];
	default: return delivery->delivered_usec / 1000000u;
	}
}

static void write_outputs(const struct ship *ship, struct buffer *text)
{
	static const struct {
		const char *name, *type, *help;
	} rows[] = {
		{"podfence_output_retries_total", "counter", "Deliveries that were put off."},
		{"podfence_output_requests_total", "counter", "Requests that were made."},
		{"podfence_output_lag_events", "gauge", "Events that wait for the output."},
		{"podfence_output_up", "gauge", "1: the last delivery was taken."},
		{"podfence_output_last_delivered_timestamp_seconds", "gauge",
		 "When something was delivered last."},
	};
	static const char *const outcomes[] = {"delivered", "dead", "dropped", "filtered"};

	for (size_t m = 0; m < sizeof(rows) / sizeof(rows[0]); m++) {
		head(text, rows[m].name, rows[m].type, rows[m].help);
		for (size_t i = 0; i < ship->n_deliveries; i++)
			line(text, "%s{output=\"%s\"} %" PRIu64, rows[m].name,
			     ship->deliveries[i]->config->name,
			     output_number(ship, ship->deliveries[i], (int)m));
	}
	head(text, "podfence_output_events_total", "counter", "Events by what became of them.");
	for (size_t i = 0; i < ship->n_deliveries; i++) {
		const struct store_output books = delivery_counts(ship->deliveries[i]);
		const uint64_t numbers[] = {books.delivered, books.dead, books.dropped,
					    books.filtered};
		for (int k = 0; k < 4; k++)
			line(text,
			     "podfence_output_events_total{output=\"%s\",outcome=\"%s\"} %" PRIu64,
			     ship->deliveries[i]->config->name, outcomes[k], numbers[k]);
	}
}

static const struct agent_metric {
	const char *path, *name, *labels, *type, *help;
} agent_metrics[] = {
	{"enforcing", "podfence_enforcing", "", "gauge", "1: what is external is denied."},
	{"endpoints.enforced", "podfence_endpoints", "{coverage=\"enforced\"}", "gauge",
	 "Endpoints of this node by coverage."},
	{"endpoints.audit", "podfence_endpoints", "{coverage=\"audit\"}", "gauge", NULL},
	{"endpoints.pending", "podfence_endpoints", "{coverage=\"pending\"}", "gauge", NULL},
	{"endpoints.uncovered", "podfence_endpoints", "{coverage=\"uncovered\"}", "gauge", NULL},
	{"books.records_received", "podfence_nflog_records_total", "{outcome=\"received\"}",
	 "counter", "NFLOG records by what became of them."},
	{"books.records_lost", "podfence_nflog_records_total", "{outcome=\"lost\"}", "counter",
	 NULL},
	{"books.records_malformed", "podfence_nflog_records_total", "{outcome=\"malformed\"}",
	 "counter", NULL},
	{"books.records_foreign", "podfence_nflog_records_total", "{outcome=\"foreign\"}",
	 "counter", NULL},
	{"books.events_written", "podfence_stdout_events_total", "{outcome=\"written\"}", "counter",
	 "Events on the agent's standard output."},
	{"books.events_dropped", "podfence_stdout_events_total", "{outcome=\"dropped\"}", "counter",
	 NULL},
	{"ledger.flows", "podfence_ledger_flows", "", "gauge", "Flows the kernel holds."},
	{"ledger.denied.ledger", "podfence_ledger_packets_total",
	 "{class=\"denied\",counted=\"flow\"}", "counter",
	 "Packets by where they are counted: their flow, their sender, or no sender."},
	{"ledger.denied.overflow", "podfence_ledger_packets_total",
	 "{class=\"denied\",counted=\"sender\"}", "counter", NULL},
	{"ledger.denied.unkept", "podfence_ledger_packets_total",
	 "{class=\"denied\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.audited.ledger", "podfence_ledger_packets_total",
	 "{class=\"audited\",counted=\"flow\"}", "counter", NULL},
	{"ledger.audited.overflow", "podfence_ledger_packets_total",
	 "{class=\"audited\",counted=\"sender\"}", "counter", NULL},
	{"ledger.audited.unkept", "podfence_ledger_packets_total",
	 "{class=\"audited\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.allowed.ledger", "podfence_ledger_packets_total",
	 "{class=\"allowed\",counted=\"flow\"}", "counter", NULL},
	{"ledger.allowed.unkept", "podfence_ledger_packets_total",
	 "{class=\"allowed\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.spoofed.overflow", "podfence_ledger_packets_total",
	 "{class=\"spoofed\",counted=\"sender\"}", "counter", NULL},
	{"ledger.spoofed.unkept", "podfence_ledger_packets_total",
	 "{class=\"spoofed\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.tunneled.overflow", "podfence_ledger_packets_total",
	 "{class=\"tunneled\",counted=\"sender\"}", "counter", NULL},
	{"ledger.tunneled.unkept", "podfence_ledger_packets_total",
	 "{class=\"tunneled\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.quarantined.overflow", "podfence_ledger_packets_total",
	 "{class=\"quarantined\",counted=\"sender\"}", "counter", NULL},
	{"ledger.quarantined.unkept", "podfence_ledger_packets_total",
	 "{class=\"quarantined\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.backstopped.overflow", "podfence_ledger_packets_total",
	 "{class=\"backstopped\",counted=\"sender\"}", "counter", NULL},
	{"ledger.backstopped.unkept", "podfence_ledger_packets_total",
	 "{class=\"backstopped\",counted=\"nobody\"}", "counter", NULL},
	{"ledger.denied.difference", "podfence_books_difference_packets", "{class=\"denied\"}",
	 "gauge", "Packets that the table counted and no flow or sender did."},
	{"ledger.audited.difference", "podfence_books_difference_packets", "{class=\"audited\"}",
	 "gauge", NULL},
	{"ledger.allowed.difference", "podfence_books_difference_packets", "{class=\"allowed\"}",
	 "gauge", NULL},
	{"ledger.spoofed.difference", "podfence_books_difference_packets", "{class=\"spoofed\"}",
	 "gauge", NULL},
	{"ledger.tunneled.difference", "podfence_books_difference_packets", "{class=\"tunneled\"}",
	 "gauge", NULL},
	{"ledger.quarantined.difference", "podfence_books_difference_packets",
	 "{class=\"quarantined\"}", "gauge", NULL},
	{"ledger.backstopped.difference", "podfence_books_difference_packets",
	 "{class=\"backstopped\"}", "gauge", NULL},
	{"ledger.messages_sent", "podfence_nflog_sent_total", "", "counter",
	 "NFLOG messages sent by our rules."},
	{"ledger.messages_unheard", "podfence_nflog_unheard", "", "gauge",
	 "Of them, neither received nor known as lost."},
	{"processes.named", "podfence_process_lookups_total", "{outcome=\"named\"}", "counter",
	 "Look-ups for the process that sent a packet."},
	{"processes.unknown", "podfence_process_lookups_total", "{outcome=\"unknown\"}", "counter",
	 NULL},
	{"processes.skipped", "podfence_process_lookups_total", "{outcome=\"skipped\"}", "counter",
	 NULL},
	{"backstop.frames", "podfence_backstop_frames_total", "", "counter",
	 "Frames of packet sockets to external destinations."},
	{"transaction.generation", "podfence_generation", "", "gauge",
	 "Generation of the rules in force."},
	{"transaction.generation", "podfence_transactions_total", "", "counter",
	 "Changes of the rules that the kernel took."},
	{"transaction.refused", "podfence_transactions_refused_total", "", "counter",
	 "Changes that failed."},
	{"api.lag_seconds", "podfence_api_lag_seconds", "", "gauge",
	 "Since the API server was heard, of the resource it is silent about longest."},
	{"transaction.owned", "podfence_tables_owned", "", "gauge",
	 "1: the tables are nobody else's to change."},
	{"api.synced", "podfence_api_synced", "", "gauge",
	 "1: the Kubernetes API was listed and is watched."},
	{"control.calls", "podfence_control_calls_total", "", "counter",
	 "Calls at the control socket."},
};

/* Bounds are those of the agent (DELAY_BOUNDS). */
static void write_delays(const struct ship *ship, struct buffer *text)
{
	static const char *const bounds[] = {"0.001", "0.002", "0.005", "0.01", "0.02",
					     "0.05",  "0.1",   "1",	"+Inf"};
	struct json_object *counts = ship_find(ship->status, "transaction.delays");
	uint64_t sum = 0;

	if (!json_object_is_type(counts, json_type_array) ||
	    json_object_array_length(counts) != sizeof(bounds) / sizeof(bounds[0]))
		return;
	head(text, "podfence_enforced_delay_seconds", "histogram",
	     "From a change of the node to its rules in force.");
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		sum += json_object_get_uint64(json_object_array_get_idx(counts, i));
		line(text, "podfence_enforced_delay_seconds_bucket{le=\"%s\"} %" PRIu64, bounds[i],
		     sum);
	}
	line(text, "podfence_enforced_delay_seconds_sum %.6f",
	     (double)ship_number(ship->status, "transaction.delays_usec") / 1e6);
	line(text, "podfence_enforced_delay_seconds_count %" PRIu64, sum);
}

static void write_unresolved(const struct ship *ship, struct buffer *text)
{
	struct json_object *list = ship_find(ship->status, "unresolved");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	head(text, "podfence_endpoints_unresolved", "gauge",
	     "Endpoints that are pending or uncovered, by reason.");
	for (size_t i = 0; i < n && i < UNRESOLVED_MAX; i++) {
		struct json_object *row = json_object_array_get_idx(list, i);
		char reason[2 * SHIP_LABEL_MAX * 2 + 1], coverage[sizeof(reason)];
		label(ship_text(row, "reason"), reason);
		label(ship_text(row, "coverage"), coverage);
		line(text, "podfence_endpoints_unresolved{coverage=\"%s\",reason=\"%s\"} %" PRIu64,
		     coverage, reason, ship_number(row, "endpoints"));
	}
}

static void write_agent(const struct ship *ship, struct buffer *text)
{
	bool is_fresh = ship->status &&
			clock_usec(CLOCK_MONOTONIC) - ship->status_usec < STATE_FRESH_USEC;

	single(text, "podfence_agent_up", "gauge", "1: podfenced told of itself within 20 s.",
	       is_fresh);
	for (size_t i = 0; is_fresh && i < sizeof(agent_metrics) / sizeof(agent_metrics[0]); i++) {
		const struct agent_metric *metric = &agent_metrics[i];
		struct json_object *value = ship_find(ship->status, metric->path);
		if (metric->help)
			head(text, metric->name, metric->type, metric->help);
		if (json_object_is_type(value, json_type_boolean))
			line(text, "%s%s %d", metric->name, metric->labels,
			     json_object_get_boolean(value));
		else if (json_object_is_type(value, json_type_int))
			line(text, "%s%s %" PRIu64, metric->name, metric->labels,
			     json_object_get_uint64(value));
	}
	const char *failure = ship_text(ship->status, "transaction.failure");
	const char *source = ship_text(ship->status, "api.source");
	if (is_fresh)
		single(text, "podfence_api_configured", "gauge",
		       "1: the agent is to ask a Kubernetes API.",
		       source[0] && strcmp(source, "none") != 0);
	if (is_fresh) {
		write_unresolved(ship, text);
		write_delays(ship, text);
	}
	if (is_fresh)
		single(text, "podfence_rules_failing", "gauge",
		       "1: the kernel refused the last change, the old rules stay.",
		       failure[0] != 0);
	if (is_fresh)
		single(text, "podfence_agent_start_timestamp_seconds", "gauge",
		       "When podfenced started.",
		       ship_number(ship->status, "started_usec") / 1000000u);
}

void metrics_write(const struct ship *ship, struct buffer *text)
{
	head(text, "podfence_build_info", "gauge", "The shipper's version.");
	line(text, "podfence_build_info{version=\"%s\"} 1", PODFENCE_VERSION);
	single(text, "podfence_ship_start_timestamp_seconds", "gauge", "When the shipper started.",
	       ship->started_usec / 1000000u);
	write_agent(ship, text);
	write_flows(ship, text);
	write_lines(ship, text);
	write_store(ship, text);
	write_outputs(ship, text);
}

void metrics_unready(const struct ship *ship, struct buffer *text)
{
	/* No receiver, no API server, no podfenced: when one is away all nodes of a cluster would be
	 * unready at once, and a rollout replaces what is unready first. */
	if (!ship->store)
		line(text, "the store cannot be opened: %s", ship->store_problem);
	else if (ship->store_problem[0])
		line(text, "events cannot be stored: %s", ship->store_problem);
}

void metrics_problems(const struct ship *ship, struct buffer *text)
{
	metrics_unready(ship, text);
	if (ship->intake.fd < 0)
		line(text, "not connected to podfenced (%s)", ship->config->seam_socket);
	else if (!ship->status ||
		 clock_usec(CLOCK_MONOTONIC) - ship->status_usec >= STATE_FRESH_USEC)
		line(text, "podfenced has not told of itself");
	for (size_t i = 0; i < ship->n_deliveries; i++)
		if (ship->deliveries[i]->problem[0])
			line(text, "output %s: %s", ship->deliveries[i]->config->name,
			     ship->deliveries[i]->problem);
	if (ship->taint && taint_problem(ship->taint)[0])
		line(text, "taint %s: %s", ship->config->taint_key, taint_problem(ship->taint));
}
