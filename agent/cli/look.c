/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "cli/look.h"

#include <errno.h>

#include "kube/podlist.h"

struct node_options cli_node_options(const struct config *config)
{
	return (struct node_options){
		.cgroup_root = config->node.cgroup_root,
		.pod_roots = (const char *const *)config->node.pod_roots.strings,
		.n_pod_roots = config->node.pod_roots.n_strings,
	};
}

static int read_node(const struct node_options *options, struct node_view **ret_view)
{
	struct node *node;
	int r = node_open(options, &node);

	if (r < 0)
		return r;
	r = node_view_read(node, ret_view);
	node_free(node);
	return r;
}

int cli_look(const struct config *config, struct snapshot **ret_snapshot)
{
	const struct node_options node_options = cli_node_options(config);
	struct snapshot_options options = {
		.uplink_names = (const char *const *)config->network.uplinks.strings,
		.n_uplink_names = config->network.uplinks.n_strings,
		.is_audit = config->fallback.mode == CONFIG_MODE_AUDIT,
	};
	struct node_view *view;
	int r = read_node(&node_options, &view);

	if (r < 0)
		return r;
	struct pod_list *pods = pod_list_empty();
	if (!pods) {
		node_view_free(view);
		return -ENOMEM;
	}
	return snapshot_new(&options, pods, view, ret_snapshot);
}
