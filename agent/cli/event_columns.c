/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "cli/event_columns.h"

#include <string.h>

static const char *text_of(struct json_object *item, const char *path)
{
	struct json_object *value = table_value(item, path);
	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	return text && text[0] ? text : NULL;
}

static void make_time(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_second(item, "@timestamp", text);
}

static void make_name(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	struct json_object *pod = table_value(item, "kubernetes.pod.name");

	table_text(pod ? pod : table_value(item, "podfence.endpoint.name"), text);
}

/* "203.0.113.9:443/tcp", "[2001:db8::9]:53/udp", "203.0.113.9/icmp". */
static void make_side(struct json_object *item, const char *side, char text[static TABLE_CELL_MAX])
{
	char path[32], transport[TABLE_CELL_MAX], port[16] = "";

	snprintf(path, sizeof(path), "%s.ip", side);
	const char *ip = text_of(item, path);
	if (!ip) {
		strcpy(text, "-");
		return;
	}
	bool is_six = strchr(ip, ':') != NULL;
	snprintf(path, sizeof(path), "%s.port", side);
	struct json_object *number = table_value(item, path);
	if (json_object_is_type(number, json_type_int))
		snprintf(port, sizeof(port), ":%u",
			 (unsigned)json_object_get_int(number) & 0xffffu);
	table_text(table_value(item, "network.transport"), transport);
	snprintf(text, TABLE_CELL_MAX, "%s%.64s%s%s/%.32s", is_six && port[0] ? "[" : "", ip,
		 is_six && port[0] ? "]" : "", port, transport);
}

static void make_destination(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	make_side(item, "destination", text);
}

static void make_source(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	make_side(item, "source", text);
}

/* "curl(4711)". */
static void make_process(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	char name[TABLE_CELL_MAX], pid[TABLE_CELL_MAX];

	table_text(table_value(item, "process.name"), name);
	table_text(table_value(item, "process.pid"), pid);
	if (!strcmp(pid, "-"))
		snprintf(text, TABLE_CELL_MAX, "%s", name);
	else
		snprintf(text, TABLE_CELL_MAX, "%.256s(%.16s)", name, pid);
}

/* The rule that decided; of what is no packet, the message. */
static void make_reason(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	struct json_object *rule = table_value(item, "rule.name");

	table_text(rule ? rule : table_value(item, "message"), text);
}

static const char *colour_of(const char *action)
{
	if (!strcmp(action, "allowed"))
		return "32";
	return !strcmp(action, "would-drop") ? "33" : "31";
}

static const struct table_column columns[] = {
	{"TIME", NULL, false, make_time, NULL},
	{"ACTION", "event.action", false, NULL, colour_of},
	{"NAMESPACE", "kubernetes.namespace", false, NULL, NULL},
	{"NAME", NULL, false, make_name, NULL},
	{"SOURCE", NULL, true, make_source, NULL},
	{"DESTINATION", NULL, false, make_destination, NULL},
	{"PACKETS", "network.packets", false, NULL, NULL},
	{"CONTAINER", "container.name", true, NULL, NULL},
	{"PROCESS", NULL, false, make_process, NULL},
	{"COMMAND", "process.command_line", true, NULL, NULL},
	{"RULE", NULL, false, make_reason, NULL},
};

void event_table(struct table *table)
{
	table->kind = "EventList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
}
