/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence doctor: looks at everything the fence rests on, by doing where that is possible, and says of each
 * finding what to do. Nothing is changed; what is tried with the kernel is tried in a network namespace of
 * its own. */
#include "cli/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/table.h"

static const char *const healths[] = {
	[HEALTH_OK] = "ok",
	[HEALTH_UNKNOWN] = "unknown",
	[HEALTH_WARNING] = "warning",
	[HEALTH_PROBLEM] = "problem",
};

static int add(struct json_object *item, const char *key, const char *text)
{
	return json_object_object_add(item, key, json_object_new_string(text));
}

void doctor_find(struct doctor *doctor, const char *check, enum health health, const char *advice,
		 const char *format, ...)
{
	struct json_object *item = json_object_new_object();
	va_list arguments;
	char *text;

	va_start(arguments, format);
	int n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (health > doctor->worst)
		doctor->worst = health;
	if (n < 0)
		text = NULL;
	if (!item || !text || add(item, "check", check) < 0 ||
	    add(item, "health", healths[health]) < 0 || add(item, "finding", text) < 0 ||
	    (advice && add(item, "advice", advice) < 0) ||
	    json_object_array_add(doctor->findings, item) < 0) {
		json_object_put(item);
		doctor->failure = -ENOMEM;
	}
	free(text);
}

static const char *colour_of(const char *health)
{
	if (!strcmp(health, "ok"))
		return "32";
	return !strcmp(health, "problem") ? "31" : "33";
}

static const struct table_column columns[] = {
	{"CHECK", "check", false, NULL, NULL},
	{"HEALTH", "health", false, NULL, colour_of},
	{"FINDING", "finding", false, NULL, NULL},
};

/* What to do stands below the table: it is read once a row has caught the eye. */
static void print_advice(struct json_object *findings)
{
	size_t n = json_object_array_length(findings);
	char check[TABLE_CELL_MAX], advice[TABLE_CELL_MAX];
	bool has_begun = false;

	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(findings, i);
		if (!table_value(item, "advice"))
			continue;
		if (!has_begun)
			fputc('\n', stdout);
		has_begun = true;
		table_text(table_value(item, "check"), check);
		table_text(table_value(item, "advice"), advice);
		printf("%s: %s\n", check, advice);
	}
}

static int print(struct doctor *doctor, struct table *table)
{
	table->kind = "FindingList";
	table->columns = columns;
	table->n_columns = sizeof(columns) / sizeof(columns[0]);
	if (table_print(table, doctor->findings, stdout) < 0)
		return cli_fail(1, "out of memory");
	if (table->format == TABLE_TABLE || table->format == TABLE_WIDE)
		print_advice(doctor->findings);
	return cli_finish();
}

int cli_doctor(const struct cli *cli)
{
	struct config *config = NULL;
	struct doctor doctor = {.cli = cli};
	struct table table;
	int status = table_init(cli, &table);

	if (!status)
		status = cli_config(cli, &config);
	if (status)
		return status;
	doctor.config = config;
	doctor.findings = json_object_new_array();
	if (doctor.findings) {
		doctor_permissions(&doctor);
		doctor_kernel(&doctor);
		doctor_node(&doctor);
		doctor_clock(&doctor);
		doctor_disk(&doctor);
		doctor_agent(&doctor);
	}
	if (!doctor.findings || doctor.failure)
		status = cli_fail(1, "out of memory");
	else
		status = print(&doctor, &table);
	json_object_put(doctor.findings);
	config_free(config);
	return status ? status : doctor.worst == HEALTH_PROBLEM;
}
