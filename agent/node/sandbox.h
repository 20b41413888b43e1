/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "node/cgroup_tree.h"
#include "node/netlink.h"
#include "node/view.h"
#include "node/watch.h"

/* What the walk over the pod cgroups works with. */
struct sandbox_walk {
	const struct cgroup_tree *tree;
	struct netlink *netlink;
	struct watch *watch;
	uint64_t own_netns; /* inode of our network namespace */
	bool is_unwatched;  /* set where a watch was refused for the user's limit */
};

/* Looks at the pod root `path` below the tree, if it is there, and adds it and its pods to the
 * view. What vanishes meanwhile is no error. -E2BIG: more than 8192 pods. */
PF_MUST_CHECK int sandbox_walk_root(struct sandbox_walk *walk, const char *path,
				    struct node_view *view);

void sandbox_done(struct node_sandbox *sandbox);
