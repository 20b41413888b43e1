/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Events of category "configuration": the dataset is podfence.agent, so that whoever counts flows does
 * not meet them. */
#include "event/agent_event.h"

#include <inttypes.h>
#include <stdio.h>

#include "event/format.h"
#include "event/timestamp.h"

#define SEVERITY_MEDIUM 47
#define SEVERITY_HIGH	73

static void add_time(struct json *json, const char *key, uint64_t usec)
{
	char text[TIMESTAMP_LENGTH];

	timestamp_text(usec, text);
	json_string_n(json, key, text, sizeof(text));
}

static void add_event(struct json *json, const struct agent_event *event,
		      const struct event_context *context)
{
	char id[64];

	snprintf(id, sizeof(id), "%.32s-%" PRIu64, context->agent_id, event->sequence);
	json_object_begin(json, "event");
	json_string(json, "id", id);
	RAW(json, "\"kind\":\"event\",\"category\":[\"configuration\"],\"type\":[\"change\"]");
	json_string(json, "action", event->action);
	RAW(json, "\"outcome\":\"success\",\"module\":\"podfence\",\"dataset\":\"podfence.agent\"");
	json_string(json, "provider", event->is_wanted ? "podfenced" : "nftables");
	json_string(json, "reason", event->reason ? event->reason : event->message);
	json_uint(json, "severity", event->is_wanted ? SEVERITY_MEDIUM : SEVERITY_HIGH);
	json_uint(json, "sequence", event->sequence);
	add_time(json, "created", event->time_usec);
	json_object_end(json);
}

static void add_process(struct json *json, const struct agent_event *event)
{
	bool has_name = event->process && event->process[0];

	if (!event->pid && !has_name)
		return;
	json_object_begin(json, "process");
	if (event->pid)
		json_uint(json, "pid", event->pid);
	if (has_name)
		json_string(json, "name", event->process);
	json_object_end(json);
}

static void add_user(struct json *json, const struct agent_event *event)
{
	char uid[16];

	if (!event->has_uid)
		return;
	snprintf(uid, sizeof(uid), "%u", event->uid);
	json_object_begin(json, "user");
	json_string(json, "id", uid);
	json_object_end(json);
}

/* Of an endpoint that is not on this node there is no more than its name. */
static void add_names(struct json *json, const struct agent_event *event)
{
	if (!event->name || event->endpoint)
		return;
	json_object_begin(json, "kubernetes");
	json_string(json, "namespace", event->namespace);
	json_object_begin(json, "pod");
	json_string(json, "name", event->name);
	json_object_end(json);
	json_object_end(json);
}

void agent_event_format(const struct agent_event *event, const struct event_context *context,
			struct buffer *buffer)
{
	struct json json;
	struct buffer members = BUFFER_INIT;

	event_endpoint_members(event->endpoint, NULL, context, &members);
	json_init(&json, buffer);
	json_object_begin(&json, NULL);
	add_time(&json, "@timestamp", event->time_usec);
	if (event->is_wanted)
		RAW(&json, "\"log\":{\"level\":\"notice\"}");
	else
		RAW(&json, "\"log\":{\"level\":\"warning\"}");
	json_string(&json, "message", event->message);
	RAW(&json, "\"ecs\":{\"version\":\"8.11.0\"}");
	add_event(&json, event, context);
	add_user(&json, event);
	add_process(&json, event);
	json_raw(&json, NULL, members.bytes, members.length);
	buffer->is_broken |= members.is_broken;
	buffer_done(&members);
	add_names(&json, event);
	json_object_end(&json);
	buffer_add_char(buffer, '\n');
}
