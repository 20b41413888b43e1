/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence render: the ruleset that a configuration leads to, as nft text. It asks no kernel, so
 * elements that are made of a node's ids (links, cgroups) are not in it; the pods of the list stand
 * above the rules with the chain that would judge them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "compile/compile.h"
#include "kube/podlist.h"

static int print_pods(const struct config *config)
{
	struct report report;
	struct pod_list *list;

	if (!config->pods.file[0])
		return 0;
	report_init(&report);
	int r = podlist_read(config->pods.file, config->node.name[0] ? config->node.name : NULL,
			     &report, &list);
	report_print(&report, stderr);
	if (r < 0 && report_is_empty(&report))
		fprintf(stderr, "%s: %s\n", config->pods.file, strerror(-r));
	report_done(&report);
	if (r != 0)
		return 2;
	printf("# %zu pods of %s; links and cgroups are found on the node\n", list->n_pods,
	       config->pods.file);
	for (size_t i = 0; i < list->n_pods; i++) {
		const struct pod *pod = list->pods[i];
		printf("#   %s/%s: %s\n", pod->namespace, pod->name,
		       pod->is_host_network ? "host pod, chain default-out by its cgroup"
					    : "pod, chain default by its link");
	}
	pod_list_free(list);
	return 0;
}

static int print_rules(const struct config *config)
{
	const struct compile_input input = {.config = config};
	struct pf_ruleset *ruleset;
	char reason[160] = "out of memory";
	int r = compile(&input, &ruleset, reason);

	if (r != 0) {
		fprintf(stderr, "podfence: no ruleset can be made of this: %s\n", reason);
		return 2;
	}
	r = pf_ruleset_print(ruleset, stdout);
	pf_ruleset_free(ruleset);
	if (r < 0 || fflush(stdout) != 0) {
		fprintf(stderr, "podfence: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

int cli_render(const struct cli *cli)
{
	struct config *config;
	int status = cli_config(cli, &config);

	if (status != 0)
		return status;
	status = print_pods(config);
	if (!status)
		status = print_rules(config);
	config_free(config);
	return status;
}
