/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From a packet to the socket that sent it, and from a frame to the packet socket. */
#include "culprit/look.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/netns.h"

#define ETHERTYPE_IPV4	 0x0800
#define ICMP_ECHO	 8
#define ICMPV6_ECHO	 128
#define PROTOCOL_UDPLITE 136
#define TCP_SYN		 0x02
#define TCP_ACK		 0x10

void look_give_up(struct look *look, const char *why)
{
	look->culprit->why = why;
}

static bool is_echo(const struct pf_packet *packet)
{
	if (!packet->has_icmp || !packet->has_icmp_id)
		return false;
	return packet->icmp_type == (packet->ethertype == ETHERTYPE_IPV4 ? ICMP_ECHO : ICMPV6_ECHO);
}

static void wanted_make(struct look *look)
{
	const struct culprit_query *query = look->query;
	const struct pf_packet *packet = query->packet;

	look->wanted = (struct wanted_socket){
		.protocol = packet->protocol,
		.local = packet->source,
		.remote = packet->destination,
		.local_port = packet->source_port,
		.remote_port = packet->destination_port,
		.has_uid = query->has_user,
		.uid = query->user,
	};
	if (is_echo(packet)) {
		look->wanted.local_port = packet->icmp_id;
		look->wanted.remote_port = 0;
	}
}

static const char *sock_diag_failed(struct look *look, int r)
{
	sock_diags_drop(&look->culprits->diags, look->query->netns);
	switch (r) {
	case -ETIMEDOUT: return "the network namespace was not entered in time";
	case -EPIPE:
	case -EPERM: return "the network namespace may not be entered";
	case -ESRCH: return "its network namespace is gone";
	case -EOPNOTSUPP:
	case -ENOENT: return "this kernel does not tell of such sockets";
	default: return "the kernel could not be asked for its sockets";
	}
}

/* Those that match best, to the front; 0 and a reason where there is none. */
static void choose(struct look *look, size_t n)
{
	enum socket_match match;

	look->n_sockets = sockets_choose(&look->wanted, look->sockets, n, &match);
	look->culprit->socket = look->n_sockets > 1	      ? CULPRIT_SOCKET_AMBIGUOUS
				: match == SOCKET_MATCH_EXACT ? CULPRIT_SOCKET_EXACT
				: match == SOCKET_MATCH_PORT  ? CULPRIT_SOCKET_BY_PORT
							      : CULPRIT_SOCKET_GONE;
	if (!look->n_sockets)
		look_give_up(look, "it has ended or closed the socket");
	else if (look->n_sockets > 1)
		look_give_up(look, "several sockets share the port");
	else if (match == SOCKET_MATCH_PORT && look->sockets[0].remote.family) {
		look->culprit->peer = look->sockets[0].remote;
		look->culprit->peer_port = look->sockets[0].remote_port;
	}
}

static void find_listed(struct look *look, struct sock_diag *diag, uint32_t states)
{
	size_t n;
	int r = sock_diag_list(diag, &look->wanted, states, look->sockets, SOCKETS_MAX, &n);

	if (r < 0)
		look_give_up(look, sock_diag_failed(look, r));
	else if (n > SOCKETS_MAX)
		look_give_up(look, "too many sockets share the port");
	else
		choose(look, n);
	look->is_alone = n == 1 && look->wanted.protocol != IPPROTO_TCP;
}

/* Those that can have sent it: a SYN only who is connecting. */
static uint32_t stream_states(const struct pf_packet *packet)
{
	bool is_syn = packet->has_tcp_flags && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;

	if (is_syn)
		return 1u << SOCKET_SYN_SENT;
	return ~(1u << SOCKET_LISTEN | 1u << SOCKET_TIME_WAIT | 1u << SOCKET_CLOSE |
		 1u << SOCKET_NEW_SYN_RECV | 1u << SOCKET_SYN_SENT);
}

static void find_stream(struct look *look, struct sock_diag *diag)
{
	int r = sock_diag_find(diag, &look->wanted, look->query->device, &look->sockets[0]);

	if (r < 0 && r != -ENOENT) {
		look_give_up(look, sock_diag_failed(look, r));
		return;
	}
	choose(look, r == 0);
	if (!look->n_sockets)
		find_listed(look, diag, stream_states(look->query->packet));
}

/* A table of /proc/net of the sender's namespace, or "" where it cannot be had. */
static void read_table(struct look *look, const char *name)
{
	struct culprits *culprits = look->culprits;
	size_t n = 0;
	char path[48];

	if (look->query->netns)
		snprintf(path, sizeof(path), "%d/net/%s", (int)look->query->pid, name);
	else
		snprintf(path, sizeof(path), "self/net/%s", name);
	int fd = openat(culprits->reader.proc, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n < TABLE_MAX) {
		ssize_t more = read(fd, culprits->table + n, TABLE_MAX - n);
		if (more <= 0)
			break;
		n += (size_t)more;
	}
	if (fd >= 0)
		close(fd);
	culprits->table[n] = '\0';
}

/* The process that stands for the namespace may have ended, and its number be somebody's of another. */
static bool is_namespace_there(const struct look *look)
{
	uint64_t inode;

	if (!look->query->netns)
		return true;
	int fd = netns_open(look->query->pid);
	bool is_there = fd >= 0 && netns_inode(fd, &inode) == 0 && inode == look->query->netns;
	if (fd >= 0)
		close(fd);
	return is_there;
}

static size_t table_sockets(struct look *look, size_t n,
			    bool (*is_good)(const struct socket_facts *, const struct look *))
{
	char *rest = look->culprits->table, *line;

	while ((line = strsep(&rest, "\n")) && n < SOCKETS_MAX)
		if (!socket_line_parse(line, &look->sockets[n]) && is_good(&look->sockets[n], look))
			n++;
	return n;
}

