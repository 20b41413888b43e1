/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence events: what happened, oldest first, from podfence-ship's store. The newest of those that are asked
 * for are found first (their rows alone are read), then told in pieces of bounded size; --follow goes on
 * from there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/destination.h"
#include "cli/event_columns.h"
#include "cli/history.h"

#define LIMIT_DEFAULT 100
#define PIECE	      500 /* events in memory at once */
#define FOLLOW_USEC   500000

struct events {
	struct store_query query;
	struct destination to;
	bool has_to;
	bool actions[SHIP_ACTIONS]; /* those that are asked for */
	bool has_actions, wants_alerts;
	char namespace[256], name[256];
	uint64_t limit; /* 0: none */
};

static bool is_wanted(const struct events *events, const struct store_row *row)
{
	if (row->kind == SHIP_ALERT && !events->wants_alerts)
		return false;
	if (events->has_actions && (row->kind == SHIP_OTHER || !events->actions[row->action]))
		return false;
	if (!events->has_to)
		return true;
	return (!events->to.protocol || row->protocol == events->to.protocol) &&
	       (!events->to.last ||
		(row->port >= events->to.first && row->port <= events->to.last));
}

/* The actions of "dropped,rejected". */
static int parse_actions(const char *text, struct events *events)
{
	char copy[128];

	events->has_actions = true;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return cli_fail(2, "--action is too long");
	for (char *rest = copy, *word; (word = strsep(&rest, ","));) {
		size_t i = 0;
		while (i < SHIP_OTHER_ACTION && strcmp(ship_action_names[i], word) != 0)
			i++;
		if (i == SHIP_OTHER_ACTION)
			return cli_fail(
				2,
				"--action %s: one or more of dropped, rejected, would-drop, "
				"allowed, separated by commas",
				text);
		events->actions[i] = true;
	}
	return 0;
}

/* A name of the past needs no agent: NAMESPACE/NAME, unit:NAME, or a NAME of any namespace. */
static int parse_endpoint(const struct cli *cli, struct events *events)
{
	const char *namespace = cli_value(cli, "namespace");
	const char *text = cli->n_arguments ? cli->arguments[0] : NULL;
	const char *slash = text ? strchr(text, '/') : NULL;
	int n = 0, n_namespace = 0;

	if (text && !strncmp(text, "unit:", 5)) {
		n = snprintf(events->name, sizeof(events->name), "%s", text + 5);
		events->query.namespace = "";
	} else if (slash && strncmp(text, "pod/", 4) != 0) {
		n_namespace = snprintf(events->namespace, sizeof(events->namespace), "%.*s",
				       (int)(slash - text), text);
		n = snprintf(events->name, sizeof(events->name), "%s", slash + 1);
		events->query.namespace = events->namespace;
	} else {
		n = snprintf(events->name, sizeof(events->name), "%s",
			     slash  ? slash + 1
			     : text ? text
				    : "");
		events->query.namespace = namespace;
	}
	if ((text && !n) || (size_t)n >= sizeof(events->name) ||
	    (size_t)n_namespace >= sizeof(events->namespace) || strchr(events->name, '/'))
		return cli_fail(2, "\"%s\" is no endpoint: NAMESPACE/NAME, NAME or unit:NAME",
				text);
	events->query.name = text ? events->name : NULL;
	return 0;
}

static int parse_limit(const char *text, uint64_t *ret_limit)
{
	char *end;

	*ret_limit = LIMIT_DEFAULT;
	if (!text)
		return 0;
	if (!strcmp(text, "all")) {
		*ret_limit = 0;
		return 0;
	}
	errno = 0;
	*ret_limit = strtoull(text, &end, 10);
	if (errno || *end || !*ret_limit || text[0] == '-')
		return cli_fail(2, "--limit %s: a number from 1, or all", text);
	return 0;
}

static int parse_to(const char *text, struct events *events)
{
	int r = destination_parse(text, &events->to);

	if (r)
		return cli_fail(2, "\"%s\" %s", text, destination_error(r));
	events->has_to = true;
	history_network(&events->to.prefix, &events->query);
	return 0;
}

static int parse(const struct cli *cli, uint64_t now_usec, struct events *events)
{
	const char *actions = cli_value(cli, "action"), *to = cli_value(cli, "to");
	int status = parse_endpoint(cli, events);

	events->wants_alerts = cli_has(cli, "alerts");
	if (!status)
		status = history_times(cli, now_usec, &events->query);
	if (!status)
		status = parse_limit(cli_value(cli, "limit"), &events->limit);
	if (!status && actions)
		status = parse_actions(actions, events);
	if (!status && to)
		status = parse_to(to, events);
	return status;
}

