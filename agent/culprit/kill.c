/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Sockets are listed first and ended then: a dump that is changed under way may pass over some. What was made
 * meanwhile meets the rules. */
#include "culprit/kill.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "culprit/gate.h"
#include "culprit/socket.h"
#include "node/cgroup_tree.h"
#include "node/netns.h"

#define BUFFER_SIZE  32768
#define SOCKETS_MAX  16384
#define CGROUPS_MAX  1024
#define CHILDREN_MAX 256
#define DEPTH_MAX    16

struct cgroups {
	uint64_t ids[CGROUPS_MAX];
	size_t n;
};

struct victim {
	uint8_t family, protocol;
	struct inet_diag_sockid id;
};

struct victims {
	const struct cgroups *cgroups; /* NULL: all of the namespace */
	struct victim *victims;
	size_t n;
	uint8_t protocol;
};

/* This one and all below it, as far as there is room. */
static void collect(int directory, unsigned depth, struct cgroups *cgroups)
{
	struct cgroup_child *children;
	bool is_cut;
	size_t n;

	if (cgroups->n == CGROUPS_MAX || cgroup_id(directory, &cgroups->ids[cgroups->n]) < 0)
		return;
	cgroups->n++;
	if (depth == DEPTH_MAX ||
	    cgroup_children(directory, CHILDREN_MAX, &children, &n, &is_cut) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		int child = cgroup_open(directory, children[i].name);
		if (child < 0)
			continue;
		collect(child, depth + 1, cgroups);
		close(child);
	}
	cgroup_children_free(children, n);
}

static int find_cgroups(const struct kill_target *target, struct cgroups *cgroups)
{
	struct cgroup_tree tree;
	int r = cgroup_tree_open(target->cgroup_root, &tree);

	if (r < 0)
		return r;
	int directory = cgroup_open_id(&tree, target->cgroup);
	cgroup_tree_close(&tree);
	if (directory < 0)
		return directory;
	collect(directory, 0, cgroups);
	close(directory);
	return cgroups->n ? 0 : -ENOENT;
}

static int open_there(struct gate *gate, const struct kill_target *target,
		      struct mnl_socket **ret_socket)
{
	uint64_t inode;
	int netns = netns_open(target->pid), fd;

	if (netns < 0)
		return netns == -ENOENT ? -ESRCH : netns;
	int r = netns_inode(netns, &inode);
	if (r == 0 && inode != target->netns)
		r = -ESRCH;
	if (r == 0)
		r = gate ? gate_socket(gate, netns, &fd) : -EPERM;
	close(netns);
	if (r < 0)
		return r;
	*ret_socket = mnl_socket_fdopen(fd);
	if (*ret_socket)
		return 0;
	close(fd);
	return -ENOMEM;
}

static int open_here(struct mnl_socket **ret_socket)
{
	*ret_socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!*ret_socket)
		return -errno;
	return mnl_socket_bind(*ret_socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

static bool is_of(const struct cgroups *cgroups, uint64_t cgroup)
{
	for (size_t i = 0; i < cgroups->n; i++)
		if (cgroups->ids[i] == cgroup)
			return true;
	return false;
}

static int take(const struct nlmsghdr *message, void *userdata)
{
	struct victims *victims = userdata;
	const struct inet_diag_msg *body = mnl_nlmsg_get_payload(message);
	struct socket_facts facts;

	if (socket_diag_parse(message, message->nlmsg_len, &facts) || victims->n == SOCKETS_MAX)
		return MNL_CB_OK;
	if (victims->cgroups && !(facts.has_cgroup && is_of(victims->cgroups, facts.cgroup)))
		return MNL_CB_OK;
	victims->victims[victims->n++] = (struct victim){
		.family = body->idiag_family,
		.protocol = victims->protocol,
		.id = body->id,
	};
	return MNL_CB_OK;
}

static struct nlmsghdr *request_make(char *buffer, uint16_t type, uint16_t flags,
				     const struct inet_diag_req_v2 *body)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	memcpy(mnl_nlmsg_put_extra_header(request, sizeof(*body)), body, sizeof(*body));
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = 1;
	return request;
}

/* Sends and hears to the end of the answer. 0 or a negative errno. */
static int talk(struct mnl_socket *socket, const struct nlmsghdr *request, mnl_cb_t take_message,
		void *userdata)
{
	char buffer[BUFFER_SIZE];
	int r = mnl_socket_sendto(socket, request, request->nlmsg_len) < 0 ? -1 : MNL_CB_OK;

	while (r == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		r = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 1, 0, take_message, userdata);
	}
	return r < 0 ? -errno : 0;
}

#define REQUEST_SIZE (MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct inet_diag_req_v2)))

static int list(struct mnl_socket *socket, uint8_t family, uint8_t protocol,
		struct victims *victims)
{
	const uint32_t connected = 1u << SOCKET_ESTABLISHED;
	const uint32_t not_ended = ~(1u << SOCKET_LISTEN | 1u << SOCKET_TIME_WAIT |
				     1u << SOCKET_NEW_SYN_RECV | 1u << SOCKET_CLOSE);
	const struct inet_diag_req_v2 body = {
		.sdiag_family = family,
		.sdiag_protocol = protocol,
		.idiag_states = protocol == IPPROTO_UDP ? connected : not_ended,
		.id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	char buffer[REQUEST_SIZE];

	victims->protocol = protocol;
	return talk(socket, request_make(buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body), take,
		    victims);
}

static int end(struct mnl_socket *socket, const struct victim *victim)
{
	const struct inet_diag_req_v2 body = {
		.sdiag_family = victim->family,
		.sdiag_protocol = victim->protocol,
		.idiag_states = UINT32_MAX,
		.id = victim->id,
	};
	char buffer[REQUEST_SIZE];

	return talk(socket, request_make(buffer, SOCK_DESTROY, NLM_F_ACK, &body), NULL, NULL);
}

static int end_all(struct mnl_socket *socket, struct victims *victims, size_t *ret_n)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	int r = 0;

	for (size_t i = 0; i < 4 && r == 0; i++) {
		r = list(socket, families[i / 2], protocols[i % 2], victims);
		if (r == -ENOENT) /* this kernel has no such protocol */
			r = 0;
	}
	for (size_t i = 0; i < victims->n && r == 0; i++) {
		r = end(socket, &victims->victims[i]);
		*ret_n += r == 0;
		if (r == -ENOENT || r == -EINVAL) /* it ended by itself */
			r = 0;
	}
	return r;
}

int kill_sockets(struct gate *gate, const struct kill_target *target, size_t *ret_n)
{
	struct cgroups cgroups = {};
	struct mnl_socket *socket = NULL;
	struct victims victims = {.victims = calloc(SOCKETS_MAX, sizeof(*victims.victims))};
	int r = victims.victims ? 0 : -ENOMEM;

	*ret_n = 0;
	if (r == 0 && !target->netns) {
		r = find_cgroups(target, &cgroups);
		victims.cgroups = &cgroups;
	}
	if (r == 0)
		r = target->netns ? open_there(gate, target, &socket) : open_here(&socket);
	if (r == 0)
		r = end_all(socket, &victims, ret_n);
	if (socket)
		mnl_socket_close(socket);
	free(victims.victims);
	return r;
}
