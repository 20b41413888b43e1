/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence status: one glance. The first line is the answer; what follows is why. */
#include <string.h>
#include <time.h>

#include "cli/agent.h"
#include "cli/duration.h"
#include "cli/status.h"

struct page {
	struct json_object *status;
	bool has_colours;
	uint64_t now_usec;
	FILE *stream;
};

static const char *text_at(const struct page *page, const char *path,
			   char text[static TABLE_CELL_MAX])
{
	table_text(table_value(page->status, path), text);
	return text;
}

static uint64_t number_at(const struct page *page, const char *path)
{
	return json_object_get_uint64(table_value(page->status, path));
}

static bool is_true(const struct page *page, const char *path)
{
	return json_object_get_boolean(table_value(page->status, path));
}

static void line(const struct page *page, const char *title, const char *text)
{
	fprintf(page->stream, "%-13s %s\n", title, text);
}

static void print_verdict(const struct page *page)
{
	bool is_enforcing = is_true(page, "enforcing");
	char reason[TABLE_CELL_MAX];

	text_at(page, "reason", reason);
	if (page->has_colours)
		fprintf(page->stream, "\033[%sm", is_enforcing ? "1;32" : "1;33");
	fputs(is_enforcing ? "enforcing" : "not enforcing", page->stream);
	if (page->has_colours)
		fputs("\033[0m", page->stream);
	if (strcmp(reason, "-") != 0)
		fprintf(page->stream, ": %s", reason);
	fputc('\n', page->stream);
}

static const char *ago(const struct page *page, uint64_t usec, char text[static DURATION_TEXT + 8])
{
	char duration[DURATION_TEXT];

	if (!usec)
		return "never";
	snprintf(text, DURATION_TEXT + 8, "%s ago",
		 duration_text(page->now_usec > usec ? (page->now_usec - usec) / 1000000 : 0,
			       duration));
	return text;
}

static void print_node(const struct page *page)
{
	char node[TABLE_CELL_MAX], version[TABLE_CELL_MAX], kernel[TABLE_CELL_MAX];
	char mode[TABLE_CELL_MAX], action[TABLE_CELL_MAX], uplinks[TABLE_CELL_MAX];
	char begun[DURATION_TEXT + 8], text[4 * TABLE_CELL_MAX];

	snprintf(text, sizeof(text), "%s, kernel %s", text_at(page, "node", node),
		 text_at(page, "kernel", kernel));
	line(page, "node", text);
	snprintf(text, sizeof(text), "podfenced %s, pid %llu, started %s",
		 text_at(page, "version", version), (unsigned long long)number_at(page, "pid"),
		 ago(page, number_at(page, "started_usec"), begun));
	line(page, "agent", text);
	bool is_deny = !strcmp(text_at(page, "mode", mode), "deny");
	snprintf(text, sizeof(text), "%s%s%s", mode, is_deny ? ", " : "",
		 is_deny ? text_at(page, "action", action) : "");
	line(page, "default", text);
	line(page, "uplinks", text_at(page, "uplinks", uplinks));
}

static void print_endpoints(const struct page *page)
{
	static const char *const coverages[] = {"enforced", "audit", "pending", "uncovered"};
	char text[256] = "", path[64];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(coverages) / sizeof(coverages[0]); i++) {
		snprintf(path, sizeof(path), "endpoints.%s", coverages[i]);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu %s", i ? ", " : "",
				      (unsigned long long)number_at(page, path), coverages[i]);
	}
	line(page, "endpoints", text);
	if (number_at(page, "endpoints.pending") + number_at(page, "endpoints.uncovered"))
		line(page, "", "podfence pods --unresolved says why");
	if (!number_at(page, "pod_roots"))
		line(page, "", "no cgroup that holds pods was found: host pods are not judged");
}

