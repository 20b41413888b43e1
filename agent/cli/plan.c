/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence plan: what policies in files would change if they were applied: whom they select, whose policies
 * open everything, and the rules. Nothing is changed. */
#include <errno.h>
#include <string.h>

#include <podfence/plan.h>

#include "cli/offline.h"
#include "cli/replay.h"
#include "compile/compile.h"
#include "kube/manifest_set.h"
#include "policy/ruling_text.h"

static int read_files(const struct cli *cli, struct manifest_set *set)
{
	bool is_refused = false;
	struct report report;
	int r = 0;

	report_init(&report);
	for (size_t i = 0; i < cli->n_arguments && r == 0; i++) {
		struct manifest *manifest = NULL;
		r = manifest_read(cli->arguments[i], &report, &manifest);
		if (r < 0)
			break;
		is_refused |= manifest->n_refused || manifest->is_broken;
		r = manifest_set_add(set, cli->arguments[i], manifest, NULL);
	}
	if (r == 0)
		r = manifest_set_finish(set, &report);
	report_print(&report, stderr);
	report_done(&report);
	if (r < 0)
		return cli_fail(2, "%s", strerror(-r));
	return is_refused ? 2 : 0;
}

static void print_policies(const struct decision *decision)
{
	for (size_t i = 0; i < decision->n_policies; i++) {
		const struct policy *policy = decision->policies[i];
		printf("%s%s %s%s%s", i ? ", " : "", policy_kind(policy), policy->namespace,
		       policy->namespace[0] ? "/" : "", policy->name);
	}
	if (!decision->n_policies)
		fputs("none", stdout);
}

static bool is_same(const struct decision *a, const struct decision *b)
{
	return a->n_policies == b->n_policies &&
	       !memcmp(a->policies, b->policies, a->n_policies * sizeof(*a->policies));
}

static void print_pod(const struct pod *pod, const struct decision *before,
		      const struct decision *after)
{
	printf("  %s/%s: ", pod->namespace, pod->name);
	if (!strcmp(before->name, after->name)) {
		fputs("other rules of ", stdout);
		print_policies(after);
		putchar('\n');
		return;
	}
	print_policies(before);
	fputs(" -> ", stdout);
	print_policies(after);
	putchar('\n');
}

static void print_pods(const struct offline *offline, const struct decisions *before)
{
	const struct snapshot *snapshot = &offline->snapshot;
	size_t n = 0;

	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		n += !is_same(before->distinct[before->of[i]],
			      offline->decisions->distinct[offline->decisions->of[i]]);
	printf("%zu of %zu pods would be decided otherwise%s\n", n, snapshot->n_endpoints,
	       n ? ":" : "");
	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		const struct decision *old = before->distinct[before->of[i]];
		const struct decision *new =
			offline->decisions->distinct[offline->decisions->of[i]];
		if (!is_same(old, new))
			print_pod(snapshot->endpoints[i].pod, old, new);
	}
}

/* "0.0.0.0/0", "::/0" or both; NULL: neither. */
static const char *opened_by(const struct policy_rule *rule)
{
	bool is_open[2] = {rule->matches_all_networks, rule->matches_all_networks};

	if (rule->action != POLICY_ACCEPT || policy_rule_effect(rule) != RULE_AS_WRITTEN)
		return NULL;
	for (size_t i = 0; i < rule->n_networks; i++)
		if (!rule->networks[i].prefix.length && !rule->networks[i].n_except)
			is_open[rule->networks[i].prefix.address.family != 2 /* AF_INET */] = true;
	return is_open[0] && is_open[1] ? "0.0.0.0/0 and ::/0"
	       : is_open[0]		? "0.0.0.0/0"
	       : is_open[1]		? "::/0"
					: NULL;
}

static size_t print_opened(const struct pod *pod, const struct decision *decision)
{
	size_t n = 0;

	for (size_t i = 0; i < decision->n_policies; i++) {
		const struct policy *policy = decision->policies[i];
		for (size_t k = 0; k < policy->n_rules; k++) {
			const char *what = opened_by(&policy->rules[k]);
			if (!what)
				continue;
			n++;
			bool is_held = policy->tier == POLICY_TIER_NETWORK_POLICY &&
				       decision->has_ceiling;
			printf("  %s/%s: %s by %s %s%s%s egress[%zu]%s%s\n", pod->namespace,
			       pod->name, what, policy_kind(policy), policy->namespace,
			       policy->namespace[0] ? "/" : "", policy->name, k,
			       policy->rules[k].matches_all_ports ? "" : ", some ports",
			       is_held ? ", held back by default.ceiling" : "");
		}
	}
	return n;
}

static void print_open(const struct offline *offline)
{
	size_t n = 0;

	puts("\nopened to every address:");
	for (size_t i = 0; i < offline->snapshot.n_endpoints; i++)
		n += print_opened(offline->snapshot.endpoints[i].pod,
				  offline->decisions->distinct[offline->decisions->of[i]]);
	if (!n)
		puts("  nobody");
}

static int compile_with(const struct offline *offline, const struct decisions *decisions,
			struct pf_ruleset **ret_ruleset)
{
	const struct compile_input input = {
		.config = offline->config,
		.snapshot = &offline->snapshot,
		.decisions = decisions,
	};
	char reason[160] = "out of memory";

	return compile(&input, ret_ruleset, reason)
		       ? cli_fail(2, "no ruleset can be made of this: %s", reason)
		       : 0;
}

static int print_rules(const struct offline *offline, const struct decisions *before)
{
	struct pf_ruleset *from = NULL, *to = NULL;
	struct pf_plan *plan = NULL;
	int status = compile_with(offline, before, &from);

	if (!status)
		status = compile_with(offline, offline->decisions, &to);
	if (!status && pf_plan_new(from, to, &plan, NULL) != 0)
		status = cli_fail(2, "out of memory");
	if (!status) {
		printf("\nrules: %zu steps; pods' links and cgroups are found on the node\n",
		       pf_plan_n_steps(plan));
		status = pf_plan_print(plan, stdout) < 0 ? 1 : 0;
	}
	pf_plan_free(plan);
	pf_ruleset_free(from);
	pf_ruleset_free(to);
	return status;
}

static int show(const struct cli *cli, struct offline *offline, const struct policy_list *policies)
{
	struct decisions *before;

	if (offline_decide(offline) < 0)
		return cli_fail(2, "out of memory");
	before = decisions_ref(offline->decisions);
	int status = offline_replace(offline, policies) < 0 || offline_decide(offline) < 0
			     ? cli_fail(2, "out of memory")
			     : 0;
	if (!status) {
		print_pods(offline, before);
		print_open(offline);
		status = replay_print(cli, offline, before);
	}
	if (!status)
		status = print_rules(offline, before);
	decisions_free(before);
	return status;
}

int cli_plan(const struct cli *cli)
{
	struct offline offline = {};
	struct manifest_set *set = NULL;
	int status = manifest_set_new(&set) < 0 ? cli_fail(2, "out of memory") : 0;

	if (!status)
		status = read_files(cli, set);
	bool is_asked = !status && offline_wants_agent(cli);
	if (!status)
		status = is_asked ? offline_ask(cli, &offline) : offline_read(cli, &offline);
	if (!status)
		puts(is_asked ? "compared with what podfenced has in force:\n"
			      : "compared with what the files of this node say:\n");
	if (!status)
		status = show(cli, &offline, set->policies);
	if (!status)
		status = cli_finish();
	manifest_set_free(set);
	offline_done(&offline);
	return status;
}
