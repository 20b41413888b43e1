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

/* The namespaces that sandboxes are in, each as it was read last. */
struct known_netns {
	struct node_netns netns;
	bool is_stale; /* its addresses are to be read again */
	bool is_used;
};

struct netns_table {
	struct netlink *netlink; /* not owned */
	uint64_t own_inode;
	struct known_netns *known;
	size_t n, capacity;
};

void netns_table_done(struct netns_table *table);
/* Asks for its id and addresses, whether it was known or not. -ENOENT: it went away. */
PF_MUST_CHECK int netns_table_look(struct netns_table *table, int fd, uint64_t *ret_inode);
const struct known_netns *netns_table_find(const struct netns_table *table, uint64_t inode);
/* Addresses changed in the namespace with this id; -1: in our own. */
void netns_table_heard(struct netns_table *table, int32_t nsid);
void netns_table_heard_all(struct netns_table *table);
/* Reads addresses again where that was heard of. */
PF_MUST_CHECK int netns_table_refresh(struct netns_table *table);
/* Leaves out those that were not used since the last time. */
void netns_table_use(struct netns_table *table, uint64_t inode);
void netns_table_sweep(struct netns_table *table);
