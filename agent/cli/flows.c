/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence flows: what the kernel is counting now. */
#include "cli/flows.h"

#include <string.h>
#include <sys/socket.h>

#include <podfence/address.h>

#include "cli/agent.h"

static void make_start(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_usec(item, "start_usec", text);
}

static void make_last(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_usec(item, "last_usec", text);
}

/* "203.0.113.9:443/tcp", "203.0.113.9/icmp 8/0", "others" */
static void make_destination(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	char address[TABLE_CELL_MAX], transport[TABLE_CELL_MAX], port[TABLE_CELL_MAX];
	char type[TABLE_CELL_MAX], code[TABLE_CELL_MAX];

	if (json_object_get_boolean(table_value(item, "beyond"))) {
		strcpy(text, "(several, not kept apart)");
		return;
	}
	table_text(table_value(item, "destination"), address);
	table_text(table_value(item, "transport"), transport);
	table_text(table_value(item, "port"), port);
	if (table_value(item, "icmp_type")) {
		table_text(table_value(item, "icmp_type"), type);
		table_text(table_value(item, "icmp_code"), code);
		snprintf(text, TABLE_CELL_MAX, "%.64s/%.32s %.4s/%.4s", address, transport, type,
			 code);
	} else if (!strcmp(port, "-")) {
		snprintf(text, TABLE_CELL_MAX, "%.64s/%.32s", address, transport);
	} else {
		bool is_six = strchr(address, ':') != NULL;
		snprintf(text, TABLE_CELL_MAX, "%s%.64s%s:%.8s/%.32s", is_six ? "[" : "", address,
			 is_six ? "]" : "", port, transport);
	}
}

static const char *colour_of(const char *verdict)
{
	if (!strcmp(verdict, "allowed"))
		return "32";
	return !strcmp(verdict, "denied") ? "31" : "33";
}

static const struct table_column columns[] = {
	{"NAMESPACE", "namespace", false, NULL, NULL},
	{"NAME", "name", false, NULL, NULL},
	{"KIND", "kind", true, NULL, NULL},
	{"VERDICT", "verdict", false, NULL, colour_of},
	{"SOURCE", "source", true, NULL, NULL},
	{"DESTINATION", NULL, false, make_destination, NULL},
	{"PACKETS", "packets", false, NULL, NULL},
	{"BYTES", "bytes", false, NULL, NULL},
	{"RULE", "rule", false, NULL, NULL},
	{"SINCE", NULL, true, make_start, NULL},
	{"LAST", NULL, false, make_last, NULL},
	{"ID", "id", true, NULL, NULL},
};

void flows_table(struct table *table)
{
	table->kind = "FlowList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
}

static int compare(const void *a_pointer, const void *b_pointer)
{
	struct json_object *a = *(struct json_object *const *)a_pointer;
	struct json_object *b = *(struct json_object *const *)b_pointer;
	uint64_t one = json_object_get_uint64(table_value(a, "packets"));
	uint64_t other = json_object_get_uint64(table_value(b, "packets"));
	const char *id = json_object_get_string(table_value(a, "id"));
	const char *other_id = json_object_get_string(table_value(b, "id"));

	if (one != other)
		return one < other ? 1 : -1;
	return strcmp(id ? id : "", other_id ? other_id : "");
}

void flows_sort(struct json_object *items)
{
	json_object_array_sort(items, compare);
}

static int make_parameters(const struct cli *cli, struct buffer *parameters)
{
	const char *to = cli_value(cli, "to");
	struct pf_prefix prefix;
	struct json json;

	if (to && pf_prefix_parse(to, &prefix) != 0)
		return cli_fail(2, "--to %s: an address or network", to);
	int status = agent_parameters_list(cli, &json, parameters);
	if (status)
		return status;
	json_string(&json, "destination", to);
	return agent_parameters_end(&json);
}

static int show(const struct cli *cli)
{
	struct table table;
	struct buffer parameters = BUFFER_INIT;
	struct json_object *items;
	int status = table_init(cli, &table);

	flows_table(&table);
	if (!status)
		status = make_parameters(cli, &parameters);
	if (!status)
		status = agent_list(cli, "io.podfence.Agent.ListFlows", parameters.bytes, "flows",
				    &items);
	buffer_done(&parameters);
	if (status)
		return status;
	flows_sort(items);
	if (!json_object_array_length(items) && table.format <= TABLE_WIDE)
		fputs("Nothing is being denied or audited.\n", stderr);
	return agent_show(&table, items);
}

int cli_flows(const struct cli *cli)
{
	return agent_watch(cli, show);
}
