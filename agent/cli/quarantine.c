/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence quarantine, podfence release. */
#include <errno.h>
#include <string.h>

#include <podfence/address.h>

#include "cli/agent.h"
#include "cli/duration.h"
#include "cli/preview.h"
#include "cli/quarantine.h"

#define AGENT "io.podfence.Agent."

static const char *colour_of(const char *state)
{
	return !strcmp(state, "in-force") ? "32" : "31";
}

static void make_since(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_usec(item, "since_usec", text);
}

static void make_until(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	table_usec(item, "until_usec", text);
}

static const struct table_column columns[] = {
	{"NAMESPACE", "namespace", false, NULL, NULL},
	{"NAME", "name", false, NULL, NULL},
	{"STATE", "state", false, NULL, colour_of},
	{"ORIGIN", "origin", false, NULL, NULL},
	{"SINCE", NULL, false, make_since, NULL},
	{"UNTIL", NULL, false, make_until, NULL},
	{"PROBES", "probes", false, NULL, NULL},
	{"ALLOW", "allow", false, NULL, NULL},
	{"UID", "uid", true, NULL, NULL},
	{"KEPT", "kept", true, NULL, NULL},
	{"REASON", "reason", false, NULL, NULL},
};

void quarantine_table(struct table *table)
{
	table->kind = "QuarantineList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
}

static int list(const struct cli *cli)
{
	struct json_object *items;
	struct table table;
	int status = table_init(cli, &table);

	quarantine_table(&table);
	if (!status)
		status = agent_list(cli, AGENT "ListQuarantines", NULL, "quarantines", &items);
	if (status)
		return status;
	return agent_show(&table, items);
}

static int add_time(const struct cli *cli, struct json *json)
{
	const char *text = cli_value(cli, "for");
	uint64_t seconds;

	if (!text)
		return 0;
	if (duration_parse(text, &seconds) < 0 || !seconds)
		return cli_fail(2, "--for %s: a time like 30s, 15m, 2h or 7d", text);
	json_uint(json, "seconds", seconds);
	return 0;
}

static int add_networks(const struct cli *cli, struct json *json)
{
	const char *text = cli_value(cli, "allow");
	char copy[512], *rest = copy, *word;
	struct pf_prefix prefix;

	if (!text)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return cli_fail(2, "--allow: too many networks");
	strcpy(copy, text);
	json_array_begin(json, "allow");
	while ((word = strsep(&rest, ","))) {
		if (pf_prefix_parse(word, &prefix) != 0)
			return cli_fail(2, "--allow %s: no network", word);
		if (!prefix.length)
			return cli_fail(2, "--allow %s: that is everything", word);
		json_string(json, NULL, word);
	}
	json_array_end(json);
	return 0;
}

static int make_parameters(const struct cli *cli, const struct agent_endpoint *endpoint,
			   struct buffer *parameters)
{
	struct json json;

	agent_parameters_begin(&json, parameters, endpoint->namespace, endpoint->name);
	int status = add_time(cli, &json);
	if (!status)
		status = add_networks(cli, &json);
	json_string(&json, "reason", cli_value(cli, "reason"));
	if (cli_has(cli, "keep-probes"))
		json_boolean(&json, "probes", true);
	if (cli_has(cli, "kill-sockets"))
		json_boolean(&json, "kill_sockets", true);
	return status ? status : agent_parameters_end(&json);
}

static int report(const struct cli *cli, struct json_object *reply)
{
	struct json_object *value = table_value(reply, "quarantine");
	struct json_object *items = json_object_new_array();
	struct table table;
	int status = table_init(cli, &table);

	quarantine_table(&table);
	if (!items || json_object_array_add(items, json_object_get(value)) < 0)
		status = cli_fail(1, "out of memory");
	if (!status && table_print(&table, items, stdout) < 0)
		status = cli_fail(1, "out of memory");
	json_object_put(items);
	struct json_object *failure = table_value(reply, "kill_failure");
	if (!status && failure) {
		char text[TABLE_CELL_MAX];
		table_text(failure, text);
		status = cli_fail(1, "it is cut off, but its connections could not be ended: %s",
				  text);
	} else if (!status && table_value(reply, "killed")) {
		fprintf(stderr, "%llu connections ended\n",
			(unsigned long long)json_object_get_uint64(table_value(reply, "killed")));
	}
	if (!status && !json_object_get_boolean(table_value(value, "kept")))
		fputs("podfence: it could not be written down (state.directory): it ends with the "
		      "agent\n",
		      stderr);
	return status ? status : cli_finish();
}

static int set(const struct cli *cli)
{
	struct buffer parameters = BUFFER_INIT;
	struct agent_endpoint endpoint;
	struct json_object *reply;
	int status = agent_endpoint(cli, cli->arguments[0], &endpoint);

	if (!status)
		status = make_parameters(cli, &endpoint, &parameters);
	if (!status)
		status = agent_ask(cli, AGENT "Quarantine", parameters.bytes, &reply);
	buffer_done(&parameters);
	if (status)
		return status;
	status = report(cli, reply);
	json_object_put(reply);
	return status;
}

int cli_quarantine(const struct cli *cli)
{
	if (!strcmp(cli->arguments[0], "list"))
		return list(cli);
	return strcmp(cli->arguments[0], "preview") != 0 ? set(cli) : cli_preview(cli);
}

int cli_release(const struct cli *cli)
{
	struct buffer parameters = BUFFER_INIT;
	struct agent_endpoint endpoint;
	struct json_object *reply;
	struct json json;
	int status = agent_endpoint(cli, cli->arguments[0], &endpoint);

	if (status)
		return status;
	agent_parameters_begin(&json, &parameters, endpoint.namespace, endpoint.name);
	status = agent_parameters_end(&json);
	if (!status)
		status = agent_ask(cli, AGENT "Release", parameters.bytes, &reply);
	buffer_done(&parameters);
	if (status)
		return status;
	json_object_put(reply);
	printf("%s%s%s is out of quarantine\n", endpoint.namespace[0] ? endpoint.namespace : "unit",
	       endpoint.namespace[0] ? "/" : ":", endpoint.name);
	return cli_finish();
}
