/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Groups stand in a table of chains by a keyed hash of what makes them one, and in the order of
 * their beginning. Looking for what is due goes round the table, a part of it each time, so that a
 * scan of thousands of destinations makes no pause.
 *
 * An alert keeps the parts of the event that say who: they are copied as they are. */
#include "ship/alert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address_text.h"
#include "base/json.h"
#include "base/siphash.h"

#define BUCKETS	  4096
#define RAW(j, s) json_raw(j, NULL, s, sizeof(s) - 1)

/* Objects of an event that say who and where from; of the group of all others the first ones only. */
static const char *const kept[] = {"host",	"observer", "orchestrator", "kubernetes",
				   "container", "process",  "user",	    "rule"};
#define KEPT_HOST     0
#define KEPT_OBSERVER 1
#define KEPT_OF_OTHER 2

struct group {
	struct group *next;
	uint8_t key[16];
	char *members; /* the kept objects, as members of an object */
	bool has_host, has_observer;
	char who[160], text[PF_ADDRESS_TEXT + 8], kind[16], policy[160], process[64];
	struct pf_address destination;
	enum ship_action action;
	unsigned severity;
	uint8_t protocol;
	uint16_t port;
	uint64_t first_usec, last_usec; /* of the events */
	uint64_t told_usec, seen_usec;	/* monotonic */
	uint64_t events, packets, untold, untold_packets;
	uint64_t number; /* of alerts told */
};

struct alerts {
	struct alert_options options;
	struct group *buckets[BUCKETS];
	size_t n_groups, hand;
};

int alerts_new(const struct alert_options *options, struct alerts **ret_alerts)
{
	struct alerts *alerts = calloc(1, sizeof(*alerts));

	if (!alerts)
		return -ENOMEM;
	alerts->options = *options;
	*ret_alerts = alerts;
	return 0;
}

static struct group *group_free(struct group *group)
{
	free(group->members);
	free(group);
	return NULL;
}

struct alerts *alerts_free(struct alerts *alerts)
{
	struct group *next;

	for (size_t i = 0; alerts && i < BUCKETS; i++)
		for (struct group *group = alerts->buckets[i]; group; group = next) {
			next = group->next;
			group_free(group);
		}
	free(alerts);
	return NULL;
}

size_t alerts_groups(const struct alerts *alerts)
{
	return alerts->n_groups;
}

/* Denied and would-be-denied are told apart: one is an incident, the other a forecast. */
static void make_key(const struct alerts *alerts, const struct ship_event *event, bool is_other,
		     uint8_t key[static 16])
{
	char text[640];
	bool would = event->action == SHIP_WOULD_DROP;
	int n = is_other ? snprintf(text, sizeof(text), "others %d", would)
			 : snprintf(text, sizeof(text), "%d %s/%s/%s ", would, event->endpoint_kind,
				    event->namespace, event->name);
	size_t length = (size_t)n < sizeof(text) - 20 ? (size_t)n : sizeof(text) - 20;

	if (!is_other) {
		memcpy(text + length, event->destination.bytes, 16);
		length += 16;
	}
	struct siphash128 hash = siphash128(alerts->options.key, text, length);
	memcpy(key, hash.bytes, 16);
}

static struct group **find_group(struct alerts *alerts, const uint8_t key[static 16])
{
	size_t bucket = (key[0] | (size_t)key[1] << 8) % BUCKETS;
	struct group **link = &alerts->buckets[bucket];

	while (*link && memcmp((*link)->key, key, 16) != 0)
		link = &(*link)->next;
	return link;
}

