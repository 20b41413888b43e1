/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfenced: the agent. Reads its configuration, then runs (daemon/daemon.c). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "daemon/daemon.h"
#include "daemon/privileges.h"
#include "podfence-config.h"

static const char usage[] =
	"Usage: podfenced [--config FILE] [--check] [--version] [--help]\n"
	"\n"
	"Keeps the pods of this node, hostNetwork pods included, from reaching external addresses, "
	"and\n"
	"writes every drop to standard output as one JSON object (ECS) a line.\n"
	"\n"
	"  --config FILE  configuration, default " PODFENCE_SYSCONFDIR "/podfence.yaml\n"
	"  --check        read the configuration, say what is wrong with it, and end\n"
	"  --version      print the version and end\n"
	"\n"
	"SIGHUP reads the configuration again. SIGTERM ends the agent; the rules stay in the "
	"kernel until\n"
	"`podfence uninstall`. Exit status: 0 ended as told, 1 failure, 2 bad usage or "
	"configuration,\n"
	"77 a capability is missing.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *path = PODFENCE_SYSCONFDIR "/podfence.yaml";
	bool only_check = false;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (option) {
		case 'c': path = optarg; break;
		case 'k': only_check = true; break;
		case 'v': puts("podfenced " PODFENCE_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	if (optind != argc) {
		fputs(usage, stderr);
		return 2;
	}

	int r = only_check ? 0 : privileges_begin();
	if (r != 0)
		return r < 0 ? 1 : r;

	struct config *config;
	struct report report;
	report_init(&report);
	r = config_read(path, &report, &config);
	report_print(&report, stderr);
	report_done(&report);
	if (r != 0)
		return 2;
	if (only_check) {
		config_free(config);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	return daemon_run(path, config) < 0;
}
