/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "node/cgroup_tree.h"
#include "node/netns.h"
#include "node/view.h"
#include "node/watch.h"

/* All sandboxes of the node as each was read last, and which of them to read again. */
struct known_sandbox {
	struct node_sandbox sandbox; /* its field netns is not used */
	uint64_t netns;		     /* inode; only with SANDBOX_OK */
	struct watch_list watches;
	bool is_stale;
	bool is_listed; /* by the walk that is under way */
};

struct sandboxes {
	const struct cgroup_tree *tree;
	struct watch *watch;	     /* not owned */
	struct netns_table *netnses; /* not owned */
	char **root_paths; /* owned: pod roots below the tree, whether they exist or not */
	size_t n_root_paths;
	struct node_pod_root *roots; /* those that exist */
	size_t n_roots;
	struct watch_list watches;   /* of roots and what stands above and directly below them */
	struct known_sandbox *known; /* sorted by cgroup id */
	size_t n, capacity;
	bool is_stale;	   /* pods may have come or gone */
	bool is_unwatched; /* the user's limit of watches is reached */
};

void sandboxes_done(struct sandboxes *sandboxes);

/* Something happened to what this watch stands for. */
void sandboxes_heard(struct sandboxes *sandboxes, int descriptor);
void sandboxes_heard_all(struct sandboxes *sandboxes);
void sandboxes_heard_cgroup(struct sandboxes *sandboxes, uint64_t cgroup);
/* Ids were given to network namespaces: those that had none may have one. */
void sandboxes_heard_nsid(struct sandboxes *sandboxes);

/* Reads again what is stale; what vanishes meanwhile is no error. -E2BIG: more than 16384 pods. On
 * failure what could not be read stays stale. */
PF_MUST_CHECK int sandboxes_refresh(struct sandboxes *sandboxes);
