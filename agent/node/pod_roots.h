/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "node/view.h"

/* Paths below the cgroup root that may hold pods: the configured ones, else the well-known. The list
 * ends with NULL. -EINVAL: one is empty or has a component "." or "..". */
PF_MUST_CHECK int pod_roots_list(const struct node_options *options, char ***ret_paths,
				 size_t *ret_n);
void pod_roots_free(char **paths, size_t n);

/* Makes those that are not there yet: the configured ones, else one for each cgroup driver of a kubelet.
 * ret_n_made counts the new ones, also when it fails. -ENOENT: no cgroup2 mount. */
PF_MUST_CHECK int pod_roots_make(const struct node_options *options, size_t *ret_n_made);
