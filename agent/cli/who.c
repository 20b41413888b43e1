/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence who: who tried to reach this address. The store finds the events by destination; what they say of
 * endpoint, container and process is added up here. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/destination.h"
#include "cli/agent.h"
#include "cli/history.h"
#include "cli/who.h"

struct question {
	struct destination destination;
	struct store_query query;
	struct ship_parser *parser;
	struct who *who;
};

static bool is_asked(const struct destination *asked, uint64_t protocol, uint64_t port)
{
	return (!asked->protocol || protocol == asked->protocol) &&
	       (!asked->last || (port >= asked->first && port <= asked->last));
}

static int take(void *userdata, const struct store_row *row)
{
	const struct question *question = userdata;
	const struct destination *asked = &question->destination;
	struct json_object *tree;
	struct ship_event event;

	if (row->kind != SHIP_FLOW || !is_asked(asked, row->protocol, row->port))
		return 0;
	int r = ship_parse(question->parser, row->line, row->length, &tree, &event);
	if (r)
		return r < 0 ? r : 0; /* the store takes no such line */
	r = who_add(question->who, row, tree);
	json_object_put(tree);
	return r;
}

static int parse(const struct cli *cli, struct question *question)
{
	int r = destination_parse(cli->arguments[0], &question->destination);

	if (r)
		return cli_fail(2, "\"%s\" %s", cli->arguments[0], destination_error(r));
	history_network(&question->destination.prefix, &question->query);
	return history_times(cli, clock_usec(CLOCK_REALTIME), &question->query);
}

/* Where the answer ends: what is not in the store cannot be in it. */
static int read_bounds(void *userdata, const struct store_row *row)
{
	*(uint64_t *)userdata = row->time_usec;
	return 1;
}

static int print_bounds(struct store *store, const char *asked, size_t n)
{
	const struct store_query oldest = {.limit = 1};
	uint64_t usec = 0;
	char when[32] = "";

	if (store_rows(store, &oldest, read_bounds, &usec) < 0)
		return history_fail(store);
	time_t seconds = (time_t)(usec / 1000000);
	struct tm calendar;
	if (usec && gmtime_r(&seconds, &calendar))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &calendar);
	if (!when[0])
		printf("Nobody is known to have sent to %s: no event is kept.\n", asked);
	else if (!n)
		printf("Nobody is known to have sent to %s; events are kept since %s.\n", asked,
		       when);
	else
		printf("Who sent to %s, the latest first; events are kept since %s.\n\n", asked,
		       when);
	return 0;
}

static int print_without_store(const char *asked, size_t n)
{
	printf("%s %s now; podfence-ship keeps no events here, so the past is not known.\n%s",
	       n ? "Who sends to" : "Nobody is known to send to", asked, n ? "\n" : "");
	return 0;
}

struct seeing {
	bool has_allowed;
};

static int see_allowed(void *userdata, const struct store_row *row)
{
	struct seeing *seeing = userdata;

	seeing->has_allowed = row->kind == SHIP_FLOW && row->action == SHIP_ALLOWED;
	return seeing->has_allowed;
}

/* Looks at the newest events only: what is recorded at all is most likely among them. */
static int find_allowed(struct store *store, bool *ret_has)
{
	const struct store_query newest = {.newest_first = true, .limit = 1000};
	struct seeing seeing = {};

	if (store_rows(store, &newest, see_allowed, &seeing) < 0)
		return history_fail(store);
	*ret_has = seeing.has_allowed;
	return 0;
}

/* Nobody must think that an address was not reached only because nobody wrote it down. */
static int print_allowed(const struct cli *cli, struct store *store)
{
	struct json_object *reply;
	bool is_recorded = false;
	int status;

	if (!agent_is_there(cli)) {
		status = find_allowed(store, &is_recorded);
		if (!status && !is_recorded)
			puts("\nNone of the newest 1,000 events is of a connection that was let "
			     "out: "
			     "either there was none,\nor they are not recorded (ledger.allowed).");
		return status;
	}
	status = agent_ask(cli, "io.podfence.Agent.GetStatus", NULL, &reply);
	if (status)
		return status;
	if (!json_object_get_boolean(table_value(reply, "status.ledger.records_allowed")))
		puts("\nWhat is let out is not recorded (ledger.allowed: off): who reached an "
		     "address that a policy\nallows is missing here.");
	json_object_put(reply);
	return 0;
}

