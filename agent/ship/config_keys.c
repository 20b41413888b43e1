/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Two schema tables, of the file and of one of its outputs; whatever is said about a key (default,
 * range, message, podfence-ship.yaml(5)) comes from its row. */
#include "ship/config.h"

#include <stddef.h>

#define AT(field)  offsetof(struct ship_config, field)
#define OUT(field) offsetof(struct ship_output_config, field)

const char *const ship_kind_names[] = {"file",	       "journald",   "elasticsearch",
				       "webhook",      "slack",	     "dingtalk",
				       "alertmanager", "kubernetes", NULL};
static const char *const contents[] = {"usual", "events", "alerts", "all", NULL};
static const char *const actions[] = {"dropped", "rejected", "would-drop", "allowed", NULL};
static const char *const switches[] = {"off", "on", NULL};

/* path, type, offset, minimum, maximum, default, words, help */
const struct ship_key ship_keys[] = {
	{"seam.socket", SHIP_PATH, AT(seam_socket), 0, 0, "/run/podfence/events.sock", NULL,
	 "Where podfenced writes its events (its events.socket)."},
	{"store.directory", SHIP_PATH, AT(store_directory), 0, 0, "/var/lib/podfence/ship", NULL,
	 "Where events.db is kept: history, and what waits for outputs."},
	{"store.maxMebibytes", SHIP_NUMBER, AT(store_mebibytes), 8, 1048576, "512", NULL,
	 "Its size; beyond it the oldest events go, and are counted where an output had not got "
	 "them."},
	{"store.maxHours", SHIP_NUMBER, AT(store_hours), 1, 87600, "168", NULL,
	 "How long events are kept."},
	{"metrics.address", SHIP_STRING, AT(metrics_address), 0, 64, "127.0.0.1", NULL,
	 "Where /metrics, /livez, /readyz and /healthz are served; empty: nowhere."},
	{"metrics.port", SHIP_NUMBER, AT(metrics_port), 0, 65535, "9789", NULL,
	 "And the port; 0: one that is free."},
	{"alerts.intervalSeconds", SHIP_NUMBER, AT(alert_interval), 10, 86400, "300", NULL,
	 "After its first alert a group (pod and destination) is summed up so often."},
	{"alerts.quietSeconds", SHIP_NUMBER, AT(alert_quiet), 10, 604800, "900", NULL,
	 "A group that had no event for so long is resolved."},
	{"alerts.groups", SHIP_NUMBER, AT(alert_groups), 16, 65536, "2048", NULL,
	 "How many groups at once; what is beyond is one group of its own."},
	{"clusterName", SHIP_STRING, AT(cluster_name), 0, 253, "", NULL,
	 "Label cluster of alerts, where the events do not name it."},
	{"startupTaint.key", SHIP_STRING, AT(taint_key), 0, 317, "", NULL,
	 "A taint (podfence.io/agent-not-ready) that is taken from this node when podfenced is "
	 "ready; empty: none is looked for. Needs the right to get and patch nodes."},
	{"startupTaint.server", SHIP_STRING, AT(taint_server), 0, 300, "", NULL,
	 "The API server, https://ADDRESS:PORT; empty: as a pod is told."},
	{"startupTaint.tokenFile", SHIP_PATH, AT(taint_token_file), 0, 0,
	 "/var/run/secrets/kubernetes.io/serviceaccount/token", NULL, "The bearer token."},
	{"startupTaint.caFile", SHIP_PATH, AT(taint_ca_file), 0, 0,
	 "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", NULL,
	 "Certificates of authorities; empty: the system's."},
};
const size_t n_ship_keys = sizeof(ship_keys) / sizeof(ship_keys[0]);

