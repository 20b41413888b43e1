/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "node/cgroup_tree.h"

/* Real cgroups and processes in them, below one directory, podfence-test-PID, of the real
 * hierarchy: the only thing of a kernel test that is not private. Whatever fails here fails the
 * cmocka test that runs. Paths are below that directory; "" is the directory itself. */

/* hierarchy: a descriptor of the hierarchy's root, kept open by the caller. Also removes what
 * killed runs left behind. 0 or negative errno. */
int cgroup_begin(int hierarchy);

/* The hierarchy, begun; ends the program with a skip where there is none or no directory can be made. */
void cgroup_enter_or_skip(struct cgroup_tree *ret_tree);
void cgroup_leave(struct cgroup_tree *tree); /* nothing of ours stays */

/* The path as seen from the hierarchy's root; the last four results are valid. */
const char *cgroup_below(const char *path);

void cgroup_make(const char *path); /* with its parents; it must not exist */
uint64_t cgroup_inode(const char *path);

/* Kills every process in the directory and removes it with all below. */
void cgroup_remove(const char *path);

struct sleeper {
	pid_t pid;
	int control; /* a byte: leave for a network namespace of your own */
};

/* A process in the cgroup and, if named, the network namespace. It is there on return. */
struct sleeper sleeper_start(const char *netns, const char *path);
void sleeper_stop(struct sleeper *sleeper);
