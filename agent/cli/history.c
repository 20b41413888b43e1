/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "cli/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/duration.h"
#include "event/timestamp.h"
#include "podfence-config.h"
#include "ship/config.h"

#define SHIP_CONFIG	  PODFENCE_SYSCONFDIR "/podfence-ship.yaml"
#define DEFAULT_DIRECTORY "/var/lib/podfence/ship"

static int fail_open(const char *directory, int error)
{
	switch (error) {
	case -ENOENT:
		return cli_fail(3,
				"no events are kept in %s: podfence-ship keeps them (systemctl "
				"status podfence-ship); --store names another directory",
				directory);
	case -EACCES:
	case -EPERM:
		return cli_fail(3,
				"no permission to read %s: be root, or a member of group podfence",
				directory);
	default:
		return cli_fail(3, "cannot read the events in %s: %s", directory, strerror(-error));
	}
}

/* 0 or a negative errno. */
static int find(const char *directory)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/events.db", directory);
	return access(path, R_OK) < 0 ? -errno : 0;
}

static int open_directory(const char *directory, struct store **ret_store)
{
	if (find(directory) < 0)
		return fail_open(directory, find(directory));
	int r = store_open_to_read(directory, ret_store);
	return r < 0 ? fail_open(directory, r) : 0;
}

/* The directory, which the caller frees; NULL after a message. */
static char *directory_of(const struct cli *cli)
{
	const char *directory = cli_value(cli, "store");
	struct ship_config *config = NULL;
	struct report report;
	int r = 0;

	if (!directory)
		directory = getenv("PODFENCE_STORE");
	if (directory && directory[0])
		return strdup(directory);
	report_init(&report);
	if (access(SHIP_CONFIG, R_OK) == 0)
		r = ship_config_read(SHIP_CONFIG, &report, &config);
	report_print(&report, stderr);
	report_done(&report);
	char *found = r ? NULL : strdup(config ? config->store_directory : DEFAULT_DIRECTORY);
	ship_config_free(config);
	return found;
}

bool history_is_there(const struct cli *cli)
{
	char *directory = directory_of(cli);
	bool is_there = directory && find(directory) == 0;

	free(directory);
	return is_there;
}

int history_open(const struct cli *cli, struct store **ret_store)
{
	char *directory = directory_of(cli);

	if (!directory)
		return 2;
	int status = open_directory(directory, ret_store);
	free(directory);
	return status;
}

int history_fail(const struct store *store)
{
	return cli_fail(1, "cannot read the events: %s", store_problem(store));
}

uint64_t history_time(const char *text, uint64_t now_usec)
{
	uint64_t seconds;

	if (duration_parse(text, &seconds) < 0)
		return timestamp_parse(text);
	return now_usec > seconds * 1000000u ? now_usec - seconds * 1000000u : 1;
}

static int time_option(const struct cli *cli, const char *option, uint64_t now_usec,
		       uint64_t *ret_usec)
{
	const char *text = cli_value(cli, option);

	if (!text)
		return 0;
	*ret_usec = history_time(text, now_usec);
	if (*ret_usec)
		return 0;
	return cli_fail(2, "--%s %s: a time is 30m, 2h, 7d ago, or 2026-11-23T15:53:17Z", option,
			text);
}

int history_times(const struct cli *cli, uint64_t now_usec, struct store_query *query)
{
	int status = time_option(cli, "since", now_usec, &query->from_usec);

	return status ? status : time_option(cli, "until", now_usec, &query->to_usec);
}

void history_network(const struct pf_prefix *prefix, struct store_query *query)
{
	unsigned bits = 8 * (unsigned)pf_address_size(&prefix->address);

	query->has_destination = true;
	query->lowest = query->highest = prefix->address;
	for (unsigned bit = prefix->length; bit < bits; bit++)
		query->highest.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}
