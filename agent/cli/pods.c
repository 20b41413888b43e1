/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence pods: who is fenced here, and how well. */
#include <string.h>

#include "cli/agent.h"
#include "cli/pods.h"

#define FLOWS_MAX 5000

static const char *colour_of(const char *coverage)
{
	if (!strcmp(coverage, "enforced"))
		return "32";
	return !strcmp(coverage, "audit") ? "33" : "31";
}

static void make_workload(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	struct json_object *kind = table_value(item, "workload_kind");
	struct json_object *name = table_value(item, "workload_name");

	if (kind && name)
		snprintf(text, TABLE_CELL_MAX, "%s/%s", json_object_get_string(kind),
			 json_object_get_string(name));
	else
		strcpy(text, "-");
}

static const struct table_column columns[] = {
	{"NAMESPACE", "namespace", false, NULL, NULL},
	{"NAME", "name", false, NULL, NULL},
	{"KIND", "kind", false, NULL, NULL},
	{"COVERAGE", "coverage", false, NULL, colour_of},
	{"QUARANTINE", "quarantine", false, NULL, NULL},
	{"DENIED", "denied_packets", false, NULL, NULL},
	{"ADDRESSES", "addresses", false, NULL, NULL},
	{"LINKS", "links", true, NULL, NULL},
	{"WORKLOAD", NULL, true, make_workload, NULL},
	{"CGROUP", "cgroup", true, NULL, NULL},
	{"POLICIES", "policies", true, NULL, NULL},
	{"LABELS", "labels", true, NULL, NULL},
	{"REASON", "reason", false, NULL, NULL},
};

void pods_table(struct table *table)
{
	table->kind = "EndpointList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
}

static int make_parameters(const struct cli *cli, struct buffer *parameters)
{
	struct json json;
	int status = agent_parameters_list(cli, &json, parameters);

	if (status)
		return status;
	if (cli_has(cli, "unresolved"))
		json_boolean(&json, "unresolved", true);
	return agent_parameters_end(&json);
}

static bool is_of(struct json_object *flow, struct json_object *item)
{
	static const char *const keys[] = {"namespace", "name"};

	for (size_t i = 0; i < 2; i++) {
		const char *one = json_object_get_string(table_value(flow, keys[i]));
		const char *other = json_object_get_string(table_value(item, keys[i]));
		if (!one || !other || strcmp(one, other) != 0)
			return false;
	}
	return true;
}

void pods_count(struct json_object *items, struct json_object *flows)
{
	size_t n_items = json_object_array_length(items), n = json_object_array_length(flows);

	for (size_t i = 0; i < n_items; i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		uint64_t packets = 0;
		for (size_t k = 0; k < n; k++) {
			struct json_object *flow = json_object_array_get_idx(flows, k);
			const char *verdict = json_object_get_string(table_value(flow, "verdict"));
			if (verdict && !strcmp(verdict, "denied") && is_of(flow, item))
				packets += json_object_get_uint64(table_value(flow, "packets"));
		}
		json_object_object_add(item, "denied_packets", json_object_new_uint64(packets));
	}
}

/* What is counted now of each. In a storm the list of flows is long, and nobody waits for it. */
static int count(const struct cli *cli, struct json_object *items)
{
	struct json_object *reply, *flows;
	int status = agent_ask(cli, "io.podfence.Agent.GetStatus", NULL, &reply);

	if (status)
		return status;
	uint64_t n = json_object_get_uint64(table_value(reply, "status.ledger.flows"));
	json_object_put(reply);
	if (n > FLOWS_MAX)
		return 0;
	status = agent_list(cli, "io.podfence.Agent.ListFlows", NULL, "flows", &flows);
	if (status)
		return status;
	pods_count(items, flows);
	json_object_put(flows);
	return 0;
}

static int show(const struct cli *cli)
{
	struct table table;
	struct buffer parameters = BUFFER_INIT;
	struct json_object *items;
	int status = table_init(cli, &table);

	pods_table(&table);
	if (!status)
		status = make_parameters(cli, &parameters);
	if (!status)
		status = agent_list(cli, "io.podfence.Agent.ListEndpoints", parameters.bytes,
				    "endpoints", &items);
	buffer_done(&parameters);
	if (status)
		return status;
	status = count(cli, items);
	if (!status)
		return agent_show(&table, items);
	json_object_put(items);
	return status;
}

int cli_pods(const struct cli *cli)
{
	return agent_watch(cli, show);
}