/* The agent knows networks, not ports. */
static void drop_unasked(const struct question *question, struct json_object *flows)
{
	for (size_t i = json_object_array_length(flows); i--;) {
		struct json_object *flow = json_object_array_get_idx(flows, i);
		if (!is_asked(&question->destination,
			      json_object_get_uint64(table_value(flow, "protocol")),
			      json_object_get_uint64(table_value(flow, "port"))))
			json_object_array_del_idx(flows, i, 1);
	}
}

static int add_live(const struct cli *cli, const struct question *question,
		    struct json_object *items)
{
	char network[PF_PREFIX_TEXT], parameters[PF_PREFIX_TEXT + 32];
	struct json_object *flows;

	pf_prefix_format(&question->destination.prefix, network);
	snprintf(parameters, sizeof(parameters), "{\"destination\":\"%s\"}", network);
	int status = agent_list(cli, "io.podfence.Agent.ListFlows", parameters, "flows", &flows);
	if (status)
		return status;
	drop_unasked(question, flows);
	if (who_live(items, flows) < 0)
		status = cli_fail(1, "out of memory");
	json_object_put(flows);
	return status;
}

/* Which of them are still here, and what is counted now; without an agent nothing is said of it. */
static int ask_agent(const struct cli *cli, const struct question *question,
		     struct json_object *items)
{
	struct json_object *endpoints;

	if (!agent_is_there(cli))
		return 0;
	int status = agent_list(cli, "io.podfence.Agent.ListEndpoints", NULL, "endpoints",
				&endpoints);
	if (status)
		return status;
	if (who_mark(items, endpoints) < 0)
		status = cli_fail(1, "out of memory");
	json_object_put(endpoints);
	return status ? status : add_live(cli, question, items);
}

static int print(const struct cli *cli, struct store *store, const struct question *question)
{
	struct json_object *items = who_items(question->who);
	struct table table = {};
	int status = table_init(cli, &table);

	if (!items)
		return cli_fail(1, "out of memory");
	who_table(&table);
	if (!status)
		status = ask_agent(cli, question, items);
	size_t n = json_object_array_length(items);
	bool is_for_people = table.format == TABLE_TABLE || table.format == TABLE_WIDE;
	if (!status && is_for_people)
		status = store ? print_bounds(store, cli->arguments[0], n)
			       : print_without_store(cli->arguments[0], n);
	if (!status && (n || !is_for_people) && table_print(&table, items, stdout) < 0)
		status = cli_fail(1, "out of memory");
	if (!status && is_for_people && store)
		status = print_allowed(cli, store);
	if (!status && is_for_people)
		who_advise(items, stdout);
	json_object_put(items);
	if (!status)
		status = cli_finish();
	return status ? status : !n;
}

static int answer(const struct cli *cli, struct store *store, struct question *question)
{
	int status;

	if (who_new(&question->who) < 0 || ship_parser_new(&question->parser) < 0)
		status = cli_fail(1, "out of memory");
	else if (store && store_rows(store, &question->query, take, question) < 0)
		status = history_fail(store);
	else
		status = print(cli, store, question);
	ship_parser_free(question->parser);
	who_free(question->who);
	return status;
}

int cli_who(const struct cli *cli)
{
	struct question question = {};
	struct store *store = NULL;
	int status = parse(cli, &question);
	bool knows_now_only = !cli_has(cli, "store") && !history_is_there(cli) &&
			      agent_is_there(cli);

	if (!status && !knows_now_only)
		status = history_open(cli, &store);
	if (status)
		return status;
	status = answer(cli, store, &question);
	store_free(store);
	return status;
}
