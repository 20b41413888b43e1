/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

#include "node/cgroup_path.h"
#include "node/cgroup_tree.h"

/* Cgroups that were looked into, with their descriptors: to open and name one anew costs more than to read it. */

#define PLACES_MAX	   32 /* cgroups, the ones used last; two descriptors each */
#define PLACE_TREES_MAX	   16 /* endpoints */
#define PLACE_TREE_MAX	   8  /* cgroups of one; of more it is looked which there are each time */
#define PLACE_CHILDREN_MAX 64

struct place {
	uint64_t id; /* of the cgroup, which the kernel gives only once; 0: free */
	uint64_t used;
	int directory, processes; /* processes -1: there is no such file */
	char *path; /* below the root; "": that itself, or not to be seen from there */
	struct cgroup_name container;
};

/* A cgroup and those below it. Each with how many it has below: while these are as many, and none has gone,
 * they are the same. */
struct place_tree {
	char *path; /* NULL: free */
	uint64_t used;
	uint64_t ids[PLACE_TREE_MAX];
	uint64_t links[PLACE_TREE_MAX];
	size_t n;
};

struct places {
	const struct cgroup_tree *tree;
	int proc;	  /* descriptor of /proc */
	const char *root; /* of the tree, as /proc/self/fd shows it */
	struct place kept[PLACES_MAX];
	struct place_tree trees[PLACE_TREES_MAX];
	uint64_t uses;
};

/* Borrowed until the next call. -ENOENT, -ESTALE: there is none (any more). */
PF_MUST_CHECK int places_get(struct places *places, uint64_t id, const struct place **ret_place);
/* Its own processes. -ENODEV: it is gone. */
PF_MUST_CHECK int place_processes(const struct place *place, pid_t *pids, size_t capacity,
				  size_t *ret_n);

/* The cgroup at the path and those below it. More than `capacity`: ret_is_cut. -ENOENT: there is none. */
PF_MUST_CHECK int places_below(struct places *places, const char *path, uint64_t *ids,
			       size_t capacity, size_t *ret_n, bool *ret_is_cut);
/* What is remembered of this path is wrong. */
void places_mistrust(struct places *places, const char *path);

/* Forgets all, so that nobody's descriptors outlive him for long. */
void places_forget(struct places *places);
