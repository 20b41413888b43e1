/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence-ship: stores and delivers what podfenced writes, without a privilege (ship/ship.c). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "base/diag.h"
#include "podfence-config.h"
#include "ship/config.h"
#include "ship/ship.h"

static const char usage[] =
	"Usage: podfence-ship [--config FILE] [--check] [--alert-test OUTPUT]\n"
	"                     [--startup-taint KEY] [--version] [--help]\n"
	"\n"
	"Keeps the events of podfenced, delivers them to the outputs of its configuration, and "
	"serves\n"
	"metrics. It needs no privilege but to read the socket of events.\n"
	"\n"
	"  --config FILE        configuration, default " PODFENCE_SYSCONFDIR "/podfence-ship.yaml\n"
	"  --check              read the configuration, say what is wrong with it, and end\n"
	"  --alert-test OUTPUT  deliver one alert that says it is a test, and end\n"
	"  --startup-taint KEY  instead of the configuration's startupTaint.key\n"
	"  --version            print the version and end\n"
	"\n"
	"SIGHUP opens files anew. Exit status: 0 ended as told, 1 failure, 2 bad usage or "
	"configuration.\n";

static int read_config(const char *path, struct ship_config **ret_config)
{
	struct report report;

	report_init(&report);
	int r = ship_config_read(path, &report, ret_config);
	report_print(&report, stderr);
	report_done(&report);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"alert-test", required_argument, NULL, 'a'},
		{"startup-taint", required_argument, NULL, 't'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *path = PODFENCE_SYSCONFDIR "/podfence-ship.yaml", *output = NULL;
	const char *taint_key = NULL;
	bool only_check = false;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (option) {
		case 'c': path = optarg; break;
		case 'k': only_check = true; break;
		case 'a': output = optarg; break;
		case 't': taint_key = optarg; break;
		case 'v': puts("podfence-ship " PODFENCE_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	if (optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	struct ship_config *config;
	diag_set_program("podfence-ship");
	if (!only_check && ship_privileges() < 0)
		return 1;
	if (read_config(path, &config) != 0)
		return 2;
	if (taint_key && ship_config_set_taint(config, taint_key) < 0) {
		ship_config_free(config);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	if (only_check || output) {
		int r = output ? ship_alert_test(config, output) : 0;
		ship_config_free(config);
		return r != 0;
	}
	return ship_run(path, config) < 0;
}
