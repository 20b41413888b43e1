/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

#include "node/netlink.h"
#include "node/view.h"

/* The network namespace of a process: a descriptor, or -ENOENT/-ESRCH where there is no such
 * process (any more), or another negative errno. */
PF_MUST_CHECK int netns_open(pid_t pid);

PF_MUST_CHECK int netns_inode(int fd, uint64_t *ret_inode);
PF_MUST_CHECK int netns_own_inode(uint64_t *ret_inode);

/* Finds the namespace in the view or adds it with its id and addresses. -ENOENT: it went away. */
PF_MUST_CHECK int netns_add(struct node_view *view, struct netlink *netlink, int fd,
			    uint64_t own_inode, size_t *ret_index);