struct search {
	const struct events *events;
	uint64_t n, seq; /* of the oldest that was found */
};

static int search_row(void *userdata, const struct store_row *row)
{
	struct search *search = userdata;

	if (!is_wanted(search->events, row))
		return 0;
	search->seq = row->seq;
	search->n++;
	return search->n == search->events->limit;
}

/* Moves the beginning behind what is too much. */
static int find_newest(struct store *store, struct events *events)
{
	struct store_query query = events->query;
	struct search search = {.events = events};

	if (!events->limit)
		return 0;
	query.newest_first = true;
	if (store_rows(store, &query, search_row, &search) < 0)
		return history_fail(store);
	if (search.n == events->limit)
		events->query.after = search.seq - 1;
	return 0;
}

struct telling {
	const struct events *events;
	struct ship_parser *parser;
	struct json_object *items;
	size_t n_max;
	uint64_t last;
};

static int tell_row(void *userdata, const struct store_row *row)
{
	struct telling *telling = userdata;
	struct json_object *tree;
	struct ship_event event;

	telling->last = row->seq;
	if (!is_wanted(telling->events, row))
		return 0;
	int r = ship_parse(telling->parser, row->line, row->length, &tree, &event);
	if (r)
		return r < 0 ? r : 0; /* the store takes no such line */
	if (json_object_array_add(telling->items, tree) < 0) {
		json_object_put(tree);
		return -ENOMEM;
	}
	return json_object_array_length(telling->items) >= telling->n_max;
}

/* A piece of the list; ret_n: how many it had. */
static int tell_piece(struct store *store, struct events *events, struct ship_parser *parser,
		      struct table *table, size_t *ret_n)
{
	struct telling telling = {
		.events = events,
		.parser = parser,
		.items = json_object_new_array(),
		.n_max = table->format == TABLE_JSON ? SIZE_MAX : PIECE,
	};
	int status = 0;

	if (!telling.items)
		return cli_fail(1, "out of memory");
	if (store_rows(store, &events->query, tell_row, &telling) < 0)
		status = history_fail(store);
	*ret_n = json_object_array_length(telling.items);
	if (telling.last)
		events->query.after = telling.last;
	if (!status && (*ret_n || table->format == TABLE_JSON) &&
	    table_print(table, telling.items, stdout) < 0)
		status = cli_fail(1, "out of memory");
	table->has_titles = false; /* once is enough */
	json_object_put(telling.items);
	return status ? status : cli_finish();
}

static int take_seq(void *userdata, const struct store_row *row)
{
	*(uint64_t *)userdata = row->seq;
	return 1;
}

/* What came since: a look at the end of the store, whatever is asked for. */
static int tell_news(struct store *store, struct events *events, struct ship_parser *parser,
		     struct table *table)
{
	const struct store_query newest = {.newest_first = true, .limit = 1};
	size_t n;

	usleep(FOLLOW_USEC);
	if (store_is_gone(store))
		return cli_fail(1, "the store was set aside or deleted");
	if (store_rows(store, &newest, take_seq, &events->query.up_to) < 0)
		return history_fail(store);
	if (events->query.up_to <= events->query.after)
		return 0;
	int status = tell_piece(store, events, parser, table, &n);
	if (!status && n < PIECE)
		events->query.after = events->query.up_to;
	events->query.is_tail = true;
	return status;
}

static int tell(struct store *store, struct events *events, struct table *table, bool follows)
{
	struct ship_parser *parser;
	size_t n = 0, n_all = 0;
	int status;

	if (ship_parser_new(&parser) < 0)
		return cli_fail(1, "out of memory");
	do {
		status = tell_piece(store, events, parser, table, &n);
		n_all += n;
	} while (!status && n == PIECE && table->format != TABLE_JSON);
	while (!status && follows)
		status = tell_news(store, events, parser, table);
	ship_parser_free(parser);
	if (!status && !n_all && table->format <= TABLE_WIDE)
		fputs("No event of this kind is kept.\n", stderr);
	return status;
}

int cli_events(const struct cli *cli)
{
	struct events events = {};
	bool follows = cli_has(cli, "follow");
	struct table table = {};
	struct store *store;
	int status = table_init(cli, &table);

	event_table(&table);
	if (!status && follows && table.format == TABLE_JSON)
		status = cli_fail(2, "-o json has an end, --follow has none: -o jsonl");
	if (!status)
		status = parse(cli, clock_usec(CLOCK_REALTIME), &events);
	if (!status)
		status = history_open(cli, &store);
	if (status)
		return status;
	status = find_newest(store, &events);
	if (!status)
		status = tell(store, &events, &table, follows);
	store_free(store);
	return status;
}
