/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Who else changes our tables. The kernel tells every transaction to NFNLGRP_NFTABLES: a message an object,
 * then NFT_MSG_NEWGEN with the pid and name of the process behind it (nf_tables_gen_notify()). Header field
 * nlmsg_pid is the port of the socket it came by, which tells our own transactions apart.
 *
 * A notification is a hint, never the truth: it may be lost (ENOBUFS), and the end of an owner's table is
 * not told at all. Whoever hears one reads the tables back. */
#include <podfence/nft.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "handle.h"

#define RECEIVE_BUFFER (1 << 20)
#define TABLE_ATTRIBUTE                                                                            \
	1 /* of tables, chains, rules, sets, elements and objects alike (nf_tables.h) */

struct pf_nft_monitor {
	struct mnl_socket *socket;
	char table[PF_NAME_MAX];
	uint32_t own_port;
	uint32_t generation; /* told last, of anybody; 0: none yet */
	bool is_touched;     /* an object of our tables since the last NEWGEN, by somebody else */
	uint32_t deleted;    /* a bit of each family whose table was, nothing told since */
	char *datagram;
};

int pf_nft_monitor_open(const struct pf_nft *nft, const char *table,
			struct pf_nft_monitor **ret_monitor)
{
	static const int size = RECEIVE_BUFFER;
	int group = NFNLGRP_NFTABLES;
	struct pf_nft_monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return -ENOMEM;
	monitor->datagram = malloc(NFT_RECEIVE_MAX);
	monitor->own_port = nft->port;
	strncpy(monitor->table, table, sizeof(monitor->table) - 1);
	if (!monitor->datagram) {
		pf_nft_monitor_free(monitor);
		return -ENOMEM;
	}
	monitor->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket || mnl_socket_bind(monitor->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(monitor->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) < 0 ||
	    mnl_socket_setsockopt(monitor->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0) {
		int error = -errno;
		pf_nft_monitor_free(monitor);
		return error;
	}
	*ret_monitor = monitor;
	return 0;
}

struct pf_nft_monitor *pf_nft_monitor_free(struct pf_nft_monitor *monitor)
{
	if (!monitor)
		return NULL;
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor->datagram);
	free(monitor);
	return NULL;
}

int pf_nft_monitor_fd(const struct pf_nft_monitor *monitor)
{
	return mnl_socket_get_fd(monitor->socket);
}

static bool is_about_table(const struct nlmsghdr *header, const char *table)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg)) if (
		mnl_attr_get_type(attribute) ==
		TABLE_ATTRIBUTE) return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0 &&
		!strcmp(mnl_attr_get_str(attribute), table);
	return false;
}

static void read_generation(const struct nlmsghdr *header, uint32_t *generation,
			    struct pf_nft_culprit *culprit)
{
	const struct nlattr *attribute;

	*culprit = (struct pf_nft_culprit){};
	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		unsigned type = mnl_attr_get_type(attribute);
		if (type == NFTA_GEN_ID && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			*generation = ntohl(mnl_attr_get_u32(attribute));
		if (type == NFTA_GEN_PROC_PID && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			culprit->pid = ntohl(mnl_attr_get_u32(attribute));
		if (type == NFTA_GEN_PROC_NAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			strncpy(culprit->process, mnl_attr_get_str(attribute),
				sizeof(culprit->process) - 1);
	}
}

static void note_object(struct pf_nft_monitor *monitor, const struct nlmsghdr *header)
{
	const struct nfgenmsg *family = mnl_nlmsg_get_payload(header);
	uint32_t bit = 1u << (family->nfgen_family & 31);

	if (!is_about_table(header, monitor->table))
		return;
	monitor->is_touched |= header->nlmsg_pid != monitor->own_port;
	if ((header->nlmsg_type & 0xff) == NFT_MSG_DELTABLE)
		monitor->deleted |= bit;
	else
		monitor->deleted &= ~bit;
}

/* True where a transaction of somebody else that touched our tables is complete. */
static bool hear(struct pf_nft_monitor *monitor, const struct nlmsghdr *header,
		 struct pf_nft_culprit *culprit)
{
	struct pf_nft_culprit who;

	if (header->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(header) < sizeof(struct nfgenmsg))
		return false;
	if ((header->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		note_object(monitor, header);
		return false;
	}
	bool was_touched = monitor->is_touched;
	monitor->is_touched = false;
	read_generation(header, &monitor->generation, &who);
	if (was_touched)
		*culprit = who;
	return was_touched;
}

bool pf_nft_monitor_is_deleted(const struct pf_nft_monitor *monitor, enum pf_family family)
{
	return monitor->deleted & 1u << family;
}

uint32_t pf_nft_monitor_generation(const struct pf_nft_monitor *monitor)
{
	return monitor->generation;
}

int pf_nft_monitor_dispatch(struct pf_nft_monitor *monitor, struct pf_nft_culprit *ret_culprit)
{
	int result = 0;

	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(monitor->socket), monitor->datagram,
				 NFT_RECEIVE_MAX, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) { /* whatever it was, it is not known */
			*ret_culprit = (struct pf_nft_culprit){};
			monitor->deleted = 0;
			result = 1;
			continue;
		}
		if (n < 0)
			return errno == EAGAIN ? result : -errno;
		int rest = (int)n;
		for (const struct nlmsghdr *header = (const void *)monitor->datagram;
		     mnl_nlmsg_ok(header, rest); header = mnl_nlmsg_next(header, &rest))
			if (hear(monitor, header, ret_culprit))
				result = 1;
	}
}
