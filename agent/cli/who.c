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

static int take(void *userdata, const struct store_row *row)
{
	const struct question *question = userdata;
	const struct destination *asked = &question->destination;
	struct json_object *tree;
	struct ship_event event;

	if (row->kind != SHIP_FLOW || (asked->protocol && row->protocol != asked->protocol) ||
	    (asked->last && (row->port < asked->first || row->port > asked->last)))
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

struct seeing {
	bool has_allowed;
};

static int see_allowed(void *userdata, const struct store_row *row)
{
	struct seeing *seeing = userdata;

	seeing->has_allowed = row->kind == SHIP_FLOW && row->action == SHIP_ALLOWED;
	return seeing->has_allowed;
}

/* Looks at the newest events only: what is recorded at all is among them. */
static int print_allowed(struct store *store)
{
	const struct store_query newest = {.newest_first = true, .limit = 10000};
	struct seeing seeing = {};

	if (store_rows(store, &newest, see_allowed, &seeing) < 0)
		return history_fail(store);
	if (!seeing.has_allowed)
		puts("\nNo connection that was let out is among the newest 10,000 events: either "
		     "there was none, or\nwhat is let out is not recorded. Who reached an address "
		     "that a policy allows may be missing here.");
	return 0;
}

/* Which of them are still here; without an agent nothing is said of it. */
static int mark(const struct cli *cli, struct json_object *items)
{
	struct json_object *endpoints;

	if (!json_object_array_length(items) || !agent_is_there(cli))
		return 0;
	int status = agent_list(cli, "io.podfence.Agent.ListEndpoints", NULL, "endpoints",
				&endpoints);
	if (status)
		return status;
	if (who_mark(items, endpoints) < 0)
		status = cli_fail(1, "out of memory");
	json_object_put(endpoints);
	return status;
}

static int print(const struct cli *cli, struct store *store, const struct question *question)
{
	struct json_object *items = who_items(question->who);
	struct table table = {};
	int status = table_init(cli, &table);

	if (!items)
		return cli_fail(1, "out of memory");
	size_t n = json_object_array_length(items);
	who_table(&table);
	if (!status)
		status = mark(cli, items);
	bool is_for_people = table.format == TABLE_TABLE || table.format == TABLE_WIDE;
	if (!status && is_for_people)
		status = print_bounds(store, cli->arguments[0], n);
	if (!status && (n || !is_for_people) && table_print(&table, items, stdout) < 0)
		status = cli_fail(1, "out of memory");
	if (!status && is_for_people)
		status = print_allowed(store);
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
	else if (store_rows(store, &question->query, take, question) < 0)
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
	struct store *store;
	int status = parse(cli, &question);

	if (!status)
		status = history_open(cli, &store);
	if (status)
		return status;
	status = answer(cli, store, &question);
	store_free(store);
	return status;
}
