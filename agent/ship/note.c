/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Names of processes and labels are the attacker's to choose: what means something to the receiver's
 * markup is taken out of them before they go into a message. */
#include "ship/note.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "event/timestamp.h"

#define TEXT_MAX  2800 /* of a section of Slack: 3000 */
#define NOTE_MAX  1000 /* of an Event: 1024 */
#define VALUE_MAX 200

enum markup { MARKUP_SLACK, MARKUP_MARKDOWN, MARKUP_NONE };

struct text {
	char bytes[TEXT_MAX];
	size_t length;
};

static void add(struct text *text, const char *literal)
{
	size_t n = strlen(literal);

	if (text->length + n >= sizeof(text->bytes))
		return;
	memcpy(text->bytes + text->length, literal, n + 1);
	text->length += n;
}

/* A foreign text, without what the markup would take for its own. */
static void add_foreign(struct text *text, const char *foreign, enum markup markup)
{
	static const char *const special[] = {"<>&*_~`|@", "<>*_~`|@[]()#!\\", ""};
	char clean[VALUE_MAX];
	size_t n = 0;

	for (; foreign[n] && n < sizeof(clean) - 1; n++)
		clean[n] = strchr(special[markup], foreign[n]) || (unsigned char)foreign[n] < 0x20
				   ? '?'
				   : foreign[n];
	while (n && ((unsigned char)clean[n - 1] & 0xc0) == 0x80 && foreign[n])
		n--; /* no character is cut in two */
	clean[n] = '\0';
	add(text, clean);
}

static void add_pair(struct text *text, const char *name, const char *value, enum markup markup)
{
	if (!value[0])
		return;
	add(text, markup == MARKUP_MARKDOWN ? "\n- " : "\n");
	add(text, name);
	add(text, ": ");
	add_foreign(text, value, markup);
}

static void endpoint_name(struct json_object *tree, char name[static VALUE_MAX])
{
	const char *namespace = ship_text(tree, "kubernetes.namespace");
	const char *pod = ship_text(tree, "kubernetes.pod.name");

	snprintf(name, VALUE_MAX, "%s%s%s", namespace, namespace[0] ? "/" : "",
		 pod[0] ? pod : ship_text(tree, "podfence.endpoint.name"));
}

static void destination_name(struct json_object *tree, char name[static VALUE_MAX])
{
	const char *ip = ship_text(tree, "destination.ip");
	const char *transport = ship_text(tree, "network.transport");
	unsigned port = (unsigned)ship_number(tree, "destination.port");

	if (port)
		snprintf(name, VALUE_MAX, strchr(ip, ':') ? "[%s]:%u%s%s" : "%s:%u%s%s", ip, port,
			 transport[0] ? "/" : "", transport);
	else
		snprintf(name, VALUE_MAX, "%s", ip);
}

static void how_often(struct json_object *tree, char text[static VALUE_MAX])
{
	unsigned long long since = ship_number(tree, "podfence.alert.events");
	unsigned long long total = ship_number(tree, "podfence.alert.events_total");

	text[0] = '\0';
	if (total)
		snprintf(text, VALUE_MAX,
			 "%llu events since the last message, %llu in all, from %s", since, total,
			 ship_text(tree, "event.start"));
}

static void add_commands(struct text *text, const char *who, const char *where, const char *ip,
			 enum markup markup)
{
	char line[3 * VALUE_MAX];

	if (!ip[0] || !who[0])
		return;
	snprintf(line, sizeof(line), "podfence why %s %s; podfence who %s", who, where, ip);
	add_pair(text, "Look further", line, markup);
}

static void make_text(struct json_object *tree, enum markup markup, struct text *text)
{
	char who[VALUE_MAX], where[VALUE_MAX], often[VALUE_MAX];

	*text = (struct text){};
	endpoint_name(tree, who);
	destination_name(tree, where);
	how_often(tree, often);
	add(text, markup == MARKUP_MARKDOWN ? "#### " : markup == MARKUP_SLACK ? "*" : "");
	add_foreign(text, ship_text(tree, "message"), markup);
	add(text, markup == MARKUP_SLACK ? "*" : markup == MARKUP_MARKDOWN ? "\n" : "");
	add_pair(text, "Who", who, markup);
	add_pair(text, "Process", ship_text(tree, "process.name"), markup);
	add_pair(text, "Container", ship_text(tree, "container.name"), markup);
	add_pair(text, "Node", ship_text(tree, "host.name"), markup);
	add_pair(text, "What", ship_text(tree, "event.action"), markup);
	add_pair(text, "Where to", where, markup);
	add_pair(text, "How often", often, markup);
	add_pair(text, "Rule", ship_text(tree, "rule.name"), markup);
	add_pair(text, "Because", ship_text(tree, "rule.description"), markup);
	add_commands(text, who, where, ship_text(tree, "destination.ip"), markup);
}