static int copy_members(struct group *group, struct json_object *tree, size_t n_kept)
{
	struct buffer buffer = BUFFER_INIT;
	struct json json;

	json_init(&json, &buffer);
	for (size_t i = 0; i < n_kept; i++) {
		struct json_object *part = ship_find(tree, kept[i]);
		if (!json_object_is_type(part, json_type_object))
			continue;
		group->has_host |= i == KEPT_HOST;
		group->has_observer |= i == KEPT_OBSERVER;
		const char *text = json_object_to_json_string_ext(
			part, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		if (text)
			json_raw(&json, kept[i], text, strlen(text));
	}
	buffer_add_char(&buffer, '\0');
	if (buffer.is_broken) {
		buffer_done(&buffer);
		return -ENOMEM;
	}
	group->members = buffer.bytes;
	return 0;
}

static int fill_group(struct group *group, const struct ship_event *event, struct json_object *tree,
		      uint64_t time_usec, bool is_other)
{
	group->action = event->action;
	group->first_usec = time_usec;
	if (is_other) {
		strcpy(group->who, "further endpoints");
		strcpy(group->text, "further destinations");
		return copy_members(group, tree, KEPT_OF_OTHER);
	}
	group->destination = event->destination;
	strcpy(group->text, "an unknown destination");
	if (event->destination.family)
		group->text[address_text(&event->destination, group->text)] = '\0';
	snprintf(group->who, sizeof(group->who), "%s%s%s", event->namespace,
		 event->namespace[0] ? "/" : "", event->name[0] ? event->name : "unknown endpoint");
	snprintf(group->kind, sizeof(group->kind), "%s", event->endpoint_kind);
	snprintf(group->policy, sizeof(group->policy), "%s", event->policy);
	snprintf(group->process, sizeof(group->process), "%s", ship_text(tree, "process.name"));
	return copy_members(group, tree, sizeof(kept) / sizeof(kept[0]));
}

static int new_group(struct alerts *alerts, const struct ship_event *event,
		     struct json_object *tree, uint64_t time_usec, struct group **ret_group)
{
	bool is_other = alerts->n_groups >= alerts->options.groups_max;
	uint8_t key[16];

	make_key(alerts, event, is_other, key);
	struct group **link = find_group(alerts, key);
	if (!*link) {
		struct group *group = calloc(1, sizeof(*group));
		if (!group)
			return -ENOMEM;
		memcpy(group->key, key, 16);
		if (fill_group(group, event, tree, time_usec, is_other) < 0) {
			group_free(group);
			return -ENOMEM;
		}
		*link = group;
		alerts->n_groups++;
	}
	*ret_group = *link;
	return 0;
}

static const char *transport_of(const struct group *group)
{
	return group->protocol == 6	? "tcp"
	       : group->protocol == 17	? "udp"
	       : group->protocol == 132 ? "sctp"
	       : group->protocol == 1	? "icmp"
	       : group->protocol == 58	? "ipv6-icmp"
					: NULL;
}

static void make_message(const struct group *group, const char *state, char text[static 640])
{
	const char *what = group->action == SHIP_WOULD_DROP ? "would be denied" : "denied";
	const char *transport = group->destination.family ? transport_of(group) : NULL;
	char port[12] = "";

	if (!strcmp(state, "resolved")) {
		snprintf(text, 640, "resolved: egress of %s to %s: %llu events, none since",
			 group->who, group->text, (unsigned long long)group->events);
		return;
	}
	if (group->port && group->destination.family)
		snprintf(port, sizeof(port), ":%u", group->port);
	int n = snprintf(text, 640, "egress %s: %s%s%s%s to %s%s", what, group->who,
			 group->process[0] ? " (" : "", group->process,
			 group->process[0] ? ")" : "", group->text, port);
	snprintf(text + n, 640 - (size_t)n, "%s%s%s%s (%llu since the last alert, %llu in all)",
		 transport ? "/" : "", transport ? transport : "", group->policy[0] ? " by " : "",
		 group->policy, (unsigned long long)group->untold,
		 (unsigned long long)group->events);
}

static void hex_text(const uint8_t bytes[static 16], char text[static 33])
{
	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void add_event(struct json *json, const struct alerts *alerts, const struct group *group,
		      uint64_t created_usec)
{
	struct {
		uint8_t key[16];
		uint64_t first, number;
	} identity = {.first = group->first_usec, .number = group->number};
	char id[33];

	memcpy(identity.key, group->key, 16);
	hex_text(siphash128(alerts->options.key, &identity, sizeof(identity)).bytes, id);
	json_object_begin(json, "event");
	json_string(json, "id", id);
	RAW(json, "\"kind\":\"alert\",\"category\":[\"network\"]");
	if (group->action == SHIP_WOULD_DROP)
		RAW(json, "\"type\":[\"connection\",\"allowed\"]");
	else
		RAW(json, "\"type\":[\"connection\",\"denied\"]");
	json_string(json, "action", ship_action_names[group->action]);
	RAW(json, "\"outcome\":\"success\",\"module\":\"podfence\",\"dataset\":\"podfence.alert\"");
	json_uint(json, "severity", group->severity);
	own_event_stamp(json, alerts->options.author, created_usec);
	own_event_time(json, "start", group->first_usec);
	own_event_time(json, "end", group->last_usec);
	json_object_end(json);
}

static void add_destination(struct json *json, const struct group *group)
{
	json_object_begin(json, "network");
	RAW(json, "\"direction\":\"egress\"");
	json_uint(json, "packets", group->untold_packets);
	json_string(json, "transport", transport_of(group));
	json_object_end(json);
	if (!group->destination.family)
		return;
	json_object_begin(json, "destination");
	json_string(json, "ip", group->text);
	json_string(json, "address", group->text);
	if (group->port)
		json_uint(json, "port", group->port);
	json_object_end(json);
	json_object_begin(json, "related");
	json_array_begin(json, "ip");
	json_string(json, NULL, group->text);
	json_array_end(json);
	json_object_end(json);
}

static int write_alert(struct alerts *alerts, struct group *group, const char *state,
		       const struct alert_now *now, struct buffer *line)
{
	const struct own_author *author = alerts->options.author;
	char fingerprint[33], message[640];
	struct json json;

	hex_text(group->key, fingerprint);
	make_message(group, state, message);
	buffer_clear(line);
	json_init(&json, line);
	json_object_begin(&json, NULL);
	own_event_head(&json, group->last_usec, "warning", message);
	add_event(&json, alerts, group, now->real_usec);
	add_destination(&json, group);
	if (!group->has_host)
		own_event_host(&json, author);
	if (!group->has_observer)
		own_event_observer(&json, author);
	json_raw(&json, NULL, group->members, strlen(group->members));
	json_object_begin(&json, "podfence");
	if (group->kind[0]) {
		json_object_begin(&json, "endpoint");
		json_string(&json, "kind", group->kind);
		json_object_end(&json);
	}
	json_object_begin(&json, "alert");
	json_string(&json, "state", state);
	json_string(&json, "fingerprint", fingerprint);
	json_uint(&json, "number", group->number);
	json_uint(&json, "events", group->untold);
	json_uint(&json, "events_total", group->events);
	json_uint(&json, "packets_total", group->packets);
	json_object_end(&json);
	json_object_end(&json);
	json_object_end(&json);
	group->number++;
	group->untold = group->untold_packets = 0;
	group->told_usec = now->monotonic_usec;
	return line->is_broken ? -ENOMEM : 1;
}

int alerts_see(struct alerts *alerts, const struct ship_event *event, struct json_object *tree,
	       const struct alert_now *now, struct buffer *line)
{
	uint64_t time_usec = event->time_usec ? event->time_usec : now->real_usec;
	uint8_t key[16];
	int r = 0;

	if (event->kind != SHIP_FLOW || event->action > SHIP_WOULD_DROP)
		return 0;
	if (event->is_end || event->is_midstream)
		return 0; /* that a flow has ended is nothing new, and late packets are no attempt */
	make_key(alerts, event, false, key);
	struct group *group = *find_group(alerts, key);
	if (!group)
		r = new_group(alerts, event, tree, time_usec, &group);
	if (r < 0)
		return r;
	group->events++;
	group->untold++;
	group->packets += event->packets;
	group->untold_packets += event->packets;
	group->last_usec = time_usec;
	group->seen_usec = now->monotonic_usec;
	group->protocol = event->protocol;
	group->port = event->port;
	if (event->severity > group->severity)
		group->severity = event->severity;
	return group->number ? 0 : write_alert(alerts, group, "first", now, line);
}

int alerts_due(struct alerts *alerts, const struct alert_now *now, struct buffer *line)
{
	uint64_t now_usec = now->monotonic_usec;
	const struct alert_options *options = &alerts->options;

	for (; alerts->hand < BUCKETS; alerts->hand++) {
		struct group **link = &alerts->buckets[alerts->hand];
		for (struct group *group; (group = *link);) {
			if (group->untold && now_usec - group->told_usec >= options->interval_usec)
				return write_alert(alerts, group, "summary", now, line);
			if (group->untold || now_usec - group->seen_usec < options->quiet_usec) {
				link = &group->next;
				continue;
			}
			int r = write_alert(alerts, group, "resolved", now, line);
			*link = group->next;
			group_free(group);
			alerts->n_groups--;
			return r;
		}
	}
	alerts->hand = 0;
	return 0;
}
