/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

/* What the kernel tells of one socket. IPv4 is IPv4 here whatever the family of the socket is: one of AF_INET6
 * that talks IPv4 shows mapped addresses, which are unmapped. */
struct socket_facts {
	struct pf_address local, remote; /* family 0: any address */
	uint16_t local_port,
		remote_port; /* host order; 0: any. Ping sockets: the echo identifier; raw
					     sockets: the protocol */
	uint8_t state;	     /* TCP_* of net/tcp_states.h, for other protocols too */
	bool is_v6;	     /* of AF_INET6: may talk IPv4 all the same while local is any */
	uint32_t uid;
	uint64_t inode; /* 0: no file belongs to it (any more) */
	bool has_cgroup;
	uint64_t cgroup; /* v2 id, of whoever created it */
};

/* include/net/tcp_states.h */
enum {
	SOCKET_ESTABLISHED = 1,
	SOCKET_SYN_SENT = 2,
	SOCKET_TIME_WAIT = 6,
	SOCKET_CLOSE = 7,
	SOCKET_LISTEN = 10,
	SOCKET_NEW_SYN_RECV = 12,
};

enum {
	SOCKET_E_MALFORMED = 1,
	SOCKET_E_OTHER, /* a well-formed message of another kind, a line that is no socket */
};

/* One message of NETLINK_SOCK_DIAG (linux/inet_diag.h): struct nlmsghdr and what follows, `length` readable
 * bytes. Pure. 0 or SOCKET_E_*. */
PF_MUST_CHECK int socket_diag_parse(const void *message, size_t length,
				    struct socket_facts *ret_socket);

/* The same of a packet socket (linux/packet_diag.h): user and inode number are all that is told of it. Which device it is
 * bound to proves nothing: sendto() may name another. Pure. */
PF_MUST_CHECK int socket_packet_parse(const void *message, size_t length,
				      struct socket_facts *ret_socket);

/* One line of /proc/net/icmp, icmp6, raw, raw6 (ping_v4_format_sock(), raw_sock_seq_show(),
 * __ip6_dgram_sock_seq_show()), which name no cgroup; addresses are in the machine's byte order. Pure. 0 or
 * SOCKET_E_OTHER. */
PF_MUST_CHECK int socket_line_parse(const char *line, struct socket_facts *ret_socket);

/* The socket a packet was sent by, as far as its head says. */
struct wanted_socket {
	uint8_t protocol;
	struct pf_address local, remote;
	uint16_t local_port, remote_port; /* ICMP echo: the identifier, 0 */
	bool has_uid;			  /* of the socket's owner, where the kernel told */
	uint32_t uid;
};

enum socket_match {
	SOCKET_MATCH_NONE,
	/* Bound to the packet's local port, connected to nobody or somebody else. A stream goes to nobody else
	 * than its peer: the destination was translated on the way. */
	SOCKET_MATCH_PORT,
	SOCKET_MATCH_EXACT, /* both ends */
};

/* Whether a socket can have sent it, and how sure that is. Pure. */
enum socket_match socket_match(const struct wanted_socket *wanted,
			       const struct socket_facts *socket);

/* Brings those that match best to the front: more than one, and the packet does not tell them apart. Pure. */
size_t sockets_choose(const struct wanted_socket *wanted, struct socket_facts *sockets, size_t n,
		      enum socket_match *ret_match);
