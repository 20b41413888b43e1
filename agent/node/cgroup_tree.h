/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

/* The cgroup v2 hierarchy by directory descriptors. A cgroup id is the inode number of its
 * directory (so on every 64 bit kernel). */
struct cgroup_tree {
	int fd;		/* -1: not open */
	unsigned level; /* of this directory: 0 for the root of the hierarchy */
};

/* path "": the cgroup2 mount of /proc/self/mountinfo. -ENOENT: there is none, or the path is not in
 * one. */
PF_MUST_CHECK int cgroup_tree_open(const char *path, struct cgroup_tree *ret_tree);
void cgroup_tree_close(struct cgroup_tree *tree);

/* One line of mountinfo: the mount point of a cgroup2 file system, unescaped, or -ENOENT where the
 * line is of something else, -ENAMETOOLONG. Pure. */
PF_MUST_CHECK int cgroup_mount_parse(const char *line, char *mount_point, size_t size);

/* A subdirectory's descriptor; follows no symbolic link. -ENOENT also where it just vanished. */
PF_MUST_CHECK int cgroup_open(int directory, const char *name);
PF_MUST_CHECK int cgroup_id(int directory, uint64_t *ret_id);
/* The directory with this id, wherever in the hierarchy it is: a descriptor. -ESTALE or -ENOENT: there is none
 * (any more); -EPERM without CAP_DAC_READ_SEARCH. */
PF_MUST_CHECK int cgroup_open_id(const struct cgroup_tree *tree, uint64_t id);

struct cgroup_child {
	uint64_t id;
	char *name;
};

/* Subdirectories sorted by id: in the order they were made, the sandbox container before the
 * others. At most `limit`; ret_is_cut says there are more. The caller frees with
 * cgroup_children_free(). */
PF_MUST_CHECK int cgroup_children(int directory, size_t limit, struct cgroup_child **ret_children,
				  size_t *ret_n, bool *ret_is_cut);
void cgroup_children_free(struct cgroup_child *children, size_t n);

/* The first processes of a cgroup itself, those below not included. Processes of other pid
 * namespaces (the kernel says 0) are left out. -ENODEV and -ENOENT: it vanished; -EOPNOTSUPP: a
 * threaded cgroup has no processes of its own. */
PF_MUST_CHECK int cgroup_processes(int directory, pid_t *pids, size_t capacity, size_t *ret_n);
/* The same from a descriptor of its cgroup.procs, which may be read again and again. */
PF_MUST_CHECK int cgroup_processes_open(int directory);
PF_MUST_CHECK int cgroup_processes_read(int file, pid_t *pids, size_t capacity, size_t *ret_n);
