/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "node/cgroup_tree.h"

/* The path of this process's cgroup below the tree, without slashes at its ends; NULL where it is not below
 * it. The caller frees it. Negative errno only where this process is short of something. */
PF_MUST_CHECK int own_cgroup_path(const struct cgroup_tree *tree, char **ret_path);

/* "0::/system.slice/x.service" of /proc/PID/cgroup: the path, or -ENOENT where the line is of another hierarchy
 * or leads out of the cgroup namespace. Pure. */
PF_MUST_CHECK int own_cgroup_parse(const char *line, char *path, size_t size);
