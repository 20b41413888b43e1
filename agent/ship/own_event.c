/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "ship/own_event.h"

#include <inttypes.h>
#include <stdio.h>

#include "event/timestamp.h"

#define SEVERITY_HIGH 73

#define RAW(json, literal) json_raw(json, NULL, literal, sizeof(literal) - 1)

void own_event_time(struct json *json, const char *key, uint64_t usec)
{
	char text[TIMESTAMP_LENGTH];

	timestamp_text(usec, text);
	json_string_n(json, key, text, sizeof(text));
}

void own_event_head(struct json *json, uint64_t time_usec, const char *level, const char *message)
{
	own_event_time(json, "@timestamp", time_usec);
	json_object_begin(json, "log");
	json_string(json, "level", level);
	json_object_end(json);
	json_string(json, "message", message);
	RAW(json, "\"ecs\":{\"version\":\"8.11.0\"}");
}

void own_event_stamp(struct json *json, struct own_author *author, uint64_t created_usec)
{
	json_uint(json, "sequence", ++author->sequence);
	own_event_time(json, "created", created_usec);
}

void own_event_host(struct json *json, const struct own_author *author)
{
	json_object_begin(json, "host");
	json_string(json, "name", author->node);
	json_object_end(json);
}

void own_event_observer(struct json *json, const struct own_author *author)
{
	json_object_begin(json, "observer");
	RAW(json, "\"type\":\"firewall\",\"vendor\":\"podfence\",\"product\":\"podfence\"");
	json_string(json, "version", author->version);
	json_string(json, "hostname", author->node);
	json_object_end(json);
}

void own_event_set_aside(struct json *json, struct own_author *author, uint64_t now_usec,
			 const char *name)
{
	char id[48];

	/* Two of one microsecond and one author do not have one sequence. */
	snprintf(id, sizeof(id), "ship-%016" PRIx64 "-%" PRIu64, now_usec, author->sequence + 1);
	json_object_begin(json, NULL);
	own_event_head(json, now_usec, "error", "the store was damaged or gone and was begun anew");
	json_object_begin(json, "event");
	json_string(json, "id", id);
	RAW(json, "\"kind\":\"event\",\"category\":[\"configuration\"],\"type\":[\"change\"]");
	RAW(json, "\"action\":\"store-set-aside\",\"outcome\":\"success\"");
	RAW(json, "\"module\":\"podfence\",\"dataset\":\"podfence.ship\"");
	json_uint(json, "severity", SEVERITY_HIGH);
	own_event_stamp(json, author, now_usec);
	json_object_end(json);
	own_event_host(json, author);
	own_event_observer(json, author);
	json_object_begin(json, "file");
	json_string(json, "path", name);
	json_object_end(json);
	json_object_end(json);
}
