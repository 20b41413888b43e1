/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The process of an event in ECS. What is not known is not there. Name and arguments are the process's own
 * choice; how sure it is that it was this one stands in podfence.process.attribution. */
#include "event/event.h"

#include <string.h>

#include "event/timestamp.h"

static const char *if_set(const char *text)
{
	return text[0] ? text : NULL;
}

static void add_user(struct json *json, uint32_t user)
{
	json_object_begin(json, "user");
	json_uint_text(json, "id", user);
	json_object_end(json);
}

static void add_arguments(struct json *json, const struct process_facts *process)
{
	char line[PROCESS_ARGUMENTS_MAX];
	size_t n = process->arguments_length;

	if (!n)
		return;
	json_array_begin(json, "args");
	for (const char *at = process->arguments; at < process->arguments + n; at += strlen(at) + 1)
		json_string(json, NULL, at);
	json_array_end(json);
	if (!process->are_arguments_cut)
		json_uint(json, "args_count", process->n_arguments);
	memcpy(line, process->arguments, n);
	for (size_t i = 0; i + 1 < n; i++)
		if (!line[i])
			line[i] = ' ';
	json_string_n(json, "command_line", line, n - 1);
}

static void add_parent(struct json *json, const struct process_facts *process)
{
	if (!process->parent)
		return;
	json_object_begin(json, "parent");
	json_uint(json, "pid", (uint64_t)process->parent);
	json_string(json, "name", if_set(process->parent_name));
	json_object_end(json);
}

void event_process_add(struct json *json, const struct culprit *culprit)
{
	const struct process_facts *process = &culprit->process;
	char start[TIMESTAMP_LENGTH];

	if (culprit->holder == CULPRIT_HOLDER_NONE)
		return;
	json_object_begin(json, "process");
	if (process->pid)
		json_uint(json, "pid", (uint64_t)process->pid);
	json_string(json, "name", if_set(process->name));
	json_string(json, "executable", if_set(process->executable));
	add_arguments(json, process);
	if (process->has_start) {
		timestamp_text(process->start_usec, start);
		json_string_n(json, "start", start, sizeof(start));
	}
	if (process->has_user)
		add_user(json, process->user);
	add_parent(json, process);
	json_object_end(json);
}

/* Later events of a flow say what was found at its first packet: who has the socket now is not asked. Of many
 * flows together each event has a packet of its own. */
static bool is_of_beginning(const struct event *event)
{
	const struct event_flow *flow = event->flow;

	return flow && flow->state != EVENT_FLOW_START && !flow->is_over;
}

void event_process_podfence_add(struct json *json, const struct event *event)
{
	const struct culprit *culprit = event->culprit;
	char text[CULPRIT_TEXT_MAX];

	json_object_begin(json, "process");
	json_string(json, "attribution", culprit_attribution(culprit, text));
	if (culprit->holder == CULPRIT_HOLDER_SHARED)
		json_uint(json, "holders", culprit->n_holders);
	if (is_of_beginning(event))
		json_boolean(json, "at_flow_start", true);
	json_object_end(json);
	if (!culprit->peer.family)
		return;
	json_object_begin(json, "socket");
	json_object_begin(json, "remote");
	json_address(json, "ip", &culprit->peer);
	json_uint(json, "port", culprit->peer_port);
	json_object_end(json);
	json_object_end(json);
}
