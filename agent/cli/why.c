/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence why: what a pod's packet to a destination would meet, and because of what. It decides with the same
 * functions as the agent, on what the files of the node say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address_text.h"
#include "cli/destination.h"
#include "cli/offline.h"
#include "policy/classify.h"
#include "policy/ruling_text.h"

static const char *const verdicts[] = {
	[RULING_ALLOW] = "allowed",
	[RULING_AUDIT] = "audited",
	[RULING_DENY] = "denied",
};

struct answer {
	const struct endpoint *endpoint;
	const struct decision *decision;
	struct policy_packet packet;
	struct destination_facts facts;
	bool is_judged;
	struct ruling ruling;
};

static void line(const char *title, const char *text)
{
	printf("  %-12s %s\n", title, text);
}

static void print_unjudged(const struct answer *answer)
{
	bool is_internal = answer->facts.class == DESTINATION_INTERNAL;
	char network[PF_PREFIX_TEXT];

	printf("%s: not judged\n", is_internal ? "internal" : "local");
	printf("  %-12s %s (%s%s%s)\n", "network",
	       pf_prefix_format(&answer->facts.network, network), answer->facts.origin,
	       answer->facts.source[0] ? ", " : "", answer->facts.source);
	if (is_internal)
		line("note", "what stays inside the cluster is the CNI plugin's work");
}

static void print_policy(const struct ruling *ruling)
{
	const struct policy *policy = ruling->policy;

	if (policy->tier == POLICY_TIER_AGENT)
		return; /* the sentence names its key */
	printf("  %-12s %s %s%s%s, tier %s\n", "policy", policy_kind(policy), policy->namespace,
	       policy->namespace[0] ? "/" : "", policy->name, policy_tier_name(policy->tier));
	if (ruling->rule)
		printf("  %-12s egress[%zu]%s%s%s\n", "rule", ruling_rule_index(ruling),
		       ruling->rule->name[0] ? " (" : "", ruling->rule->name,
		       ruling->rule->name[0] ? ")" : "");
	line("defined in", policy->origin);
}

static void print_selecting(const struct decision *decision)
{
	for (size_t i = 0; i < decision->n_policies; i++) {
		const struct policy *policy = decision->policies[i];
		printf("  %-12s %s %s%s%s", i ? "" : "selected by", policy_kind(policy),
		       policy->namespace, policy->namespace[0] ? "/" : "", policy->name);
		if (policy->tier != POLICY_TIER_NETWORK_POLICY)
			printf(" (%s, priority %d)", policy_tier_name(policy->tier),
			       (int)policy->priority);
		puts(policy->is_audit ? ", in audit" : "");
	}
	if (!decision->n_policies)
		line("selected by", "no policy");
}

static void print_judged(const struct answer *answer)
{
	static const char *const modes[] = {"audit", "deny", "off"};
	char reason[RULING_REASON_MAX];

	puts(verdicts[answer->ruling.verdict]);
	line("why", ruling_reason(&answer->ruling, reason));
	if (answer->facts.class == DESTINATION_METADATA)
		line("note", "a cloud metadata address: judged whatever network it lies in");
	if (answer->ruling.policy)
		print_policy(&answer->ruling);
	print_selecting(answer->decision);
	printf("  %-12s %s%s\n", "default", modes[answer->decision->mode],
	       answer->decision->has_ceiling ? ", a NetworkPolicy may not widen it" : "");
}

static void print(const struct answer *answer, const char *destination)
{
	const struct pod *pod = answer->endpoint->pod;
	char address[PF_ADDRESS_TEXT];

	printf("%s/%s (%s) to %s: ", pod->namespace, pod->name,
	       pod->is_host_network ? "host pod" : "pod", destination);
	if (answer->is_judged)
		print_judged(answer);
	else
		print_unjudged(answer);
	if (answer->facts.is_translated)
		printf("  %-12s inside a NAT64 prefix: judged as %s\n", "note",
		       pf_address_format(&answer->facts.address, address));
}

/* "key=value,key=value" */
static int parse_labels(const char *text, struct label_list *labels)
{
	char *copy = strdup(text), *rest = copy;
	int status = copy ? 0 : cli_fail(2, "out of memory");

	for (char *one; !status && (one = strsep(&rest, ",")) != NULL;) {
		char *value = strchr(one, '=');
		if (!value || value == one) {
			status = cli_fail(2, "--labels: \"%s\" is not KEY=VALUE", one);
			break;
		}
		*value++ = '\0';
		if (label_list_put(labels, one, value) < 0)
			status = cli_fail(2, "out of memory");
	}
	free(copy);
	return status;
}

/* A pod that is not there, with labels as one would have. */
static int add_hypothetical(const struct cli *cli, struct offline *offline, const char *name)
{
	const char *namespace = cli_value(cli, "namespace"), *slash = strchr(name, '/');
	struct pod *pod = calloc(1, sizeof(*pod));

	if (!pod)
		return cli_fail(2, "out of memory");
	pod->n_references = 1;
	pod->is_host_network = cli_has(cli, "host");
	pod->namespace = slash ? strndup(name, (size_t)(slash - name))
			       : strdup(namespace ? namespace : "default");
	pod->name = strdup(slash ? slash + 1 : name);
	int status = pod->namespace && pod->name
			     ? parse_labels(cli_value(cli, "labels"), &pod->labels)
			     : cli_fail(2, "out of memory");
	if (status) {
		pod_free(pod);
		return status;
	}
	return offline_add_pod(offline, pod) < 0 ? cli_fail(2, "out of memory") : 0;
}

static int decide(const struct cli *cli, struct offline *offline, struct answer *answer)
{
	const char *name = cli->arguments[0];
	int status = cli_value(cli, "labels") ? add_hypothetical(cli, offline, name) : 0;

	if (status)
		return status;
	if (offline_decide(offline) < 0)
		return cli_fail(2, "out of memory");
	answer->endpoint = offline_find(cli, offline, name);
	if (!answer->endpoint)
		return 2;
	answer->decision = decisions_of(offline->decisions, &offline->snapshot, answer->endpoint);
	destination_classify(offline->config, offline->networks, &answer->packet, &answer->facts);
	answer->is_judged = answer->facts.class == DESTINATION_EXTERNAL ||
			    answer->facts.class == DESTINATION_METADATA;
	if (answer->is_judged)
		decision_judge(answer->decision, &answer->packet, &offline->config->network.nat64,
			       &answer->ruling);
	return 0;
}

int cli_why(const struct cli *cli)
{
	struct offline offline = {};
	struct answer answer = {};
	int status = cli_destination(cli->arguments[1], &answer.packet);

	if (!status)
		status = offline_read(cli, &offline);
	if (!status)
		status = decide(cli, &offline, &answer);
	if (!status) {
		print(&answer, cli->arguments[1]);
		status = cli_finish();
		if (!status && answer.is_judged && answer.ruling.verdict == RULING_DENY)
			status = 1;
	}
	offline_done(&offline);
	return status;
}
