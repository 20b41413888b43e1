/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Another configuration in the place of the one that runs: everything that can fail first, then the change,
 * which cannot. What is known of the cluster and the node's rules stay; no moment is without either. */
#include "daemon/daemon.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"

char *reload_node_name(const struct config *config)
{
	const char *name = config->node.name[0] ? config->node.name : getenv("NODE_NAME");
	char host[256] = "";

	if (name && name[0])
		return strdup(name);
	if (gethostname(host, sizeof(host) - 1) < 0)
		return NULL;
	for (char *c = host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return strdup(host);
}

/* What a configuration needs before it can be taken over. */
struct successor {
	struct config *config;
	struct node *node;
	struct cluster *cluster; /* these two NULL: kubernetes.source is none */
	struct api *api;
	char *node_name;
};

static void successor_done(struct successor *successor)
{
	config_free(successor->config);
	node_free(successor->node);
	api_free(successor->api);
	cluster_free(successor->cluster);
	free(successor->node_name);
}

/* What is known of this node stays known, whoever is asked from now on. */
static int successor_open_api(struct daemon *daemon, struct report *report, struct successor *next)
{
	struct cluster *cluster = daemon->cluster;
	int r = 0;

	if (next->config->kubernetes.source == CONFIG_SOURCE_NONE)
		return 0;
	if (!cluster || strcmp(cluster_node(cluster), next->node_name) != 0) {
		r = cluster_new(next->node_name, &next->cluster);
		if (r == 0 && daemon->pods)
			r = cluster_know_pods(next->cluster, daemon->pods);
		cluster = next->cluster;
	}
	return r < 0 ? r : api_open(daemon, next->config, cluster, report, &next->api);
}

/* Whatever can fail; NFLOG is the last, because it is what cannot be had twice. */
static int successor_prepare(struct daemon *daemon, struct report *report, struct successor *next)
{
	next->node_name = reload_node_name(next->config);
	if (!next->node_name)
		return -ENOMEM;
	int r = reconcile_open_node(next->config, &next->node);
	if (r == 0)
		r = successor_open_api(daemon, report, next);
	return r != 0 ? r : stream_change_nflog(daemon, next->config);
}

static void take_over(struct daemon *daemon, struct successor *next)
{
	bool keeps_cluster = next->api && !next->cluster;
	struct successor before = {
		.config = daemon->config,
		.node = daemon->node,
		.cluster = keeps_cluster ? NULL : daemon->cluster,
		.api = daemon->api,
		.node_name = daemon->node_name,
	};
	int r;

	daemon->config = next->config;
	daemon->node = next->node;
	daemon->api = next->api;
	if (!keeps_cluster) {
		daemon->cluster = next->cluster;
		daemon->version_on_disk = 0;
	}
	daemon->node_name = next->node_name;
	*next = before; /* to be freed */
	daemon->config_version++;
	daemon->rulebook.nat64 = &daemon->config->network.nat64;
	daemon->stream.context.cluster_name = daemon->config->events.cluster_name;
	daemon->stream.context.node_name = daemon->node_name;
	daemon->must_read_pods = true;
	daemon->policies.must_read = true;
	daemon->must_derive = true;
	daemon->must_say_missing_uplinks = true;
	r = daemon_watch_node(daemon);
	if (r < 0)
		diag_cannot("watch this node", r);
	r = pod_file_watch(daemon);
	if (r < 0)
		diag_cannot("watch the pods file", r);
	r = policy_files_watch(daemon);
	if (r < 0)
		diag_cannot("watch policies.directory", r);
	control_change(daemon, next->config);
	culprit_change(daemon, next->config);
	backstop_change(daemon, next->config);
	strays_change(daemon, next->config);
	seam_change(daemon, next->config);
}

int reload_to(struct daemon *daemon, struct config *config, struct report *report,
	      struct config **ret_before)
{
	struct successor next = {.config = config};
	int r = successor_prepare(daemon, report, &next);

	if (r == 0) {
		take_over(daemon, &next);
		*ret_before = next.config;
	} else {
		config_free(next.config);
	}
	next.config = NULL;
	successor_done(&next);
	return r;
}

/* A configuration that cannot be used changes nothing. */
void reload_config(struct daemon *daemon)
{
	bool was_good = daemon->api && api_is_good(daemon->api);
	struct config *config = NULL, *before;
	struct report report;

	daemon->must_read_config = false;
	report_init(&report);
	int r = config_read(daemon->config_path, &report, &config);
	if (r == 0)
		r = reload_to(daemon, config, &report, &before);
	if (r != 0) {
		diag_config_refused(&report);
	} else {
		diag_access_warnings(&report);
		confirm_config(daemon, before, was_good);
		diag_config_reloaded(daemon->config_path);
	}
	report_done(&report);
}
