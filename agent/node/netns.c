/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A network namespace from outside: it is never entered. /proc/PID/ns/net gives a descriptor, its
 * inode number the identity; RTM_GETNSID gives our id for it, by which links name where their peer
 * is and rtnetlink lists the addresses inside. A namespace no link of ours leads to has no id: its
 * addresses stay unknown, and nothing we could judge comes out of it. */
#include "node/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int netns_open(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int netns_inode(int fd, uint64_t *ret_inode)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	*ret_inode = status.st_ino;
	return 0;
}

int netns_own_inode(uint64_t *ret_inode)
{
	struct stat status;

	if (stat("/proc/self/ns/net", &status) < 0)
		return -errno;
	*ret_inode = status.st_ino;
	return 0;
}

static int look(struct netlink *netlink, int fd, struct node_netns *netns)
{
	int r = netlink_nsid(netlink, fd, &netns->nsid);

	if (r < 0)
		return r;
	if (netns->is_host)
		return netlink_addresses(netlink, -1, &netns->addresses, &netns->n_addresses);
	if (netns->nsid < 0)
		return 0;
	r = netlink_addresses(netlink, netns->nsid, &netns->addresses, &netns->n_addresses);
	return r == -EINVAL ? -ENOENT : r;
}

int netns_add(struct node_view *view, struct netlink *netlink, int fd, uint64_t own_inode,
	      size_t *ret_index)
{
	struct node_netns netns = {};
	int r = netns_inode(fd, &netns.inode);

	if (r < 0)
		return r;
	for (size_t i = 0; i < view->n_netnses; i++) {
		if (view->netnses[i].inode == netns.inode) {
			*ret_index = i;
			return 0;
		}
	}
	netns.is_host = netns.inode == own_inode;
	struct node_netns *grown = reallocarray(view->netnses, view->n_netnses + 1,
						sizeof(*view->netnses));
	if (!grown)
		return -ENOMEM;
	view->netnses = grown;
	r = look(netlink, fd, &netns);
	if (r < 0)
		return r;
	*ret_index = view->n_netnses;
	view->netnses[view->n_netnses++] = netns;
	return 0;
}
