/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the running agent says of itself. */
#include <string.h>

#include "cli/agent.h"
#include "cli/doctor.h"

static uint64_t number_at(struct json_object *status, const char *path)
{
	return json_object_get_uint64(table_value(status, path));
}

static const char *text_at(struct json_object *status, const char *path,
			   char text[static TABLE_CELL_MAX])
{
	table_text(table_value(status, path), text);
	return text;
}

static void find_rules(struct doctor *doctor, struct json_object *status)
{
	char text[TABLE_CELL_MAX];
	struct json_object *failure = table_value(status, "transaction.failure");

	if (failure)
		doctor_find(
			doctor, "rules", HEALTH_PROBLEM,
			"journalctl -u podfenced says what the kernel refused; older rules stay "
			"in force until it is mended",
			"they could not be changed: %s",
			text_at(status, "transaction.failure", text));
	else if (!json_object_get_boolean(table_value(status, "enforcing")))
		doctor_find(doctor, "rules", HEALTH_WARNING,
			    "default.mode: deny stops packets; before, podfence events shows what "
			    "would have been stopped",
			    "nothing is stopped: %s", text_at(status, "reason", text));
	else
		doctor_find(doctor, "rules", HEALTH_OK, NULL, "in force, generation %llu",
			    (unsigned long long)number_at(status, "transaction.generation"));
}

static void find_api(struct doctor *doctor, struct json_object *status)
{
	char text[TABLE_CELL_MAX], server[TABLE_CELL_MAX];

	if (!strcmp(text_at(status, "api.source", text), "none"))
		return;
	text_at(status, "api.server", server);
	if (json_object_get_boolean(table_value(status, "api.synced")) &&
	    !table_value(status, "api.problem"))
		doctor_find(doctor, "API", HEALTH_OK, NULL, "%s is heard", server);
	else
		doctor_find(
			doctor, "API", HEALTH_WARNING,
			"what was known last holds; a new pod is fenced without a name until the "
			"server is heard (kubectl auth can-i --list as the agent's service "
			"account shows its rights)",
			"%s is not heard: %s", server, text_at(status, "api.problem", text));
}

static void find_lost(struct doctor *doctor, struct json_object *status)
{
	uint64_t lost = number_at(status, "books.records_lost");
	uint64_t dropped = number_at(status, "books.events_dropped");

	if (lost || dropped)
		doctor_find(doctor, "events", HEALTH_WARNING,
			    "what was stopped was stopped all the same; nflog.socketBuffer and a "
			    "faster reader of the events keep more of them",
			    "%llu packets were not told of, %llu events were not taken",
			    (unsigned long long)lost, (unsigned long long)dropped);
	else
		doctor_find(doctor, "events", HEALTH_OK, NULL, "none was lost");
	if (json_object_get_boolean(table_value(status, "shipper.connected")))
		doctor_find(doctor, "shipper", HEALTH_OK, NULL, "podfence-ship takes the events");
	else
		doctor_find(doctor, "shipper", HEALTH_WARNING,
			    "systemctl status podfence-ship; without it events go to podfenced's "
			    "standard output only",
			    "podfence-ship is not connected");
}

static void find_backstop(struct doctor *doctor, struct json_object *status)
{
	struct json_object *devices = table_value(status, "backstop.devices");
	size_t n = devices ? json_object_array_length(devices) : 0, n_open = 0;
	char mode[TABLE_CELL_MAX], device[TABLE_CELL_MAX], reason[TABLE_CELL_MAX];

	if (!devices || !strcmp(text_at(status, "backstop.mode", mode), "idle"))
		return;
	if (!strcmp(mode, "unavailable") || !strcmp(mode, "off")) {
		doctor_find(doctor, "backstop", HEALTH_WARNING,
			    "host pods with CAP_NET_RAW can send past the rules: drop it in all "
			    "(deploy/admission)",
			    "frames of packet sockets are not looked at: %s", mode);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(devices, i);
		if (!table_value(item, "reason"))
			continue;
		n_open++;
		doctor_find(doctor, "backstop", HEALTH_WARNING,
			    "host pods with CAP_NET_RAW can send past the rules there: drop it in "
			    "all (deploy/admission)",
			    "frames of packet sockets are not looked at on %s: %s",
			    text_at(item, "device", device), text_at(item, "reason", reason));
	}
	if (!n_open)
		doctor_find(doctor, "backstop", HEALTH_OK, NULL,
			    "frames of packet sockets are looked at on every uplink: %s", mode);
}

/* Each that is left out, with the agent's reason. */
static void find_endpoints(struct doctor *doctor)
{
	struct json_object *items;

	if (agent_list(doctor->cli, "io.podfence.Agent.ListEndpoints", "{\"unresolved\":true}",
		       "endpoints", &items) != 0)
		return; /* said */
	size_t n = json_object_array_length(items);
	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		char namespace[TABLE_CELL_MAX], name[TABLE_CELL_MAX], coverage[TABLE_CELL_MAX];
		char reason[TABLE_CELL_MAX];
		bool is_uncovered = !strcmp(text_at(item, "coverage", coverage), "uncovered");
		doctor_find(doctor, "coverage", is_uncovered ? HEALTH_PROBLEM : HEALTH_WARNING,
			    NULL, "%s/%s is %s: %s", text_at(item, "namespace", namespace),
			    text_at(item, "name", name), coverage, text_at(item, "reason", reason));
	}
	if (!n)
		doctor_find(doctor, "coverage", HEALTH_OK, NULL, "every endpoint is covered");
	json_object_put(items);
}

void doctor_agent(struct doctor *doctor)
{
	struct json_object *reply;

	if (!agent_is_there(doctor->cli)) {
		doctor_find(doctor, "agent", HEALTH_PROBLEM,
			    "systemctl status podfenced; rules it made before are still in force, "
			    "but new pods meet the default verdict",
			    "podfenced does not answer");
		return;
	}
	if (agent_ask(doctor->cli, "io.podfence.Agent.GetStatus", NULL, &reply) != 0) {
		doctor_find(doctor, "agent", HEALTH_UNKNOWN, NULL, "podfenced says no");
		return;
	}
	struct json_object *status = table_value(reply, "status");
	find_rules(doctor, status);
	find_api(doctor, status);
	find_lost(doctor, status);
	find_backstop(doctor, status);
	json_object_put(reply);
	find_endpoints(doctor);
	if (cli_has(doctor->cli, "probe"))
		doctor_probe(doctor);
}
