/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The top of the compiler: what the stages share, and the order of the stages.
 *
 * The ruleset has two parts with different lives. Rules depend on the configuration and on a few
 * facts of the node (depths of the cgroup tree): they change rarely, a chain at a time. Who an
 * endpoint is stands in the elements of sets and maps: a pod that comes or goes is a few elements,
 * and nothing else moves. */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile/internal.h"
#include "inventory/backstop.h"

static void level_add(struct levels *levels, unsigned level)
{
	size_t i = 0;

	while (i < levels->n && levels->levels[i] > level)
		i++;
	if (levels->n == LEVELS_MAX || level > UINT8_MAX ||
	    (i < levels->n && levels->levels[i] == level))
		return;
	memmove(&levels->levels[i + 1], &levels->levels[i], levels->n - i);
	levels->levels[i] = (uint8_t)level;
	levels->n++;
}

static void collect_levels(struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;

	for (size_t i = 0; snapshot && i < snapshot->view->n_pod_roots; i++)
		level_add(&compiler->roots, snapshot->view->pod_roots[i].level);
	for (size_t i = 0; snapshot && i < snapshot->n_exempt; i++)
		level_add(&compiler->exempt, snapshot->exempt[i].level);
	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		if (endpoint->kind == ENDPOINT_POD || !endpoint->cgroup)
			continue;
		level_add(&compiler->pods, endpoint->level);
		if (endpoint->kind == ENDPOINT_UNIT)
			level_add(&compiler->roots, endpoint->level);
	}
}

static int collect_internal(struct compiler *compiler)
{
	const struct prefix_list *lists[] = {
		&compiler->config->network.internal,
		&compiler->config->network.pod_cidrs,
		&compiler->config->network.service_cidrs,
		&compiler->config->network.node_cidrs,
	};
	const struct network_list *derived = compiler->snapshot ? compiler->snapshot->networks
								: NULL;
	struct prefix_list *all = &compiler->internal;
	size_t n = derived ? derived->n_networks : 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		n += lists[i]->n_prefixes;
	all->prefixes = calloc(n ? n : 1, sizeof(*all->prefixes));
	if (!all->prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t k = 0; k < lists[i]->n_prefixes; k++)
			all->prefixes[all->n_prefixes++] = lists[i]->prefixes[k];
	for (size_t i = 0; derived && i < derived->n_networks; i++)
		if (network_is_internal(&derived->networks[i]))
			all->prefixes[all->n_prefixes++] = derived->networks[i].prefix;
	return 0;
}

static bool has_bridged_pods(const struct snapshot *snapshot)
{
	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++)
			if (snapshot->endpoints[i].attachments[k].port)
				return true;
	return false;
}

/* Only where it would have something to stand at: nobody pays for a table that does nothing. */
static bool has_backstop(const struct compile_input *input)
{
	const struct snapshot *snapshot = input->snapshot;

	if (input->has_no_egress || !compile_backstop_is_needed(input->config, snapshot))
		return false;
	for (size_t i = 0; i < snapshot->n_backstops; i++)
		if (!snapshot->backstops[i].reason)
			return true;
	return false;
}

static void add_counters(struct compiler *compiler)
{
	static const char *const counters[] = {"denied", "audited", "pending_denied",
					       "pending_audited", LOGGED};

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		pf_counter_add(compiler->inet, counters[i]);
}

static void compile_all(struct compiler *compiler, const struct compile_input *input,
			struct pf_ruleset *ruleset)
{
	compiler->inet = pf_table_add(ruleset, PF_FAMILY_INET, PODFENCE_TABLE);
	bool has_bridge = has_bridged_pods(compiler->snapshot);
	if (has_bridge || compiler->keeps_bridge)
		compiler->bridge = pf_table_add(ruleset, PF_FAMILY_BRIDGE, PODFENCE_TABLE);
	if (has_backstop(input) || compiler->keeps_netdev)
		compiler->netdev = pf_table_add(ruleset, PF_FAMILY_NETDEV, PODFENCE_TABLE);
	add_counters(compiler);
	compile_ledger(compiler);
	compile_senders(compiler, PF_FAMILY_INET);
	if (compiler->bridge)
		compile_senders(compiler, PF_FAMILY_BRIDGE);
	if (compiler->netdev)
		compile_senders(compiler, PF_FAMILY_NETDEV);
	compile_ends(compiler);
	compile_policies(compiler);
	compile_endpoint_chains(compiler);
	compile_judges(compiler);
	compile_guards(compiler);
	compile_endpoints(compiler);
	if (has_bridge)
		compile_bridge(compiler);
	compile_quarantines(compiler);
	if (has_backstop(input))
		compile_backstop(compiler);
}

int compile(const struct compile_input *input, struct pf_ruleset **ret_ruleset,
	    char ret_reason[static 160])
{
	struct compiler compiler = {
		.config = input->config,
		.snapshot = input->snapshot,
		.decisions = input->decisions,
		.before = input->before,
		.before_decisions = input->before_decisions,
		.quarantines = input->quarantines,
		.keeps_bridge = input->keeps_bridge,
		.keeps_netdev = input->keeps_netdev,
		.is_audit = input->config->fallback.mode != CONFIG_MODE_DENY,
	};
	struct pf_ruleset *ruleset = pf_ruleset_new();

	if (!ruleset || collect_internal(&compiler) < 0) {
		pf_ruleset_free(ruleset);
		return -ENOMEM;
	}
	collect_levels(&compiler);
	compile_all(&compiler, input, ruleset);
	free(compiler.internal.prefixes);
	int r = pf_ruleset_seal(ruleset);
	if (r < 0) {
		strncpy(ret_reason, pf_ruleset_error(ruleset), 159);
		ret_reason[159] = '\0';
		pf_ruleset_free(ruleset);
		return r == -ENOMEM ? r : COMPILE_E_REFUSED;
	}
	*ret_ruleset = ruleset;
	return 0;
}
