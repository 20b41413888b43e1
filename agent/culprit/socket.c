/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Sockets as the kernel tells of them, and which of them can have sent a packet.
 *
 * TCP is asked for by both ends, and the kernel answers with a listener where there is no connection: that one
 * did not send it. Where the destination was translated (DNAT) there is no connection with these ends either, but one from
 * the same port to what the sender meant. A datagram may come from any socket that is bound to its local port, a connected one
 * included, which may name another destination in sendto(); one that is connected to this destination is
 * believed before the others. A packet socket may have sent any frame of its namespace. */
#include "culprit/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>

static bool is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

/* From 16 bytes as the kernel has them; any address is none. */
static void address_take(struct pf_address *address, uint8_t family, const uint8_t *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	*address = (struct pf_address){};
	if (family == AF_INET6 && !memcmp(bytes, mapped, sizeof(mapped))) {
		family = AF_INET;
		bytes += sizeof(mapped);
	}
	size_t size = family == AF_INET ? 4 : 16;
	if (is_zero(bytes, size))
		return;
	address->family = family;
	memcpy(address->bytes, bytes, size);
}

/* Calls `take` with each attribute's type and value. False: they are not well-formed. */
static bool read_attributes(const uint8_t *bytes, size_t length,
			    bool (*take)(uint16_t type, const uint8_t *value, size_t size,
					 struct socket_facts *facts),
			    struct socket_facts *facts)
{
	for (size_t at = 0; length - at >= sizeof(struct nlattr);) {
		struct nlattr attribute;
		memcpy(&attribute, bytes + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > length - at)
			return false;
		if (!take(attribute.nla_type & NLA_TYPE_MASK, bytes + at + NLA_HDRLEN,
			  attribute.nla_len - sizeof(attribute), facts))
			return false;
		size_t step = NLA_ALIGN(attribute.nla_len);
		if (step > length - at)
			break;
		at += step;
	}
	return true;
}

static bool take_cgroup(uint16_t type, const uint8_t *value, size_t size,
			struct socket_facts *facts)
{
	if (type != INET_DIAG_CGROUP_ID)
		return true;
	if (size < sizeof(facts->cgroup))
		return false;
	memcpy(&facts->cgroup, value, sizeof(facts->cgroup));
	facts->has_cgroup = facts->cgroup != 0;
	return true;
}

static bool take_user(uint16_t type, const uint8_t *value, size_t size, struct socket_facts *facts)
{
	if (type != PACKET_DIAG_UID)
		return true;
	if (size < sizeof(facts->uid))
		return false;
	memcpy(&facts->uid, value, sizeof(facts->uid));
	return true;
}

/* Copies the body that follows the header, and says where the attributes begin. */
static int read_body(const uint8_t *bytes, size_t length, void *body, size_t size,
		     size_t *ret_begin, size_t *ret_end)
{
	struct nlmsghdr header;

	if (length < sizeof(header))
		return SOCKET_E_MALFORMED;
	memcpy(&header, bytes, sizeof(header));
	if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length)
		return SOCKET_E_MALFORMED;
	if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return SOCKET_E_OTHER;
	if (header.nlmsg_len < NLMSG_HDRLEN + size)
		return SOCKET_E_MALFORMED;
	memcpy(body, bytes + NLMSG_HDRLEN, size);
	*ret_begin = NLMSG_HDRLEN + NLMSG_ALIGN(size);
	*ret_end = header.nlmsg_len;
	if (*ret_begin > *ret_end)
		*ret_begin = *ret_end;
	return 0;
}

int socket_diag_parse(const void *message, size_t length, struct socket_facts *ret_socket)
{
	const uint8_t *bytes = message;
	struct socket_facts facts = {};
	struct inet_diag_msg body;
	size_t begin, end;
	int r = read_body(bytes, length, &body, sizeof(body), &begin, &end);

	if (r != 0)
		return r;
	if (body.idiag_family != AF_INET && body.idiag_family != AF_INET6)
		return SOCKET_E_OTHER;
	facts.is_v6 = body.idiag_family == AF_INET6;
	address_take(&facts.local, body.idiag_family, (const uint8_t *)body.id.idiag_src);
	address_take(&facts.remote, body.idiag_family, (const uint8_t *)body.id.idiag_dst);
	facts.local_port = ntohs(body.id.idiag_sport);
	facts.remote_port = ntohs(body.id.idiag_dport);
	facts.state = body.idiag_state;
	facts.uid = body.idiag_uid;
	facts.inode = body.idiag_inode;
	if (!read_attributes(bytes + begin, end - begin, take_cgroup, &facts))
		return SOCKET_E_MALFORMED;
	*ret_socket = facts;
	return 0;
}

