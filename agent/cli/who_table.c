/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <string.h>

#include "cli/who.h"

static void make_first(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_second(item, "first", text);
}

static void make_last(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_second(item, "last", text);
}

static void make_name(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	struct json_object *pod = table_value(item, "name");

	table_text(pod ? pod : table_value(item, "unit"), text);
}

/* "443/tcp", "icmp". */
static void make_port(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	char port[TABLE_CELL_MAX], transport[TABLE_CELL_MAX];

	table_text(table_value(item, "port"), port);
	table_text(table_value(item, "transport"), transport);
	if (!strcmp(port, "-"))
		snprintf(text, TABLE_CELL_MAX, "%s", transport);
	else
		snprintf(text, TABLE_CELL_MAX, "%.16s/%.64s", port, transport);
}

static void make_process(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	struct json_object *executable = table_value(item, "executable");

	table_text(executable ? executable : table_value(item, "process"), text);
}

static const char *colour_of(const char *action)
{
	if (!strcmp(action, "allowed"))
		return "31"; /* it got there */
	return !strcmp(action, "would-drop") ? "33" : "32";
}

static const struct table_column columns[] = {
	{"NAMESPACE", "namespace", false, NULL, NULL},
	{"NAME", NULL, false, make_name, NULL},
	{"HERE", "here", false, NULL, NULL},
	{"WORKLOAD", "workload", false, NULL, NULL},
	{"CONTAINER", "container", false, NULL, NULL},
	{"IMAGE", "image", true, NULL, NULL},
	{"PROCESS", NULL, false, make_process, NULL},
	{"COMMAND", "command_line", true, NULL, NULL},
	{"ACTION", "action", false, NULL, colour_of},
	{"DESTINATION", "destination", true, NULL, NULL},
	{"PORT", NULL, false, make_port, NULL},
	{"EVENTS", "events", false, NULL, NULL},
	{"PACKETS", "packets", false, NULL, NULL},
	{"LIVE", "live", false, NULL, NULL},
	{"FIRST", NULL, false, make_first, NULL},
	{"LAST", NULL, false, make_last, NULL},
};

void who_table(struct table *table)
{
	table->kind = "WhoList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
}
