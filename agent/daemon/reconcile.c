/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One function makes the kernel agree with what is known: configuration, pods, node -> snapshot ->
 * ruleset -> kernel. It is called for every reason alike and starts from the latest state each
 * time, so bursts of events cost one run. Nothing in force is given up before its successor is. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "compile/compile.h"
#include "policy/own.h"
#include "daemon/quarantine.h"

/* The globs of all entries, one after the other, as unit_rule_of() counts them. */
static const char **unit_globs(const struct config *config, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < config->units.n_rules; i++)
		n += config->units.rules[i].match.n_strings;
	const char **globs = calloc(n + 1, sizeof(*globs));
	*ret_n = n;
	n = 0;
	for (size_t i = 0; globs && i < config->units.n_rules; i++)
		for (size_t k = 0; k < config->units.rules[i].match.n_strings; k++)
			globs[n++] = config->units.rules[i].match.strings[k];
	return globs;
}

int reconcile_open_node(const struct config *config, struct node **ret_node)
{
	size_t n_globs;
	const char **globs = unit_globs(config, &n_globs);
	struct node_options options = {
		.unit_globs = globs,
		.n_unit_globs = n_globs,
		.cgroup_root = config->node.cgroup_root,
		.pod_roots = (const char *const *)config->node.pod_roots.strings,
		.n_pod_roots = config->node.pod_roots.n_strings,
	};
	int r = globs ? node_open(&options, ret_node) : -ENOMEM;

	free(globs);
	if (r < 0)
		diag_cannot("look at this node (cgroup v2, /proc, netlink)", r);
	return r;
}

static int make_snapshot(struct daemon *daemon, struct snapshot **ret_snapshot)
{
	const struct config *config = daemon->config;
	struct snapshot_options options = {
		.uplink_names = (const char *const *)config->network.uplinks.strings,
		.n_uplink_names = config->network.uplinks.n_strings,
		.is_audit = config->fallback.mode == CONFIG_MODE_AUDIT,
		.networks = daemon->networks,
		.detours = &daemon->detours,
		.units = &config->units,
	};
	struct node_view *view;
	int r = node_view_read(daemon->node, &view);

	if (r < 0) {
		diag_cannot("read links, routes and cgroups", r);
		return r;
	}
	struct pod_list *pods = daemon->pods ? pod_list_ref(daemon->pods) : pod_list_empty();
	if (!pods) {
		node_view_free(view);
		return -ENOMEM;
	}
	return snapshot_new(&options, pods, view, ret_snapshot);
}

static bool is_same_news(const struct endpoint *a, const struct endpoint *b)
{
	return a->coverage == b->coverage && !strcmp(a->reason, b->reason);
}

static void say_why(const struct endpoint *endpoint)
{
	const char *namespace = endpoint_namespace(endpoint), *name = endpoint_name(endpoint);

	if (endpoint->coverage == COVERAGE_UNCOVERED)
		diag_uncovered(namespace, name, endpoint->reason);
	else
		diag_unresolved(namespace, name, endpoint->reason);
}

/* What a person should know, when it changes and not every time. */
static size_t say_what_is_unresolved(struct daemon *daemon, const struct snapshot *snapshot)
{
	const struct snapshot *before = daemon->snapshot;
	size_t n = 0, k = 0;

	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		if (endpoint->coverage != COVERAGE_PENDING &&
		    endpoint->coverage != COVERAGE_UNCOVERED)
			continue;
		n++;
		/* Both are sorted by namespace and name. */
		int order = -1;
		for (; before && k < before->n_endpoints; k++) {
			order = endpoint_compare(&before->endpoints[k], endpoint);
			if (order >= 0)
				break;
		}
		if (!before || k == before->n_endpoints || order != 0 ||
		    !is_same_news(&before->endpoints[k], endpoint))
			say_why(endpoint);
	}
	return n;
}

static bool has_device(const struct snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->view->n_links; i++)
		if (!strcmp(snapshot->view->links[i].name, name))
			return true;
	return false;
}

static void say_missing_uplinks(struct daemon *daemon, const struct snapshot *snapshot)
{
	const struct string_list *names = &daemon->config->network.uplinks;

	for (size_t i = 0; i < names->n_strings; i++) {
		const char *name = names->strings[i];
		if (!has_device(snapshot, name) &&
		    (daemon->must_say_missing_uplinks || has_device(daemon->snapshot, name)))
			diag_uplink_missing(name);
	}
	daemon->must_say_missing_uplinks = false;
}

static void say_what_is_missing(struct daemon *daemon, const struct snapshot *snapshot)
{
	const struct config *config = daemon->config;
	bool wants_pods = config->kubernetes.source != CONFIG_SOURCE_NONE || config->pods.file[0] ||
			  !config->units.n_rules;
	bool no_uplink = !snapshot->n_uplinks;
	bool no_root = wants_pods && !snapshot->view->n_pod_roots;
	bool is_cut = snapshot->view->is_unit_list_cut;
	bool is_tcx_hidden = snapshot->view->is_tcx_hidden;

	say_missing_uplinks(daemon, snapshot);
	if (no_uplink && !daemon->was_without_uplink)
		diag_no_uplink();
	if (no_root && !daemon->was_without_pod_root)
		diag_no_pod_root();
	if (is_cut && !daemon->was_unit_list_cut)
		diag_units_cut();
	if (is_tcx_hidden && !daemon->was_tcx_hidden)
		diag_tcx_hidden();
	daemon->was_tcx_hidden = is_tcx_hidden;
	daemon->was_unit_list_cut = is_cut;
	daemon->was_without_uplink = no_uplink;
	daemon->was_without_pod_root = no_root;
}

