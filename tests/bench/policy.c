/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What policies cost the agent: 1,000 NetworkPolicies of 20 rules each on a node.
 *
 *	full		decisions of all pods and the whole ruleset, from nothing
 *	nft -c -f	a process that checks the printed result; CPU of the child
 *	label		one pod gets another label: decisions, ruleset and the plan to it
 *	edit		one policy is another: the same
 *
 * And how many chains there are with more and more pods under the same policies. CPU time; rounds are
 * interleaved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compile/compile.h"
#include "lab.h"
#include "namespace.h"
#include "node.h"

#define ROUNDS	   9
#define NAMESPACES 50
#define POLICIES   1000
#define RULES	   20
#define APPS	   5 /* values of the label that policies select by */

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static struct policy *policy_make(unsigned number, unsigned edition)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	char text[32];

	policy->n_references = 1;
	policy->tier = POLICY_TIER_NETWORK_POLICY;
	snprintf(text, sizeof(text), "ns-%03u", number % NAMESPACES);
	policy->namespace = strdup(text);
	snprintf(text, sizeof(text), "policy-%04u", number);
	policy->name = strdup(text);
	policy->uid = strdup("");
	policy->origin = strdup("bench");
	struct label_requirement *one = calloc(1, sizeof(*one));
	snprintf(text, sizeof(text), "app-%u", number / NAMESPACES % APPS);
	*one = (struct label_requirement){strdup("app"), LABEL_IN, calloc(1, sizeof(char *)), 1};
	one->values[0] = strdup(text);
	policy->pods = (struct label_selector){one, 1};
	policy->rules = calloc(RULES, sizeof(*policy->rules));
	policy->n_rules = RULES;
	for (unsigned i = 0; i < RULES; i++) {
		struct policy_rule *rule = &policy->rules[i];
		rule->name = strdup("");
		rule->networks = calloc(1, sizeof(*rule->networks));
		rule->n_networks = 1;
		rule->networks[0].prefix = (struct pf_prefix){
			.address = {2,
				    {100, (uint8_t)(number >> 4), (uint8_t)(number << 4 | i >> 2),
				     (uint8_t)(i << 6 | edition << 2)}},
			.length = 30,
		};
		rule->ports = calloc(1, sizeof(*rule->ports));
		rule->n_ports = i % 2; /* every other one on every port */
		rule->matches_all_ports = !rule->n_ports;
		rule->ports[0] = (struct policy_port){6, 443, 443};
	}
	return policy;
}

static struct policy_list *policies_make(unsigned edited)
{
	struct policy_list *list = calloc(1, sizeof(*list));

	list->n_references = 1;
	list->policies = calloc(POLICIES, sizeof(struct policy *));
	for (unsigned i = 0; i < NAMESPACES; i++) /* sorted by namespace and name */
		for (unsigned k = i; k < POLICIES; k += NAMESPACES)
			list->policies[list->n_policies++] = policy_make(k, k == edited);
	return list;
}

/* The same policies but for one. */
static struct policy_list *policies_edit(const struct policy_list *from, size_t at)
{
	struct policy_list *list = calloc(1, sizeof(*list));
	unsigned number = (unsigned)atoi(from->policies[at]->name + strlen("policy-"));

	list->n_references = 1;
	list->policies = calloc(from->n_policies, sizeof(struct policy *));
	for (size_t i = 0; i < from->n_policies; i++)
		list->policies[list->n_policies++] = i == at ? policy_make(number, 1)
							     : policy_ref(from->policies[i]);
	return list;
}

static struct pod *pod_make(unsigned number, unsigned n_pods, unsigned app)
{
	struct pod *pod = calloc(1, sizeof(*pod));
	char text[32];

	pod->n_references = 1;
	snprintf(text, sizeof(text), "ns-%03u", number * NAMESPACES / n_pods);
	pod->namespace = strdup(text);
	snprintf(text, sizeof(text), "pod-%05u", number);
	pod->name = strdup(text);
	snprintf(text, sizeof(text), "app-%u", app);
	pod->labels.labels = calloc(1, sizeof(struct label));
	pod->labels.labels[0] = (struct label){strdup("app"), strdup(text)};
	pod->labels.n_labels = 1;
	return pod;
}

struct world {
	struct made_node *made;
	struct decisions *decisions;
	struct pf_ruleset *ruleset;
};

static struct made_node *node_make(unsigned n_pods)
{
	struct made_node *made = made_node_new(n_pods, 0, 0);

	for (unsigned i = 0; i < n_pods; i++)
		made->snapshot.endpoints[i].pod = pod_make(i, n_pods, i % APPS);
	return made;
}

static void evaluate(struct world *world, struct policy_list *policies, const struct world *before)
{
	const struct decision_input input = {.config = &world->made->config, .policies = policies};
	struct compile_input compiling = {&world->made->config, &world->made->snapshot, NULL,
					  before ? before->ruleset : NULL,
					  before ? before->decisions : NULL};
	char reason[160] = "no memory";

	if (decisions_new(&input, &world->made->snapshot, before ? before->decisions : NULL,
			  &world->decisions) != 0)
		die("no decisions");
	compiling.decisions = world->decisions;
	if (compile(&compiling, &world->ruleset, reason) != 0)
		die(reason);
}