int socket_packet_parse(const void *message, size_t length, struct socket_facts *ret_socket)
{
	const uint8_t *bytes = message;
	struct socket_facts facts = {};
	struct packet_diag_msg body;
	size_t begin, end;
	int r = read_body(bytes, length, &body, sizeof(body), &begin, &end);

	if (r != 0)
		return r;
	if (body.pdiag_family != AF_PACKET)
		return SOCKET_E_OTHER;
	facts.inode = body.pdiag_ino;
	if (!read_attributes(bytes + begin, end - begin, take_user, &facts))
		return SOCKET_E_MALFORMED;
	*ret_socket = facts;
	return 0;
}

/* "0100007F" or four such words: each is a word in the machine's order. */
static bool line_address(const char *text, struct pf_address *address)
{
	size_t n = strlen(text);
	uint32_t words[4];

	if (n != 8 && n != 32)
		return false;
	for (size_t i = 0; i < n / 8; i++) {
		char word[9];
		memcpy(word, text + 8 * i, 8);
		word[8] = '\0';
		if (sscanf(word, "%8x", &words[i]) != 1)
			return false;
	}
	address_take(address, n == 8 ? AF_INET : AF_INET6, (const uint8_t *)words);
	return true;
}

int socket_line_parse(const char *line, struct socket_facts *ret_socket)
{
	struct socket_facts facts = {};
	char local[33], remote[33];
	unsigned local_port, remote_port, state, uid;
	unsigned long inode;

	/* sl: local rem st tx:rx tr:tm->when retrnsmt uid timeout inode */
	if (sscanf(line,
		   " %*u: %32[0-9A-Fa-f]:%4x %32[0-9A-Fa-f]:%4x %2x %*8x:%*8x %*2x:%*8x %*8x %u "
		   "%*d %lu",
		   local, &local_port, remote, &remote_port, &state, &uid, &inode) != 7)
		return SOCKET_E_OTHER;
	if (!line_address(local, &facts.local) || !line_address(remote, &facts.remote))
		return SOCKET_E_OTHER;
	facts.is_v6 = strlen(local) == 32;
	facts.local_port = (uint16_t)local_port;
	facts.remote_port = (uint16_t)remote_port;
	facts.state = (uint8_t)state;
	facts.uid = uid;
	facts.inode = inode;
	*ret_socket = facts;
	return 0;
}

/* `any`: what the socket leaves open. */
static bool fits(const struct pf_address *of_socket, const struct pf_address *of_packet)
{
	return !of_socket->family || pf_address_equal(of_socket, of_packet);
}

static bool is_other_family(const struct socket_facts *socket, const struct pf_address *address)
{
	uint8_t family = socket->local.family ? socket->local.family : socket->remote.family;

	if (family)
		return family != address->family;
	return !socket->is_v6 && address->family == AF_INET6;
}

enum socket_match socket_match(const struct wanted_socket *wanted,
			       const struct socket_facts *socket)
{
	bool is_tcp = wanted->protocol == IPPROTO_TCP;

	if (wanted->has_uid && wanted->uid != socket->uid)
		return SOCKET_MATCH_NONE;
	if (is_other_family(socket, &wanted->local) || socket->local_port != wanted->local_port ||
	    !fits(&socket->local, &wanted->local))
		return SOCKET_MATCH_NONE;
	if (is_tcp && socket->state == SOCKET_LISTEN)
		return SOCKET_MATCH_NONE;
	if (socket->remote_port == wanted->remote_port &&
	    pf_address_equal(&socket->remote, &wanted->remote))
		return SOCKET_MATCH_EXACT;
	return is_tcp && !socket->remote.family ? SOCKET_MATCH_NONE : SOCKET_MATCH_PORT;
}

size_t sockets_choose(const struct wanted_socket *wanted, struct socket_facts *sockets, size_t n,
		      enum socket_match *ret_match)
{
	enum socket_match best = SOCKET_MATCH_NONE;
	size_t n_best = 0;

	for (size_t i = 0; i < n; i++) {
		enum socket_match match = socket_match(wanted, &sockets[i]);
		if (match == SOCKET_MATCH_NONE || match < best)
			continue;
		if (match > best)
			n_best = 0;
		best = match;
		struct socket_facts chosen = sockets[i];
		sockets[i] = sockets[n_best];
		sockets[n_best++] = chosen;
	}
	*ret_match = best;
	return n_best;
}