static void add_title(struct json *json, const char *key, struct json_object *const *trees,
		      size_t n, enum markup markup)
{
	struct text title = {};
	char more[48];

	add_foreign(&title, ship_text(trees[0], "message"), markup);
	if (n > 1) {
		snprintf(more, sizeof(more), " (and %zu more)", n - 1);
		add(&title, more);
	}
	json_string(json, key, title.bytes);
}

void note_slack(struct json_object *const *trees, size_t n, struct buffer *body)
{
	struct json json;

	json_init(&json, body);
	json_object_begin(&json, NULL);
	add_title(&json, "text", trees, n, MARKUP_SLACK);
	json_array_begin(&json, "blocks");
	for (size_t i = 0; i < n; i++) {
		struct text text;
		make_text(trees[i], MARKUP_SLACK, &text);
		json_object_begin(&json, NULL);
		json_string(&json, "type", "section");
		json_object_begin(&json, "text");
		json_string(&json, "type", "mrkdwn");
		json_string_n(&json, "text", text.bytes, text.length);
		json_object_end(&json);
		json_object_end(&json);
	}
	json_array_end(&json);
	json_object_end(&json);
}

void note_dingtalk(struct json_object *const *trees, size_t n, const char *keyword,
		   struct buffer *body)
{
	struct buffer whole = BUFFER_INIT;
	struct json json;

	if (keyword[0]) {
		buffer_add_text(&whole, keyword);
		buffer_add_text(&whole, "\n\n");
	}
	for (size_t i = 0; i < n; i++) {
		struct text text;
		make_text(trees[i], MARKUP_MARKDOWN, &text);
		buffer_add(&whole, text.bytes, text.length);
		buffer_add_text(&whole, "\n\n");
	}
	json_init(&json, body);
	json_object_begin(&json, NULL);
	json_string(&json, "msgtype", "markdown");
	json_object_begin(&json, "markdown");
	add_title(&json, "title", trees, n, MARKUP_MARKDOWN);
	if (!whole.is_broken)
		json_string_n(&json, "text", whole.bytes, whole.length);
	json_object_end(&json);
	json_object_end(&json);
	body->is_broken |= whole.is_broken;
	buffer_done(&whole);
}

/* RFC 3339 of an RFC 3339 text and so many seconds; "" where it is none. */
static void add_seconds(const char *text, uint64_t seconds, char later[static TIMESTAMP_LENGTH + 1])
{
	struct tm tm = {};

	later[0] = '\0';
	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return;
	timestamp_text(((uint64_t)timegm(&tm) + seconds) * 1000000u, later);
	later[TIMESTAMP_LENGTH] = '\0';
}

/* Labels are of what there are few of: they make an alert one, and are kept by others for long. */
static void add_labels(struct json *json, struct json_object *tree, const char *cluster)
{
	const char *known = ship_text(tree, "orchestrator.cluster.name");
	const char *action = ship_text(tree, "event.action");

	json_object_begin(json, "labels");
	json_string(json, "alertname",
		    strcmp(action, "would-drop") != 0 ? "PodfenceEgressDenied"
						      : "PodfenceEgressWouldBeDenied");
	json_string(json, "severity",
		    ship_number(tree, "event.severity") >= 70 ? "critical" : "warning");
	json_string(json, "cluster", known[0] ? known : cluster);
	json_string(json, "node", ship_text(tree, "host.name"));
	json_string(json, "namespace", ship_text(tree, "kubernetes.namespace"));
	json_string(json, "pod", ship_text(tree, "kubernetes.pod.name"));
	json_string(json, "rule", ship_text(tree, "rule.name"));
	json_object_end(json);
}

