/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * NETLINK_SOCK_DIAG (linux/inet_diag.h). A netlink socket belongs to the network namespace it was made in, for
 * as long as it is open; so a thread of its own enters the namespace, makes the socket there and ends. The
 * agent's thread never leaves its namespace.
 *
 * TCP is looked up by its hash, in microseconds. UDP too (with source and destination swapped,
 * udp_dump_one()), but only one socket would be found where several share the port; so those of the port are
 * listed. The kernel asks for the family of the socket there, and IPv4 is talked by both. Packet sockets are listed
 * whole (CONFIG_PACKET_DIAG); of them the kernel names no cgroup.
 *
 * Such a socket holds its namespace, and with it the pod's devices, so it is closed when the sandbox ends. */
#include "culprit/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>

#include "node/netlink.h"
#include "node/netns.h"

#define BUFFER_SIZE 32768

struct sock_diag {
	struct mnl_socket *socket;
	uint32_t sequence;
	char buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static int open_here(struct sock_diag *diag)
{
	diag->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!diag->socket || mnl_socket_bind(diag->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

static int open_there(struct sock_diag *diag, struct gate *gate, int netns)
{
	int fd, r = gate ? gate_socket(gate, netns, &fd) : -EPERM;

	if (r < 0)
		return r;
	diag->socket = mnl_socket_fdopen(fd);
	r = diag->socket ? 0 : -errno;
	if (r < 0)
		close(fd);
	return r;
}

int sock_diag_open(struct gate *gate, int netns, struct sock_diag **ret_diag)
{
	struct sock_diag *diag = calloc(1, sizeof(*diag));

	if (!diag)
		return -ENOMEM;
	int r = netns < 0 ? open_here(diag) : open_there(diag, gate, netns);
	if (r < 0)
		sock_diag_free(diag);
	else
		*ret_diag = diag;
	return r;
}

struct sock_diag *sock_diag_free(struct sock_diag *diag)
{
	if (diag && diag->socket)
		mnl_socket_close(diag->socket);
	free(diag);
	return NULL;
}

#define BODY_MAX MNL_ALIGN(sizeof(struct inet_diag_req_v2))
_Static_assert(sizeof(struct packet_diag_req) <= BODY_MAX, "either request fits");

static int ask(struct sock_diag *diag, const void *body, size_t size, uint16_t flags)
{
	char buffer[MNL_NLMSG_HDRLEN + BODY_MAX];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	memcpy(mnl_nlmsg_put_extra_header(request, size), body, size);
	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = ++diag->sequence;
	return mnl_socket_sendto(diag->socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

/* The kernel has answered, or has the next part of its answer ready, when this is called. */
static int receive(struct sock_diag *diag)
{
	ssize_t n;

	do
		n = recv(mnl_socket_get_fd(diag->socket), diag->buffer, sizeof(diag->buffer),
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static void id_make(struct inet_diag_sockid *id, const struct wanted_socket *wanted)
{
	size_t size = pf_address_size(&wanted->local);

	id->idiag_sport = htons(wanted->local_port);
	id->idiag_dport = htons(wanted->remote_port);
	memcpy(id->idiag_src, wanted->local.bytes, size);
	memcpy(id->idiag_dst, wanted->remote.bytes, size);
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

int sock_diag_find(struct sock_diag *diag, const struct wanted_socket *wanted, uint32_t device,
		   struct socket_facts *ret_socket)
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = wanted->local.family,
		.sdiag_protocol = wanted->protocol,
		.idiag_states = SOCK_DIAG_ALL,
		.id.idiag_if = device,
	};

	id_make(&request.id, wanted);
	int r = ask(diag, &request, sizeof(request), 0);
	if (r < 0)
		return r;
	for (;;) {
		int n = receive(diag);
		if (n < 0)
			return n;
		const struct nlmsghdr *message = (const void *)diag->buffer;
		for (; mnl_nlmsg_ok(message, n); message = mnl_nlmsg_next(message, &n)) {
			if (message->nlmsg_seq != diag->sequence)
				continue; /* of a question that failed */
			if (message->nlmsg_type == NLMSG_ERROR)
				return netlink_message_error(message);
			return socket_diag_parse(message, message->nlmsg_len, ret_socket) ? -EBADMSG
											  : 0;
		}
	}
}

struct listing {
	int (*parse)(const void *message, size_t length, struct socket_facts *ret_socket);
	struct socket_facts *sockets;
	size_t capacity, n;
	uint32_t states;
	bool is_done;
};

static int hear(struct listing *listing, const struct nlmsghdr *message)
{
	struct socket_facts facts;

	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
		listing->is_done = true;
		return netlink_message_error(message);
	}
	if (listing->parse(message, message->nlmsg_len, &facts))
		return 0;
	if (listing->n < listing->capacity)
		listing->sockets[listing->n] = facts;
	listing->n++;
	return 0;
}

/* What the kernel answers to the question that was just asked. */
static int hear_all(struct sock_diag *diag, struct listing *listing)
{
	int r = 0;

	listing->is_done = false;
	while (r == 0 && !listing->is_done) {
		int n = receive(diag);
		if (n < 0)
			return n;
		const struct nlmsghdr *message = (const void *)diag->buffer;
		for (; r == 0 && mnl_nlmsg_ok(message, n); message = mnl_nlmsg_next(message, &n))
			if (message->nlmsg_seq == diag->sequence)
				r = hear(listing, message);
	}
	return r;
}

static int list_family(struct sock_diag *diag, uint8_t family, const struct wanted_socket *wanted,
		       struct listing *listing)
{
	const struct inet_diag_req_v2 request = {
		.sdiag_family = family,
		.sdiag_protocol = wanted->protocol,
		.idiag_states = listing->states,
		.id = {.idiag_sport = htons(wanted->local_port),
		       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	int r = ask(diag, &request, sizeof(request), NLM_F_DUMP);

	return r < 0 ? r : hear_all(diag, listing);
}

int sock_diag_list(struct sock_diag *diag, const struct wanted_socket *wanted, uint32_t states,
		   struct socket_facts *sockets, size_t capacity, size_t *ret_n)
{
	struct listing listing = {
		.parse = socket_diag_parse,
		.sockets = sockets,
		.capacity = capacity,
		.states = states,
	};
	int r = list_family(diag, AF_INET6, wanted, &listing);

	if (wanted->local.family == AF_INET && (r == 0 || r == -ENOENT))
		r = list_family(diag, AF_INET, wanted, &listing);
	*ret_n = listing.n;
	return r;
}

int sock_diag_list_packet(struct sock_diag *diag, struct socket_facts *sockets, size_t capacity,
			  size_t *ret_n)
{
	const struct packet_diag_req request = {
		.sdiag_family = AF_PACKET,
		.pdiag_show = PACKET_SHOW_INFO, /* the user is told with it */
	};
	struct listing listing = {
		.parse = socket_packet_parse,
		.sockets = sockets,
		.capacity = capacity,
	};
	int r = ask(diag, &request, sizeof(request), NLM_F_DUMP);

	if (r == 0)
		r = hear_all(diag, &listing);
	*ret_n = listing.n;
	return r;
}

static int open_of(struct gate *gate, uint64_t netns, pid_t pid, struct sock_diag **ret_diag)
{
	uint64_t inode;

	if (!netns)
		return sock_diag_open(gate, -1, ret_diag);
	int fd = netns_open(pid);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	int r = netns_inode(fd, &inode);
	if (r == 0)
		r = inode == netns ? sock_diag_open(gate, fd, ret_diag) : -ESRCH;
	close(fd);
	return r;
}

/* Our own has a place too: its key is what no namespace has. */
#define OWN UINT64_MAX

int sock_diags_get(struct sock_diags *diags, uint64_t netns, pid_t pid, struct sock_diag **ret_diag)
{
	const uint64_t key = netns ? netns : OWN;
	size_t place = 0;

	for (size_t i = 0; i < SOCK_DIAGS_MAX; i++) {
		if (diags->kept[i].netns == key) {
			diags->kept[i].used = ++diags->uses;
			*ret_diag = diags->kept[i].diag;
			return 0;
		}
		if (diags->kept[i].used < diags->kept[place].used)
			place = i;
	}
	struct sock_diag *diag;
	int r = open_of(diags->gate, netns, pid, &diag);
	if (r < 0)
		return r;
	sock_diag_free(diags->kept[place].diag);
	diags->kept[place].netns = key;
	diags->kept[place].used = ++diags->uses;
	diags->kept[place].diag = *ret_diag = diag;
	return 0;
}

static void drop(struct sock_diags *diags, size_t i)
{
	sock_diag_free(diags->kept[i].diag);
	diags->kept[i].netns = diags->kept[i].used = 0;
	diags->kept[i].diag = NULL;
}

void sock_diags_keep(struct sock_diags *diags, const uint64_t *netnses, size_t n)
{
	if (diags->gate)
		gate_drain(diags->gate);
	for (size_t i = 0; i < SOCK_DIAGS_MAX; i++) {
		bool is_kept = !diags->kept[i].netns || diags->kept[i].netns == OWN;
		for (size_t k = 0; k < n && !is_kept; k++)
			is_kept = netnses[k] == diags->kept[i].netns;
		if (!is_kept)
			drop(diags, i);
	}
}

void sock_diags_drop(struct sock_diags *diags, uint64_t netns)
{
	for (size_t i = 0; i < SOCK_DIAGS_MAX; i++)
		if (diags->kept[i].netns == (netns ? netns : OWN))
			drop(diags, i);
}

void sock_diags_done(struct sock_diags *diags)
{
	for (size_t i = 0; i < SOCK_DIAGS_MAX; i++)
		drop(diags, i);
}
