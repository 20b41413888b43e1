/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence boot: the skeleton. Early at boot it makes the cgroups that pods will stand below and puts in
 * force what can be said of pods nobody knows yet: the guards, what is internal by the configuration,
 * and `pending` for everything else. The agent then continues from there by differences.
 *
 * What is internal by derivation is not known so early, nor perhaps any uplink: until the agent has
 * looked, less passes, never more. Rules that are in force already are an agent's, and stay. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/look.h"
#include "cli/options.h"
#include "compile/compile.h"
#include "daemon/fence.h"
#include "node/pod_roots.h"

static int fail(const char *what, int error)
{
	fprintf(stderr, "podfence: cannot %s: %s\n", what, strerror(-error));
	return 1;
}

/* The fence says itself why it cannot change the rules. */
static int apply(struct fence *fence, const struct config *config, const struct snapshot *snapshot)
{
	const struct compile_input input = {.config = config, .snapshot = snapshot};
	struct pf_ruleset *ruleset;
	char reason[160] = "out of memory";
	size_t n_steps;
	int r = compile(&input, &ruleset, reason);

	if (r != 0) {
		fprintf(stderr, "podfence: no ruleset can be made of this: %s\n", reason);
		return r < 0 ? 1 : 2;
	}
	r = fence_apply(fence, ruleset, &n_steps);
	if (r < 0)
		return 1;
	printf("the skeleton is in force: %s what is external and not yet known, below %zu pod "
	       "roots\n",
	       config->fallback.mode == CONFIG_MODE_AUDIT ? "audit" : "deny",
	       snapshot->view->n_pod_roots);
	return 0;
}

static int put_in_force(const struct config *config)
{
	struct snapshot *snapshot;
	struct fence *fence;
	int r = fence_open(&fence);

	if (r < 0)
		return fail("open nf_tables (needs CAP_NET_ADMIN)", r);
	if (pf_ruleset_n_tables(fence_current(fence))) {
		puts("rules of podfence are in force already; they stay");
		fence_free(fence);
		return 0;
	}
	r = config->tables.owner == CONFIG_OWNER_AUTO ? fence_own(fence) : 0;
	if (r < 0) {
		fence_free(fence);
		return 1;
	}
	r = cli_look(config, &snapshot);
	int status;
	if (r < 0) {
		status = fail("look at this node (cgroup v2, /proc, netlink)", r);
	} else {
		status = apply(fence, config, snapshot);
		snapshot_free(snapshot);
	}
	fence_free(fence);
	return status;
}

int cli_boot(const struct cli *cli)
{
	struct config *config;
	int status = cli_config(cli, &config);

	if (status != 0)
		return status;
	const struct node_options options = cli_node_options(config);
	size_t n_made;
	int r = pod_roots_make(&options, &n_made);
	if (n_made)
		printf("%zu cgroups made for pods to come\n", n_made);
	if (r < 0)
		status = fail("make the cgroups of pods (node.podRoots)", r);
	/* Without them ordinary pods are still fenced. */
	int rules = put_in_force(config);
	config_free(config);
	return status ? status : rules;
}