static void forget(struct world *world)
{
	decisions_free(world->decisions);
	pf_ruleset_free(world->ruleset);
}

static double full(struct made_node *made, struct policy_list *policies)
{
	struct world world = {made};
	uint64_t begun = cpu_thread_nsec();

	evaluate(&world, policies, NULL);
	uint64_t spent = cpu_thread_nsec() - begun;
	forget(&world);
	return (double)spent / 1000;
}

/* From `before` to what these policies say of this node, with the plan. */
static double step(struct made_node *made, struct policy_list *policies, const struct world *before,
		   size_t *ret_n_steps)
{
	struct world world = {made};
	struct pf_plan *plans[2];
	uint64_t begun = cpu_thread_nsec();

	evaluate(&world, policies, before);
	if (pf_plan_split(before->ruleset, world.ruleset, plans, NULL) != 0)
		die("no plan");
	uint64_t spent = cpu_thread_nsec() - begun;
	*ret_n_steps = pf_plan_n_steps(plans[0]) + pf_plan_n_steps(plans[1]);
	pf_plan_free(plans[0]);
	pf_plan_free(plans[1]);
	forget(&world);
	return (double)spent / 1000;
}

static double check(const char *path)
{
	uint64_t begun = cpu_children_nsec();
	pid_t pid = fork();
	int status;

	if (!pid) {
		execlp("nft", "nft", "-c", "-f", path, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		die("nft -c -f failed");
	return (double)(cpu_children_nsec() - begun) / 1000;
}

static void row(const char *name, double *values, double full_median, const char *of)
{
	struct statistics one = statistics_of(values, ROUNDS);

	printf("  %-22s %9.0f [%.0f-%.0f]", name, one.median, one.low, one.high);
	if (full_median > one.median)
		printf("  1/%.0f of %s", full_median / one.median, of);
	else if (full_median > 0)
		printf("  %.2f of %s", one.median / full_median, of);
	putchar('\n');
}

static void costs(unsigned n_pods)
{
	double all[ROUNDS], label[ROUNDS], edit[ROUNDS], nft[ROUNDS];
	char path[] = "/tmp/podfence-bench-XXXXXX";
	struct world before = {node_make(n_pods)};
	struct made_node *other = node_make(n_pods);
	struct policy_list *policies = policies_make(POLICIES),
			   *edited = policies_edit(policies, POLICIES / 2);
	size_t n_label = 0, n_edit = 0;

	/* The same pods but for one, as a watch would leave them. */
	for (unsigned i = 0; i < n_pods; i++) {
		pod_free((struct pod *)other->snapshot.endpoints[i].pod);
		other->snapshot.endpoints[i].pod =
			i == n_pods / 2
				? pod_make(i, n_pods, (i + 1) % APPS)
				: pod_ref((struct pod *)before.made->snapshot.endpoints[i].pod);
	}
	evaluate(&before, policies, NULL);
	FILE *stream = fdopen(mkstemp(path), "w");
	if (pf_ruleset_print(before.ruleset, stream) < 0 || fclose(stream) != 0)
		die("cannot print");
	for (unsigned i = 0; i < ROUNDS; i++) {
		all[i] = full(before.made, policies);
		step(other, policies, &before, &n_label); /* pays for the heap the last one left */
		label[i] = step(other, policies, &before, &n_label);
		edit[i] = step(before.made, edited, &before, &n_edit);
		nft[i] = check(path);
	}
	unlink(path);
	double whole = statistics_of(all, ROUNDS).median, peer = statistics_of(nft, ROUNDS).median;
	printf("%u policies of %u rules, %u pods, CPU in microseconds, %u interleaved rounds: "
	       "median "
	       "[min-max]\n",
	       POLICIES, RULES, n_pods, ROUNDS);
	row("full", all, peer, "nft -c -f");
	row("label of one pod", label, whole, "full");
	row("edit of one policy", edit, whole, "full");
	row("nft -c -f", nft, 0, "");
	printf("  steps: %zu for the label, %zu for the edit\n", n_label, n_edit);
	forget(&before);
}

static void chains(unsigned n_pods)
{
	struct world world = {node_make(n_pods)};

	evaluate(&world, policies_make(POLICIES), NULL);
	printf("  %6u pods: %4zu distinct decisions, %5zu rules, %6zu elements\n", n_pods,
	       world.decisions->n_distinct, pf_ruleset_n_rules(world.ruleset),
	       pf_ruleset_n_elements(world.ruleset));
	forget(&world);
}

int main(void)
{
	namespace_enter_or_skip();
	costs(250);
	printf("\nthe same policies, more pods:\n");
	chains(10);
	chains(250);
	chains(10000);
	return 0;
}