void note_alertmanager(struct json_object *const *trees, size_t n, const char *cluster,
		       uint64_t resend_usec, struct buffer *body)
{
	char ends[TIMESTAMP_LENGTH + 1];
	struct json json;

	json_init(&json, body);
	json_array_begin(&json, NULL);
	for (size_t i = 0; i < n; i++) {
		struct text text;
		bool is_over = !strcmp(ship_text(trees[i], "podfence.alert.state"), "resolved");
		make_text(trees[i], MARKUP_NONE, &text);
		json_object_begin(&json, NULL);
		add_labels(&json, trees[i], cluster);
		json_object_begin(&json, "annotations");
		json_string(&json, "summary", ship_text(trees[i], "message"));
		json_string_n(&json, "description", text.bytes, text.length);
		json_object_end(&json);
		json_string(&json, "startsAt", ship_text(trees[i], "event.start"));
		add_seconds(ship_text(trees[i], "event.end"), is_over ? 1 : resend_usec / 1000000u,
			    ends);
		if (ends[0])
			json_string(&json, "endsAt", ends);
		json_object_end(&json);
	}
	json_array_end(&json);
}

/* A series is of two at least. */
static void add_series(struct json *json, struct json_object *tree)
{
	uint64_t count = ship_number(tree, "podfence.alert.events_total");

	if (count < 2)
		return;
	json_object_begin(json, "series");
	json_uint(json, "count", count > INT32_MAX ? INT32_MAX : count);
	json_string(json, "lastObservedTime", ship_text(tree, "event.end"));
	json_object_end(json);
}

/* Of a static pod kubectl shows what regards its manifest's hash, as the kubelet's own Events do
 * (kubectl/pkg/describe, PodDescriber). */
static void add_regarding(struct json *json, struct json_object *tree)
{
	const char *hash = ship_text(tree, "kubernetes.annotations.kubernetes_io/config_hash");
	const char *uid = hash[0] ? hash : ship_text(tree, "kubernetes.pod.uid");

	json_object_begin(json, "regarding");
	json_string(json, "apiVersion", "v1");
	json_string(json, "kind", "Pod");
	json_string(json, "namespace", ship_text(tree, "kubernetes.namespace"));
	json_string(json, "name", ship_text(tree, "kubernetes.pod.name"));
	json_string(json, "uid", uid[0] ? uid : NULL);
	json_object_end(json);
}

static void add_kubernetes(struct json *json, struct json_object *tree, const char *name)
{
	bool would = !strcmp(ship_text(tree, "event.action"), "would-drop");
	char note[NOTE_MAX + 1];

	snprintf(note, sizeof(note), "%s", ship_text(tree, "message"));
	json_string(json, "apiVersion", "events.k8s.io/v1");
	json_string(json, "kind", "Event");
	json_object_begin(json, "metadata");
	json_string(json, "namespace", ship_text(tree, "kubernetes.namespace"));
	json_string(json, "name", name);
	json_object_end(json);
	json_string(json, "eventTime", ship_text(tree, "event.start"));
	json_string(json, "reportingController", "podfence.io/agent");
	json_string(json, "reportingInstance", ship_text(tree, "host.name"));
	json_string(json, "action", "Egress");
	json_string(json, "reason", would ? "EgressWouldBeDenied" : "EgressDenied");
	json_string(json, "type", "Warning");
	json_string(json, "note", note);
	add_regarding(json, tree);
	add_series(json, tree);
}

/* Names of namespaces and pods go into a path: they are of letters, digits, '-' and '.'. */
static bool is_name(const char *text)
{
	return text[0] && strlen(text) <= 200 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(text);
}

int note_kubernetes(struct json_object *tree, bool is_anew, struct note_kubernetes *ret_note,
		    struct buffer *body)
{
	const char *namespace = ship_text(tree, "kubernetes.namespace");
	const char *pod = ship_text(tree, "kubernetes.pod.name");
	const char *state = ship_text(tree, "podfence.alert.state");
	char name[256];
	struct json json;

	if (!is_name(namespace) || !is_name(pod) || !strcmp(state, "resolved"))
		return NOTE_E_NOT_FOR_IT;
	ret_note->is_patch = !strcmp(state, "summary") && !is_anew;
	snprintf(name, sizeof(name), "%s.%.32s", pod,
		 ship_text(tree, ship_text(tree, "podfence.alert.fingerprint")[0]
					 ? "podfence.alert.fingerprint"
					 : "event.id"));
	snprintf(ret_note->path, sizeof(ret_note->path),
		 "/apis/events.k8s.io/v1/namespaces/%s/events%s%s", namespace,
		 ret_note->is_patch ? "/" : "", ret_note->is_patch ? name : "");
	json_init(&json, body);
	json_object_begin(&json, NULL);
	if (ret_note->is_patch)
		add_series(&json, tree);
	else
		add_kubernetes(&json, tree, name);
	json_object_end(&json);
	return 0;
}
