/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Notifications are a hint what to look at again, never a source of state: of a message only its
 * type and the namespace it speaks of matter, and an overrun is just a reason to look at
 * everything. Of the links inside a pod it matters that one came or went, so a pod that toggles its
 * own devices wakes nobody; its addresses do. */
#include "node/monitor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#define MESSAGES_MAX   1000
#define RECEIVE_BUFFER (1 << 20)

struct monitor {
	struct mnl_socket *socket;
};

static int subscribe(struct mnl_socket *socket)
{
	static const int groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_NSID,	 RTNLGRP_TC,
	};
	int one = 1, size = RECEIVE_BUFFER;

	/* Without CAP_NET_ADMIN the default size stays: overruns are harmless here. */
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size));
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(socket, NETLINK_LISTEN_ALL_NSID, &one, sizeof(one)) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];
		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0)
			return -errno;
	}
	return 0;
}

int monitor_open(struct monitor **ret_monitor)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return -ENOMEM;
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r = monitor->socket ? subscribe(monitor->socket) : -errno;
	if (r < 0) {
		monitor_free(monitor);
		return r;
	}
	*ret_monitor = monitor;
	return 0;
}

struct monitor *monitor_free(struct monitor *monitor)
{
	if (monitor && monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
	return NULL;
}

int monitor_fd(const struct monitor *monitor)
{
	return mnl_socket_get_fd(monitor->socket);
}

/* The kernel names the namespace where it is not our own. -1: it is. */
static int32_t find_nsid(struct msghdr *message)
{
	int32_t nsid = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			memcpy(&nsid, CMSG_DATA(c), sizeof(nsid));
	return nsid;
}

static void note_addresses(struct monitor_news *news, int32_t nsid)
{
	for (size_t i = 0; i < news->n_address_nsids; i++)
		if (news->address_nsids[i] == nsid)
			return;
	if (news->n_address_nsids == MONITOR_NSIDS_MAX)
		news->everything = true;
	else
		news->address_nsids[news->n_address_nsids++] = nsid;
}

/* What is read of a message; the rest is cut off. */
struct head {
	struct nlmsghdr header;
	struct ifinfomsg link; /* of those about links; zero where the message is shorter */
};

/* A device that is new to its namespace or gone from it (register_netdevice() and its kin tell every flag as
 * changed); what else happens to those inside pods wakes nobody. */
static bool is_arrival(const struct head *head)
{
	return head->header.nlmsg_type == RTM_DELLINK ||
	       (head->header.nlmsg_type == RTM_NEWLINK && head->link.ifi_change == UINT32_MAX);
}

/* Whether it matters. */
static bool note(struct monitor_news *news, const struct head *head, int32_t nsid)
{
	const struct nlmsghdr *header = &head->header;
	bool is_address = header->nlmsg_type == RTM_NEWADDR || header->nlmsg_type == RTM_DELADDR;

	if (nsid >= 0) {
		bool matters = is_address || is_arrival(head);
		if (matters)
			note_addresses(news, nsid);
		return matters;
	}
	switch (header->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR: news->own_addresses = true; return true;
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_NEWTFILTER:
	case RTM_DELTFILTER: news->links = true; return true;
	case RTM_NEWROUTE:
	case RTM_DELROUTE: news->routes = true; return true;
	case RTM_NEWNSID:
	case RTM_DELNSID: news->nsids = true; return true;
	default: return false;
	}
}

/* 1 it matters, 0 it does not, -EAGAIN nothing left, or the socket's error. */
static int receive(struct monitor *monitor, struct monitor_news *news)
{
	struct head head = {};
	struct sockaddr_nl sender = {};
	struct iovec part = {&head, sizeof(head)};
	char control[256] __attribute__((aligned(__alignof__(struct cmsghdr))));
	struct msghdr message = {
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(monitor_fd(monitor), &message, MSG_DONTWAIT);

	if (n < 0 && errno == ENOBUFS) {
		news->everything = true;
		return 1;
	}
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (sender.nl_pid || n < (ssize_t)sizeof(head.header))
		return 0;
	return note(news, &head, find_nsid(&message));
}

int monitor_drain(struct monitor *monitor, struct monitor_news *news)
{
	int changed = 0;

	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		int r = receive(monitor, news);
		if (r == -EAGAIN)
			break;
		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}
