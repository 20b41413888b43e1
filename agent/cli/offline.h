/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "cli/cli.h"
#include "config/config.h"
#include "inventory/network_list.h"
#include "inventory/snapshot.h"
#include "kube/cluster.h"
#include "policy/decision.h"

/* What the files of a node say, without its agent: the configuration, the pods (pods.file, or what the agent
 * was told last), the policies (policies.directory, and what it was told last) and namespaces. No kernel is
 * asked, so an endpoint has no link and no cgroup. */
struct offline {
	struct config *config;
	struct cluster *cluster; /* NULL: nothing was kept of one */
	struct pod_list *pods;
	struct policy_list *policies;
	struct namespace_list *namespaces;
	struct network_list *networks; /* derived, as far as the cluster tells */
	struct snapshot
		snapshot; /* the pods as endpoints; only what decisions_new() and compile() need */
	struct policy *own; /* default.allow; NULL: it is empty */
	struct decisions *decisions;
};

/* Options --pods and --policies of the command say where to look instead. */
/* 0, or the exit status after the reason was printed; offline_done() either way. */
PF_MUST_CHECK int offline_read(const struct cli *cli, struct offline *offline);
/* The same of the agent that runs here. */
PF_MUST_CHECK int offline_ask(const struct cli *cli, struct offline *offline);
/* The agent knows best what holds now; whoever names files, or a pod that is not there, asks these. */
bool offline_wants_agent(const struct cli *cli);
/* For these two: the node's name, and what networks the cluster says are internal. */
const char *offline_node(const struct config *config);
PF_MUST_CHECK int offline_derive(struct offline *offline);
/* One more pod, before offline_decide(). Takes the reference over. */
PF_MUST_CHECK int offline_add_pod(struct offline *offline, struct pod *pod);
/* Policies in the place of those of the same name, before offline_decide(). */
PF_MUST_CHECK int offline_replace(struct offline *offline, const struct policy_list *policies);
/* Endpoints and decisions. 0 or -ENOMEM; may be repeated. */
PF_MUST_CHECK int offline_decide(struct offline *offline);
void offline_done(struct offline *offline);

/* By NAMESPACE/NAME, or NAME with -n; NULL after a message that names what is near. */
const struct endpoint *offline_find(const struct cli *cli, const struct offline *offline,
				    const char *name);