static bool is_ping(const struct socket_facts *socket, const struct look *look)
{
	return socket_match(&look->wanted, socket) != SOCKET_MATCH_NONE;
}

/* IPPROTO_RAW sends whatever protocol it likes. */
static bool is_raw(const struct socket_facts *socket, const struct look *look)
{
	if (look->wanted.has_uid && look->wanted.uid != socket->uid)
		return false;
	return socket->local_port == look->wanted.protocol || socket->local_port == IPPROTO_RAW;
}

static void find_ping(struct look *look)
{
	const struct pf_packet *packet = look->query->packet;

	if (!is_echo(packet))
		return;
	read_table(look, packet->ethertype == ETHERTYPE_IPV4 ? "icmp" : "icmp6");
	size_t n = table_sockets(look, 0, is_ping);
	if (!n)
		return;
	choose(look, n);
	if (look->n_sockets == 1) /* nobody else can have the identifier */
		look->culprit->socket = CULPRIT_SOCKET_EXACT;
	look->is_alone = n == 1 && look->n_sockets == 1;
}

/* A packet socket sends what it likes too; what leaves the node by one meets no rule. */
static bool has_packet_socket(struct look *look)
{
	if (!look->query->netns)
		return false;
	read_table(look, "packet");
	const char *second = strchr(look->culprits->table, '\n');
	return second && second[1];
}

static void find_raw(struct look *look)
{
	read_table(look, look->query->packet->ethertype == ETHERTYPE_IPV4 ? "raw" : "raw6");
	look->n_sockets = table_sockets(look, 0, is_raw);
	look->culprit->socket = look->n_sockets == 1 ? CULPRIT_SOCKET_BY_PROTOCOL
				: look->n_sockets    ? CULPRIT_SOCKET_AMBIGUOUS
						     : CULPRIT_SOCKET_GONE;
	if (!look->n_sockets) {
		look_give_up(look, "it has ended or closed the socket");
	} else if (look->n_sockets > 1) {
		look_give_up(look, "several raw sockets can have sent it");
	} else if (has_packet_socket(look)) {
		look->culprit->socket = CULPRIT_SOCKET_AMBIGUOUS;
		look->n_sockets = 0;
		look_give_up(look, "a raw or a packet socket can have sent it");
	}
}

static void find_by_table(struct look *look)
{
	if (!is_namespace_there(look)) {
		look_give_up(look, "its network namespace is gone");
		return;
	}
	find_ping(look);
	if (look->culprit->socket == CULPRIT_SOCKET_UNASKED)
		find_raw(look);
	if (!is_namespace_there(look)) {
		look->n_sockets = 0;
		look_give_up(look, "its network namespace is gone");
	}
}

/* Nothing in a frame says which socket sent it, and none is bound to where it may send: so every one of the
 * namespace can have, except one of another user than the kernel told with the frame. */
static void choose_frame(struct look *look, size_t n)
{
	bool is_other = n == 1 && look->sockets[0].uid != look->query->user;

	look->is_alone = n == 1;
	look->n_sockets = n == 1 && !is_other;
	look->culprit->socket = look->n_sockets ? CULPRIT_SOCKET_BY_PROTOCOL
				: n > 1		? CULPRIT_SOCKET_AMBIGUOUS
						: CULPRIT_SOCKET_GONE;
	if (n > 1)
		look_give_up(look, "several packet sockets can have sent it");
	else if (!look->n_sockets)
		look_give_up(look, "it has ended or closed the socket");
}

static void find_frame(struct look *look)
{
	struct sock_diag *diag;
	size_t n;
	int r;

	if (look->query->frame->has_ways_in) {
		look_give_up(look, "it may come from a device in another network namespace");
		return;
	}
	if (!look->query->has_user) { /* which a socket has while it sends */
		look_give_up(look, "no socket of the node sent it");
		return;
	}
	r = sock_diags_get(&look->culprits->diags, 0, 0, &diag);
	if (r == 0)
		r = sock_diag_list_packet(diag, look->sockets, SOCKETS_MAX, &n);
	if (r < 0)
		look_give_up(look, sock_diag_failed(look, r));
	else
		choose_frame(look, n);
}

void look_find_sockets(struct look *look)
{
	const struct pf_packet *packet = look->query->packet;
	struct sock_diag *diag;

	if (look->query->frame) {
		find_frame(look);
		return;
	}
	wanted_make(look);
	if (packet->fragment_offset || packet->is_truncated) {
		look_give_up(look, "the packet does not show its ports");
		return;
	}
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP &&
	    packet->protocol != PROTOCOL_UDPLITE) {
		find_by_table(look);
		return;
	}
	int r = sock_diags_get(&look->culprits->diags, look->query->netns, look->query->pid, &diag);
	if (r < 0)
		look_give_up(look, sock_diag_failed(look, r));
	else if (packet->protocol == IPPROTO_TCP)
		find_stream(look, diag);
	else
		find_listed(look, diag, SOCK_DIAG_ALL);
}

bool look_is_from(struct look *look, const struct socket_facts *socket)
{
	wanted_make(look);
	return socket_match(&look->wanted, socket) != SOCKET_MATCH_NONE;
}

void look_at_socket(struct look *look, const struct socket_facts *socket)
{
	look->culprit->peer = (struct pf_address){};
	look->culprit->peer_port = 0;
	look->sockets[0] = *socket;
	choose(look, 1);
	if (is_echo(look->query->packet))
		look->culprit->socket = CULPRIT_SOCKET_EXACT;
}