static void print_rules(const struct page *page)
{
	char text[TABLE_CELL_MAX + 128], when[DURATION_TEXT + 8];
	uint64_t usec = number_at(page, "transaction.time_usec");

	snprintf(text, sizeof(text), "generation %llu, %llu changes, %s",
		 (unsigned long long)number_at(page, "transaction.generation"),
		 (unsigned long long)number_at(page, "transaction.changes"), ago(page, usec, when));
	line(page, "rules", text);
	line(page, "",
	     is_true(page, "transaction.owned")
		     ? "the tables are nobody else's to change"
		     : "the tables have no owner (Linux 6.9, tables.owner): what others change is "
		       "repaired");
}

static void print_api(const struct page *page)
{
	char source[TABLE_CELL_MAX], server[TABLE_CELL_MAX], problem[TABLE_CELL_MAX];
	char text[3 * TABLE_CELL_MAX];

	if (!strcmp(text_at(page, "api.source", source), "none")) {
		line(page, "API", "none, pods come from a file");
		return;
	}
	text_at(page, "api.problem", problem);
	snprintf(text, sizeof(text), "%s %s%s%s", text_at(page, "api.server", server),
		 is_true(page, "api.synced") ? "synced"
					     : "not heard yet, what was known before holds",
		 strcmp(problem, "-") != 0 ? ": " : "", strcmp(problem, "-") != 0 ? problem : "");
	line(page, "API", text);
}

static void print_books(const struct page *page)
{
	char text[256];

	snprintf(
		text, sizeof(text),
		"%llu written, %llu dropped; NFLOG: %llu received, %llu lost, %llu malformed, %llu "
		"foreign",
		(unsigned long long)number_at(page, "books.events_written"),
		(unsigned long long)number_at(page, "books.events_dropped"),
		(unsigned long long)number_at(page, "books.records_received"),
		(unsigned long long)number_at(page, "books.records_lost"),
		(unsigned long long)number_at(page, "books.records_malformed"),
		(unsigned long long)number_at(page, "books.records_foreign"));
	line(page, "events", text);
}

static uint64_t beyond(const struct page *page)
{
	return number_at(page, "ledger.denied.overflow") + number_at(page, "ledger.denied.unkept") +
	       number_at(page, "ledger.audited.overflow") +
	       number_at(page, "ledger.audited.unkept");
}

static void print_ledger(const struct page *page)
{
	static const char *const paths[] = {
		"ledger.denied.difference",	 "ledger.audited.difference",
		"ledger.allowed.difference",	 "ledger.spoofed.difference",
		"ledger.tunneled.difference",	 "ledger.quarantined.difference",
		"ledger.backstopped.difference",
	};
	char text[256], differ[64] = "books balance", when[DURATION_TEXT + 8];
	uint64_t difference = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		difference += number_at(page, paths[i]);

	if (difference)
		snprintf(differ, sizeof(differ), "books differ by %llu packets",
			 (unsigned long long)difference);
	snprintf(text, sizeof(text),
		 "%llu flows; packets: %llu denied, %llu audited, %llu of them of flows beyond it; "
		 "%s, read %s",
		 (unsigned long long)number_at(page, "ledger.flows"),
		 (unsigned long long)number_at(page, "ledger.denied.packets"),
		 (unsigned long long)number_at(page, "ledger.audited.packets"),
		 (unsigned long long)beyond(page), differ,
		 ago(page, number_at(page, "ledger.read_usec"), when));
	line(page, "ledger", text);
	snprintf(text, sizeof(text),
		 "packets: %llu with a forged source, %llu of tunnels, %llu in "
		 "quarantine",
		 (unsigned long long)number_at(page, "ledger.spoofed.packets"),
		 (unsigned long long)number_at(page, "ledger.tunneled.packets"),
		 (unsigned long long)number_at(page, "ledger.quarantined.packets"));
	line(page, "guards", text);
}

static void print_backstop_device(const struct page *page, struct json_object *item)
{
	char device[TABLE_CELL_MAX], reason[TABLE_CELL_MAX], text[2 * TABLE_CELL_MAX + 32];

	if (!table_value(item, "reason"))
		return;
	table_text(table_value(item, "device"), device);
	table_text(table_value(item, "reason"), reason);
	snprintf(text, sizeof(text), "not at %s: %s", device, reason);
	line(page, "", text);
}

