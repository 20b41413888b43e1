/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A network namespace from outside: it is never entered. /proc/PID/ns/net gives a descriptor, its
 * inode number the identity; RTM_GETNSID gives our id for it, by which links name where their peer
 * is and rtnetlink lists the addresses inside. A namespace no link of ours leads to has no id: its
 * addresses stay unknown, and nothing we could judge comes out of it.
 *
 * Inode numbers and ids are used again once a namespace is gone. What is known of one is therefore
 * asked again whenever a process in it is looked at; in between its addresses are asked again
 * whenever the kernel says that they changed. */
#include "node/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void netns_table_done(struct netns_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->known[i].netns.addresses);
	free(table->known);
	*table = (struct netns_table){};
}

static struct known_netns *find(const struct netns_table *table, uint64_t inode)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->known[i].netns.inode == inode)
			return &table->known[i];
	return NULL;
}

const struct known_netns *netns_table_find(const struct netns_table *table, uint64_t inode)
{
	return find(table, inode);
}

static bool is_kind(const struct node_link *link, const char *kind)
{
	return !strncmp(link->kind, kind, sizeof(link->kind));
}

/* Tunnels, bridges and dummies inside send by what stands here; a veth by its other end. */
static bool sends_elsewhere(const struct node_link *link)
{
	static const char *const kinds[] = {"", "macvlan", "macvtap", "ipvlan", "ipvtap", "ipoib"};

	if (link->is_loopback)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (is_kind(link, kinds[i]))
			return true;
	return is_kind(link, "vlan") && link->peer_nsid >= 0;
}

static int read_devices(struct netns_table *table, struct node_netns *netns)
{
	struct node_link *links;
	size_t n;
	int r = netlink_links_there(table->netlink, netns->nsid, &links, &n);

	netns->device[0] = netns->device_kind[0] = '\0';
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && !netns->device[0]; i++)
		if (sends_elsewhere(&links[i])) {
			memcpy(netns->device, links[i].name, sizeof(netns->device));
			memcpy(netns->device_kind, links[i].kind, sizeof(netns->device_kind));
		}
	free(links);
	return 0;
}

/* And devices. */
static int read_addresses(struct netns_table *table, struct known_netns *known)
{
	struct node_netns *netns = &known->netns;
	struct node_address *addresses = NULL;
	size_t n = 0;

	known->is_stale = false;
	if (netns->is_host || netns->nsid >= 0) {
		int r = netlink_addresses(table->netlink, netns->is_host ? -1 : netns->nsid,
					  &addresses, &n);
		if (r == 0 && !netns->is_host) {
			r = read_devices(table, netns);
			if (r < 0)
				free(addresses);
		}
		if (r < 0) {
			known->is_stale = true;
			return r == -EINVAL ? -ENOENT : r;
		}
	}
	free(netns->addresses);
	netns->addresses = addresses;
	netns->n_addresses = n;
	return 0;
}

static struct known_netns *add(struct netns_table *table, uint64_t inode)
{
	if (table->n == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 16;
		void *grown = reallocarray(table->known, capacity, sizeof(*table->known));
		if (!grown)
			return NULL;
		table->known = grown;
		table->capacity = capacity;
	}
	struct known_netns *known = &table->known[table->n++];
	*known = (struct known_netns){
		.netns = {.inode = inode, .nsid = -1, .is_host = inode == table->own_inode},
		.is_stale = true,
	};
	return known;
}

int netns_table_look(struct netns_table *table, int fd, uint64_t *ret_inode)
{
	uint64_t inode;
	int r = netns_inode(fd, &inode);

	if (r < 0)
		return r;
	struct known_netns *known = find(table, inode);
	if (!known)
		known = add(table, inode);
	if (!known)
		return -ENOMEM;
	if (!known->netns.is_host) {
		known->is_stale = true;
		r = netlink_nsid(table->netlink, fd, &known->netns.nsid);
	}
	if (r == 0 && known->is_stale)
		r = read_addresses(table, known);
	if (r == 0)
		*ret_inode = inode;
	return r;
}

void netns_table_heard(struct netns_table *table, int32_t nsid)
{
	for (size_t i = 0; i < table->n; i++) {
		struct known_netns *known = &table->known[i];
		if (nsid < 0 ? known->netns.is_host
			     : !known->netns.is_host && known->netns.nsid == nsid)
			known->is_stale = true;
	}
}

void netns_table_heard_all(struct netns_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		table->known[i].is_stale = true;
}

/* One that went away stays as it was and stale: its processes are gone too, of which the cgroups
 * tell. */
int netns_table_refresh(struct netns_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		int r = table->known[i].is_stale ? read_addresses(table, &table->known[i]) : 0;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

void netns_table_use(struct netns_table *table, uint64_t inode)
{
	struct known_netns *known = find(table, inode);

	if (known)
		known->is_used = true;
}

void netns_table_sweep(struct netns_table *table)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		struct known_netns *known = &table->known[i];
		if (!known->is_used) {
			free(known->netns.addresses);
			continue;
		}
		known->is_used = false;
		table->known[n++] = *known;
	}
	table->n = n;
}
