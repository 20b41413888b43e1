/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence quarantine preview: before somebody automates it, whom it would have hit. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "cli/duration.h"
#include "cli/history.h"
#include "cli/preview.h"

#define FLOWS_DEFAULT	     100
#define DESTINATIONS_DEFAULT 20
#define SECONDS_DEFAULT	     60

static const struct table_column columns[] = {
	{"NAMESPACE", "namespace", false, NULL, NULL},
	{"NAME", "name", false, NULL, NULL},
	{"KIND", "kind", false, NULL, NULL},
	{"AT", "at", false, NULL, NULL},
	{"FLOWS", "flows", false, NULL, NULL},
	{"DESTINATIONS", "destinations", false, NULL, NULL},
};

void preview_table(struct table *table)
{
	table->kind = "QuarantinePreviewList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
}

static int parse_count(const struct cli *cli, const char *option, uint64_t *count)
{
	const char *text = cli_value(cli, option);
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*count = strtoull(text, &end, 10);
	if (errno || *end || !text[0] || text[0] == '-')
		return cli_fail(2, "--%s %s: a number", option, text);
	return 0;
}

static int parse(const struct cli *cli, struct preview_rule *rule, struct store_query *query)
{
	const char *within = cli_value(cli, "within");
	uint64_t seconds = SECONDS_DEFAULT;
	int status = parse_count(cli, "flows", &rule->flows);

	if (!status)
		status = parse_count(cli, "destinations", &rule->destinations);
	if (!status && within && (duration_parse(within, &seconds) < 0 || !seconds))
		status = cli_fail(2, "--within %s: a time like 30s, 15m, 2h or 7d", within);
	rule->usec = seconds * 1000000u;
	return status ? status : history_times(cli, clock_usec(CLOCK_REALTIME), query);
}

static int take(void *userdata, const struct store_row *row)
{
	return preview_add(userdata, row);
}

static int print(const struct cli *cli, const struct preview *preview, struct table *table)
{
	struct json_object *items = preview_items(preview);
	int status = 0;

	if (!items)
		return cli_fail(1, "out of memory");
	preview_table(table);
	if (!json_object_array_length(items) && table->format <= TABLE_WIDE)
		puts("Nobody would have been isolated.");
	else if (table_print(table, items, stdout) < 0)
		status = cli_fail(1, "out of memory");
	json_object_put(items);
	return status ? status : cli_finish();
}

int cli_preview(const struct cli *cli)
{
	struct preview_rule rule = {.flows = FLOWS_DEFAULT, .destinations = DESTINATIONS_DEFAULT};
	struct store_query query = {};
	struct table table = {};
	struct preview *preview = NULL;
	struct store *store;
	int status = table_init(cli, &table);

	if (!status)
		status = parse(cli, &rule, &query);
	if (!status)
		status = history_open(cli, &store);
	if (status)
		return status;
	if (preview_new(&rule, &preview) < 0)
		status = cli_fail(1, "out of memory");
	else if (store_rows(store, &query, take, preview) < 0)
		status = history_fail(store);
	else
		status = print(cli, preview, &table);
	preview_free(preview);
	store_free(store);
	return status;
}