static void take_over(struct daemon *daemon, struct snapshot *snapshot, struct decisions *decisions,
		      size_t n_steps)
{
	size_t n_unresolved = say_what_is_unresolved(daemon, snapshot);

	say_what_is_missing(daemon, snapshot);
	if (daemon->snapshot)
		stream_drain(daemon); /* what was logged before belongs to the snapshot before */
	ledger_follow(daemon, snapshot, decisions);
	struct snapshot *before = daemon->snapshot;
	daemon->snapshot = snapshot;
	quarantines_follow(daemon, before, snapshot);
	culprit_follow(daemon, snapshot);
	history_keep(&daemon->history, before, daemon->decisions, daemon->generation, snapshot,
		     clock_usec(CLOCK_REALTIME));
	decisions_free(daemon->decisions);
	daemon->decisions = decisions;
	daemon->rules_version = daemon->config_version;
	daemon->rulebook.decisions = decisions;
	daemon->rulebook.nat64 = &daemon->config->network.nat64;
	daemon->rulebook.generation = daemon->generation;
	if (!n_steps && daemon->is_ready)
		return;
	daemon->rulebook.generation = ++daemon->generation;
	daemon->changed_usec = clock_usec(CLOCK_REALTIME);
	daemon->n_changes = n_steps;
	diag_generation(daemon->generation, snapshot->n_endpoints, n_unresolved, n_steps);
}

static int make_own(struct daemon *daemon)
{
	struct own_policies own;

	if (daemon->own_version == daemon->config_version)
		return 0;
	int r = own_policies_make(daemon->config, &own);
	if (r < 0)
		return r;
	own_policies_done(&daemon->own);
	daemon->own = own;
	daemon->own_version = daemon->config_version;
	return 0;
}

/* Which policies hold for whom, on this snapshot. */
static int decide(struct daemon *daemon, const struct snapshot *snapshot,
		  struct decisions **ret_decisions)
{
	struct decision_input input = {
		.config = daemon->config,
		.version = daemon->config_version,
	};
	struct policies_now now;
	int r = make_own(daemon);

	if (r == 0)
		r = policies_now(daemon, &now);
	if (r < 0)
		return r;
	input.own = daemon->own.fallback;
	input.unit_own = daemon->own.units;
	input.policies = now.policies;
	input.namespaces = now.namespaces;
	return decisions_new(&input, snapshot, daemon->decisions, ret_decisions);
}

static int apply_once(struct daemon *daemon, const struct snapshot *snapshot,
		      const struct decisions *decisions, size_t *ret_n_steps)
{
	bool is_config_same = daemon->rules_version == daemon->config_version;
	const struct compile_input input = {
		.config = daemon->config,
		.snapshot = snapshot,
		.decisions = decisions,
		.before = is_config_same ? fence_current(daemon->fence) : NULL,
		.before_decisions = is_config_same ? daemon->decisions : NULL,
		.quarantines = &daemon->quarantines.list,
		.has_no_egress = backstop_is_out(daemon),
		.keeps_bridge = fence_has_table(daemon->fence, PF_FAMILY_BRIDGE),
		.keeps_netdev = fence_has_table(daemon->fence, PF_FAMILY_NETDEV),
	};
	struct pf_ruleset *ruleset;
	char reason[160];
	int r = compile(&input, &ruleset, reason);

	if (r == COMPILE_E_REFUSED) {
		diag_rules_not_made(reason);
		return -EINVAL;
	}
	return r < 0 ? r : fence_apply(daemon->fence, ruleset, ret_n_steps);
}

/* A device may go away between our look and our change; the rest must not wait for it. */
static int apply(struct daemon *daemon, const struct snapshot *snapshot,
		 const struct decisions *decisions, size_t *ret_n_steps)
{
	int r = apply_once(daemon, snapshot, decisions, ret_n_steps);

	return r < 0 && backstop_failed(daemon, snapshot)
		       ? apply_once(daemon, snapshot, decisions, ret_n_steps)
		       : r;
}

int reconcile(struct daemon *daemon)
{
	struct decisions *decisions = NULL;
	const struct network_list *networks = daemon->networks;
	struct snapshot *snapshot;
	size_t n_steps = 0;
	int r = networks_derive(daemon);

	if (networks != daemon->networks || daemon->detours_version != daemon->config_version)
		(void)detours_look(daemon);
	daemon->detours_version = daemon->config_version;
	if (r == 0)
		r = make_snapshot(daemon, &snapshot);
	if (r < 0)
		return r;
	r = decide(daemon, snapshot, &decisions);
	if (r == 0)
		r = apply(daemon, snapshot, decisions, &n_steps);
	if (r < 0) {
		decisions_free(decisions);
		snapshot_free(snapshot);
		return r;
	}
	take_over(daemon, snapshot, decisions, n_steps);
	confirm_follow(daemon, daemon->policies.chosen, n_steps > 0);
	return 0;
}
