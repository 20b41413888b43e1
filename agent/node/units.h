/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

#include "node/cgroup_tree.h"
#include "node/view.h"
#include "node/watch.h"

/* The cgroups that the configuration names as units, and those that are exempt from everything. */
struct units {
	const struct cgroup_tree *tree;
	struct watch
		*watch; /* of its own: a watch that is dropped here may still be one for pods */
	char *const *pod_roots; /* paths below the tree; not owned */
	size_t n_pod_roots;
	char **globs;
	size_t n_globs;
	char *own_path; /* of this process; NULL: not below the tree */
	struct watch_list watches;
	struct node_unit *units; /* sorted by path */
	size_t n_units;
	bool is_stale;
	bool is_unwatched; /* the user's limit of watches is reached */
	bool is_cut;	   /* more match than are taken */
};

/* After tree and pod_roots are set. */
PF_MUST_CHECK int units_open(struct units *units, const char *const *globs, size_t n_globs);
void units_done(struct units *units);

/* Reads what there is again where something was heard; what vanishes meanwhile is no error. */
PF_MUST_CHECK int units_refresh(struct units *units);

/* The glob that this path below the tree matches first; n_globs where none does. Pure. */
size_t unit_match(const char *const *globs, size_t n_globs, const char *path);