static void print_backstop(const struct page *page)
{
	struct json_object *devices = table_value(page->status, "backstop.devices");
	char mode[TABLE_CELL_MAX], text[TABLE_CELL_MAX + 64];

	if (!devices)
		return; /* an older agent */
	text_at(page, "backstop.mode", mode);
	snprintf(text, sizeof(text), "%s; %llu frames of packet sockets to external destinations",
		 mode, (unsigned long long)number_at(page, "backstop.frames"));
	line(page, "backstop", text);
	for (size_t i = 0; i < json_object_array_length(devices); i++)
		print_backstop_device(page, json_object_array_get_idx(devices, i));
}

static void print_shipper(const struct page *page)
{
	char text[128];

	if (!table_value(page->status, "shipper"))
		return; /* an older agent */
	if (is_true(page, "shipper.connected"))
		snprintf(text, sizeof(text), "connected, %llu events offered",
			 (unsigned long long)number_at(page, "shipper.events"));
	else
		snprintf(text, sizeof(text), "not connected (podfence-ship)");
	line(page, "shipper", text);
}

static int print_networks(const struct page *page)
{
	static const struct table_column columns[] = {
		{"INTERNAL", "prefix", false, NULL, NULL},
		{"ORIGIN", "origin", false, NULL, NULL},
		{"SOURCE", "source", false, NULL, NULL},
		{"REFUSED", "refused", false, NULL, NULL},
	};
	struct table table = {.columns = columns,
			      .n_columns = sizeof(columns) / sizeof(columns[0]),
			      .has_titles = true};
	struct json_object *networks = table_value(page->status, "networks");

	fputc('\n', page->stream);
	if (json_object_get_type(networks) == json_type_array && json_object_array_length(networks))
		return table_print(&table, networks, page->stream);
	fputs("nothing is internal: every destination is judged\n", page->stream);
	return 0;
}

int status_print(struct json_object *status, uint64_t now_usec, bool has_colours, FILE *stream)
{
	const struct page page = {status, has_colours, now_usec, stream};

	print_verdict(&page);
	print_node(&page);
	print_endpoints(&page);
	print_rules(&page);
	print_api(&page);
	print_books(&page);
	print_ledger(&page);
	print_backstop(&page);
	print_shipper(&page);
	return print_networks(&page);
}

bool status_is_good(struct json_object *status)
{
	return !table_value(status, "transaction.failure") &&
	       !json_object_get_uint64(table_value(status, "endpoints.pending")) &&
	       !json_object_get_uint64(table_value(status, "endpoints.uncovered"));
}

bool status_is_ready(struct json_object *status)
{
	const char *source = json_object_get_string(table_value(status, "api.source"));

	return json_object_get_uint64(table_value(status, "transaction.generation")) &&
	       !table_value(status, "transaction.failure") &&
	       (json_object_get_boolean(table_value(status, "api.synced")) ||
		(source && !strcmp(source, "none")));
}

static int show(const struct cli *cli)
{
	struct table table = {};
	struct json_object *reply;
	struct timespec now;
	int status = table_init(cli, &table);

	if (!status)
		status = agent_ask(cli, "io.podfence.Agent.GetStatus", NULL, &reply);
	if (status)
		return status;
	struct json_object *value = table_value(reply, "status");
	clock_gettime(CLOCK_REALTIME, &now);
	if (table.format == TABLE_JSON || table.format == TABLE_JSONL)
		puts(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (status_print(value, (uint64_t)now.tv_sec * 1000000u, table.has_colours, stdout) <
		 0)
		status = cli_fail(1, "out of memory");
	bool is_fine = cli_has(cli, "ready") ? status_is_ready(value) : status_is_good(value);
	if (!status && !is_fine)
		status = 1;
	json_object_put(reply);
	return status ? status : cli_finish();
}

int cli_status(const struct cli *cli)
{
	return agent_watch(cli, show);
}
