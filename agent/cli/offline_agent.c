/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The same as offline.c reads from files, of the agent that runs here: what is in force now, refused and rolled back
 * policies left out. */
#include "cli/offline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/agent.h"
#include "cli/options.h"
#include "kube/policy_parse.h"

struct hearing {
	struct cluster *cluster; /* pods, namespaces, networks */
	struct policy **policies;
	size_t n_policies, capacity;
	struct report report;
};

bool offline_wants_agent(const struct cli *cli)
{
	static const char *const files[] = {"config", "pods", "policies", "labels"};

	if (cli_has(cli, "socket"))
		return true;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (cli_has(cli, files[i]))
			return false;
	return agent_is_there(cli);
}

static int keep_policy(struct hearing *hearing, struct policy *policy)
{
	if (hearing->n_policies == hearing->capacity) {
		size_t capacity = hearing->capacity ? 2 * hearing->capacity : 16;
		struct policy **policies = reallocarray(hearing->policies, capacity,
							sizeof(struct policy *));
		if (!policies) {
			policy_free(policy);
			return -ENOMEM;
		}
		hearing->policies = policies;
		hearing->capacity = capacity;
	}
	hearing->policies[hearing->n_policies++] = policy;
	return 0;
}

static int take_object(struct hearing *hearing, struct json_object *object)
{
	const struct policy_source source = {"podfenced", "podfenced", false, &hearing->report};
	const char *kind = json_object_get_string(table_value(object, "kind"));
	struct policy *policy = NULL;
	int r;

	if (kind && !strcmp(kind, "NetworkPolicy"))
		r = network_policy_parse(object, &source, &policy);
	else if (kind && !strcmp(kind, "ClusterNetworkPolicy"))
		r = cluster_network_policy_parse(object, &source, &policy);
	else
		return cluster_take_item(hearing->cluster, object, "podfenced", &hearing->report);
	return r == 0 ? keep_policy(hearing, policy) : r;
}

static int take_reply(void *userdata, struct json_object *parameters)
{
	struct json_object *objects = table_value(parameters, "objects");
	int r = 0;

	if (json_object_get_type(objects) != json_type_array)
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(objects) && r == 0; i++)
		r = take_object(userdata, json_object_array_get_idx(objects, i));
	return r > 0 ? -EBADMSG : r;
}

static int take_over(struct hearing *hearing, struct offline *offline)
{
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		cluster_end(hearing->cluster, kind);
	int r = cluster_pods(hearing->cluster, &offline->pods);
	if (r == 0)
		r = cluster_namespaces(hearing->cluster, &offline->namespaces);
	if (r == 0)
		r = policy_list_new(hearing->policies, hearing->n_policies, &offline->policies);
	offline->cluster = hearing->cluster;
	hearing->cluster = NULL;
	return r < 0 ? cli_fail(2, "out of memory") : 0;
}

int offline_ask(const struct cli *cli, struct offline *offline)
{
	struct hearing hearing = {};
	int status = cli_config(cli, &offline->config);

	if (status)
		return status;
	report_init(&hearing.report);
	if (cluster_new(offline_node(offline->config), &hearing.cluster) < 0)
		status = cli_fail(2, "out of memory");
	for (enum cluster_kind kind = 0; !status && kind < CLUSTER_KINDS; kind++)
		cluster_begin(hearing.cluster, kind);
	if (!status)
		status = agent_each(cli, "io.podfence.Agent.ListKnown", NULL, take_reply, &hearing);
	report_print(&hearing.report, stderr);
	if (!status)
		status = take_over(&hearing, offline);
	if (!status)
		status = offline_derive(offline);
	for (size_t i = 0; i < hearing.n_policies; i++)
		policy_free(hearing.policies[i]);
	free(hearing.policies);
	cluster_free(hearing.cluster);
	report_done(&hearing.report);
	return status;
}
