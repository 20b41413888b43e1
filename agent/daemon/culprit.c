/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Who sent the packet of an event: what of the event and the snapshot of its time the question is made of. */
#include "daemon/daemon.h"

#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

#include "base/diag.h"
#include "compile/compile.h"
#include "culprit/culprit.h"
#include "culprit/gate.h"

void culprit_open_gate(struct daemon *daemon)
{
	if (daemon->config->process.lookup == CONFIG_OFF)
		return;
	int r = gate_open(&daemon->gate);
	if (r < 0)
		diag_cannot("ask for sockets in the network namespaces of pods (needs "
			    "CAP_SYS_ADMIN): events of them do not name the process",
			    r);
}

void culprit_open(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	const struct culprit_options options = {
		.cgroup_root = config->node.cgroup_root,
		.arguments_limit = config->process.argument_bytes,
		.gate = daemon->gate,
	};

	if (config->process.lookup == CONFIG_OFF)
		return;
	int r = culprits_new(&options, &daemon->culprits);
	if (r < 0)
		diag_cannot("look for the processes of events (/proc, cgroup v2)", r);
}

void culprit_change(struct daemon *daemon, const struct config *before)
{
	const struct config *config = daemon->config;

	if (!memcmp(&before->process, &config->process, sizeof(config->process)) &&
	    !strcmp(before->node.cgroup_root, config->node.cgroup_root))
		return;
	daemon->culprits = culprits_free(daemon->culprits);
	culprit_open(daemon);
}

void culprit_note_rest(struct daemon *daemon)
{
	if (daemon->culprits && !backstop_is_out(daemon) &&
	    compile_backstop_is_needed(daemon->config, daemon->snapshot))
		culprits_note_rest(daemon->culprits);
}

/* Namespaces that nobody is in any more must not live on because we look into them. */
void culprit_follow(struct daemon *daemon, const struct snapshot *snapshot)
{
	const struct node_view *view = snapshot->view;
	uint64_t *netnses = daemon->culprits ? calloc(view->n_netnses + 1, sizeof(*netnses)) : NULL;

	if (!daemon->culprits)
		return;
	for (size_t i = 0; netnses && i < view->n_netnses; i++)
		netnses[i] = view->netnses[i].inode;
	culprits_keep(daemon->culprits, netnses, netnses ? view->n_netnses : 0);
	free(netnses);
}

/* Its own namespace; false where that is not known. */
static bool place_of_pod(const struct event *event, const struct node_view *view,
			 struct culprit_query *query)
{
	const struct node_sandbox *sandbox = event->endpoint->sandbox;
	const struct node_link *link = event->port_in ? event->port_in : event->link_in;

	if (!sandbox || sandbox->netns >= view->n_netnses)
		return false;
	query->netns = view->netnses[sandbox->netns].inode;
	query->pid = sandbox->pid;
	query->device = link && link->peer_nsid >= 0 ? link->peer : 0;
	return true;
}

static const char *path_of(const struct endpoint *endpoint)
{
	if (endpoint && endpoint->unit)
		return endpoint->unit->path;
	return endpoint && endpoint->sandbox ? endpoint->sandbox->path : "";
}

/* Whose cgroup it is, or lies in: of several that lie in each other the deepest. */
static const struct endpoint *find_endpoint(const struct snapshot *snapshot, const char *cgroup)
{
	const struct endpoint *found = NULL;

	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		const char *path = path_of(endpoint);
		size_t n = strlen(path);
		if (n && !strncmp(cgroup, path, n) && (!cgroup[n] || cgroup[n] == '/') &&
		    (!found || endpoint->level > found->level))
			found = endpoint;
	}
	return found;
}

static bool has_ways_in(const struct node_view *view)
{
	for (size_t i = 0; i < view->n_netnses; i++)
		if (view->netnses[i].device[0])
			return true;
	return false;
}

/* A frame says nothing of its sender: whose process it was is the only thing that names an endpoint. */
static const struct culprit *culprit_of_frame(struct daemon *daemon,
					      const struct snapshot *snapshot, struct event *event)
{
	const char **paths = calloc(snapshot->n_endpoints + 1, sizeof(*paths));
	struct culprit_frame frame = {
		.paths = paths,
		.has_ways_in = has_ways_in(snapshot->view),
	};
	const struct culprit_query query = {
		.packet = &event->packet,
		.endpoint_path = "",
		.has_user = event->record->has_uid,
		.user = event->record->uid,
		.time_usec = event->time_usec,
		.batch = event->record->batch,
		.frame = &frame,
	};

	for (size_t i = 0; paths && i < snapshot->n_endpoints; i++)
		if (snapshot->endpoints[i].kind != ENDPOINT_POD)
			paths[frame.n_paths++] = path_of(&snapshot->endpoints[i]);
	const struct culprit *culprit = culprits_ask(daemon->culprits, &query);
	free(paths);
	if (!culprit->cgroup)
		return culprit;
	event->endpoint = find_endpoint(snapshot, culprit->cgroup);
	event->attribution = event->endpoint ? "socket (the only packet socket when looked for)"
					     : "none: the process belongs to no endpoint";
	return culprit;
}

const struct culprit *culprit_of(struct daemon *daemon, const struct snapshot *snapshot,
				 struct event *event)
{
	const struct endpoint *endpoint = event->endpoint;
	bool is_ip = event->has_packet && event->packet.destination.family &&
		     event->packet.ethertype != 0x0806;
	struct culprit_query query = {
		.packet = &event->packet,
		.endpoint_path = path_of(endpoint),
		.has_user = event->record->has_uid,
		.user = event->record->uid,
		.time_usec = event->time_usec,
		.batch = event->record->batch,
	};

	if (daemon->culprits && snapshot && event->record->family == NFPROTO_NETDEV)
		return culprit_of_frame(daemon, snapshot, event);
	if (!daemon->culprits || !snapshot || !is_ip || rule_facts(event->meaning.rule)->is_inbound)
		return NULL;
	if (event->record->hook == NF_INET_LOCAL_OUT ||
	    (endpoint && endpoint->kind != ENDPOINT_POD))
		query.device = event->record->link_out;
	else if (!endpoint || !place_of_pod(event, snapshot->view, &query))
		return NULL;
	return culprits_ask(daemon->culprits, &query);
}
