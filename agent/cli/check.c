/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence check: configuration files (YAML) and pod lists (JSON), told apart by their first
 * character. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "config/config.h"
#include "kube/podlist.h"

/* The first character that is no white space, or a negative errno. */
static int first_character(const char *path)
{
	FILE *file = fopen(path, "re");
	int c;

	if (!file)
		return -errno;
	do
		c = fgetc(file);
	while (c != EOF && isspace(c));
	fclose(file);
	return c == EOF ? 0 : c;
}

static int check_config(const char *path, struct report *report)
{
	struct config *config;
	int r = config_read(path, report, &config);

	if (!r)
		config_free(config);
	return r;
}

static int check_pods(const char *path, struct report *report)
{
	struct pod_list *list;
	int r = podlist_read(path, NULL, report, &list);

	if (!r) {
		printf("%s: %zu pods, %zu refused\n", path, list->n_pods, list->n_refused);
		r = list->n_refused > 0;
		pod_list_free(list);
	}
	return r;
}

static int check_file(const char *path)
{
	struct report report;
	int first = first_character(path);

	if (first < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-first));
		return 2;
	}
	report_init(&report);
	int r = first == '{' ? check_pods(path, &report) : check_config(path, &report);
	report_print(&report, stderr);
	if (r < 0 && report_is_empty(&report))
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	if (!r && first != '{')
		printf("%s: good\n", path);
	report_done(&report);
	return r ? 2 : 0;
}

int cli_check(const struct cli *cli)
{
	int status = 0;

	for (size_t i = 0; i < cli->n_arguments; i++)
		if (check_file(cli->arguments[i]) != 0)
			status = 2;
	return status;
}