const struct ship_key ship_output_keys[] = {
	{"name", SHIP_STRING, OUT(name), 1, 64, "", NULL,
	 "Names it in messages, metrics and the store."},
	{"kind", SHIP_WORD, OUT(kind), 1, 0, "", ship_kind_names, "What it is."},
	{"content", SHIP_WORD, OUT(content), 0, 0, "usual", contents,
	 "Events, alerts or all; usual: events for file, journald, elasticsearch and webhook, "
	 "alerts for the others."},
	{"actions", SHIP_LIST, OUT(actions), 0, SHIP_LIST_MAX, "", actions,
	 "Only these (dropped, rejected, would-drop, allowed); empty: all."},
	{"namespaces", SHIP_LIST, OUT(namespaces), 0, SHIP_LIST_MAX, "", NULL,
	 "Only of these; empty: all."},
	{"minimumSeverity", SHIP_NUMBER, OUT(minimum_severity), 0, 100, "0", NULL,
	 "Only from this event.severity on."},
	{"path", SHIP_PATH, OUT(path), 0, 0, "", NULL, "file: where to. SIGHUP opens it anew."},
	{"maxMebibytes", SHIP_NUMBER, OUT(file_bytes), 0, 65536, "100", NULL,
	 "file: moved to PATH.1 when it is so large; 0: never."},
	{"keep", SHIP_NUMBER, OUT(file_keep), 1, 100, "5", NULL, "file: so many of these."},
	{"urls", SHIP_LIST, OUT(urls), 0, 16, "", NULL,
	 "Where to, http or https; the next one is tried where one fails. alertmanager and "
	 "kubernetes: without path."},
	{"urlFile", SHIP_PATH, OUT(url_file), 0, 0, "", NULL,
	 "A file with the URL, where that is a secret (slack, dingtalk)."},
	{"user", SHIP_STRING, OUT(user), 0, 256, "", NULL, "Basic authentication."},
	{"passwordFile", SHIP_PATH, OUT(password_file), 0, 0, "", NULL, "Its password."},
	{"apiKeyFile", SHIP_PATH, OUT(api_key_file), 0, 0, "", NULL,
	 "elasticsearch: an API key, as id:key or encoded."},
	{"tokenFile", SHIP_PATH, OUT(token_file), 0, 0, "", NULL, "A bearer token."},
	{"secretFile", SHIP_PATH, OUT(secret_file), 0, 0, "", NULL,
	 "webhook: key of the signature; dingtalk: secret of the robot."},
	{"caFile", SHIP_PATH, OUT(ca_file), 0, 0, "", NULL,
	 "Certificates of authorities instead of the system's."},
	{"certificateFile", SHIP_PATH, OUT(certificate_file), 0, 0, "", NULL,
	 "Our own certificate."},
	{"keyFile", SHIP_PATH, OUT(key_file), 0, 0, "", NULL, "And its key."},
	{"proxy", SHIP_STRING, OUT(proxy), 0, 512, "", NULL,
	 "http://HOST:PORT of a proxy on the way; the environment's are not used."},
	{"headers", SHIP_LIST, OUT(headers), 0, 16, "", NULL, "webhook: \"Name: value\"."},
	{"streamNamespace", SHIP_STRING, OUT(stream), 1, 64, "default", NULL,
	 "elasticsearch: of the data streams, logs-podfence.flow-NAMESPACE."},
	{"batchEvents", SHIP_NUMBER, OUT(batch_events), 1, 10000, "1600", NULL,
	 "At most so many in one request (webhook: more than 1 makes a list of them)."},
	{"batchKibibytes", SHIP_NUMBER, OUT(batch_bytes), 16, 65536, "5120", NULL,
	 "And so many bytes."},
	{"gzip", SHIP_WORD, OUT(gzip), 0, 0, "on", switches, "elasticsearch: the request's body."},
	{"timeoutSeconds", SHIP_NUMBER, OUT(timeout), 1, 600, "30", NULL, "For one request."},
	{"perMinute", SHIP_NUMBER, OUT(per_minute), 0, 60000, "0", NULL,
	 "At most so many requests a minute; 0: no limit (dingtalk 18, slack 50, kubernetes 60)."},
	{"keyword", SHIP_STRING, OUT(keyword), 0, 64, "", NULL,
	 "dingtalk: the word a robot in keyword mode wants."},
};
const size_t n_ship_output_keys = sizeof(ship_output_keys) / sizeof(ship_output_keys[0]);
