/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A bound NFLOG group on a netlink socket of its own. Nothing is bound or unbound per protocol
 * family (NFULNL_CFG_CMD_PF_*): that acts on the whole network namespace and disturbs every other
 * user.
 *
 * The kernel numbers what it logs per group (NFULNL_CFG_F_SEQ), so a gap tells how many messages
 * were lost between two that arrived. What is lost after the last one is invisible here; the rule's
 * counter knows it. An overrun of the receive buffer (ENOBUFS) is reported by the kernel once and
 * then the socket goes on. */
#include <podfence/nflog.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#define DATAGRAM_MAX (256u << 10) /* nlbufsiz is at most 128 KiB (nfnetlink_log.c) */

struct pf_nflog {
	struct mnl_socket *socket;
	uint16_t group;
	uint32_t request; /* sequence of the last configuration message */
	bool has_expected;
	uint32_t expected; /* sequence number the next record should have */
	struct pf_nflog_counts counts;
	char *datagram;
};

/* Sends one configuration message and waits for its answer; records in between are not expected
 * yet, and where they come (a change of a bound group) they are counted as lost rather than kept.
 */
static int configure(struct pf_nflog *nflog, struct nlmsghdr *header)
{
	char answer[8192];

	header->nlmsg_flags |= NLM_F_ACK;
	header->nlmsg_seq = ++nflog->request;
	if (mnl_socket_sendto(nflog->socket, header, header->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(nflog->socket), answer, sizeof(answer),
				 MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n < 0)
			return -errno;
		const struct nlmsghdr *reply = (void *)answer;
		int rest = (int)n;
		if (!mnl_nlmsg_ok(reply, rest) || reply->nlmsg_type != NLMSG_ERROR ||
		    reply->nlmsg_seq != nflog->request ||
		    mnl_nlmsg_get_payload_len(reply) < sizeof(struct nlmsgerr))
			continue;
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(reply))->error;
	}
}

static int bind_group(struct pf_nflog *nflog)
{
	char buffer[256];
	struct nlmsghdr *header = nflog_nlmsg_put_header(buffer, NFULNL_MSG_CONFIG, AF_UNSPEC,
							 nflog->group);

	if (nflog_attr_put_cfg_cmd(header, NFULNL_CFG_CMD_BIND) < 0)
		return -ENOMEM;
	int r = configure(nflog, header);
	/* A group of another socket answers EBUSY, or EPERM where the owner differs
	 * (nfulnl_recv_config). */
	return r == -EPERM ? -EBUSY : r;
}

static int set_options(struct pf_nflog *nflog, const struct pf_nflog_options *options)
{
	char buffer[512];
	struct nlmsghdr *header = nflog_nlmsg_put_header(buffer, NFULNL_MSG_CONFIG, AF_UNSPEC,
							 nflog->group);

	if (nflog_attr_put_cfg_mode(header, NFULNL_COPY_PACKET, options->copy_bytes) < 0)
		return -ENOMEM;
	mnl_attr_put_u32(header, NFULA_CFG_NLBUFSIZ, htonl(options->kernel_buffer));
	mnl_attr_put_u32(header, NFULA_CFG_TIMEOUT, htonl(options->flush_centiseconds));
	mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(options->queue_threshold));
	mnl_attr_put_u16(header, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	return configure(nflog, header);
}

int pf_nflog_set_queue_threshold(struct pf_nflog *nflog, uint32_t queue_threshold)
{
	char buffer[256];
	struct nlmsghdr *header = nflog_nlmsg_put_header(buffer, NFULNL_MSG_CONFIG, AF_UNSPEC,
							 nflog->group);

	mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(queue_threshold));
	return configure(nflog, header);
}

static int open_socket(struct pf_nflog *nflog, uint32_t socket_buffer)
{
	int size = (int)socket_buffer;

	nflog->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nflog->socket || mnl_socket_bind(nflog->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(nflog->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) < 0)
		return -errno; /* EPERM: no CAP_NET_ADMIN, and binding would fail the same way */
	return 0;
}

int pf_nflog_open(const struct pf_nflog_options *options, struct pf_nflog **ret_nflog)
{
	struct pf_nflog *nflog = calloc(1, sizeof(*nflog));
	int r = -ENOMEM;

	if (nflog)
		nflog->datagram = malloc(DATAGRAM_MAX);
	if (nflog && nflog->datagram) {
		nflog->group = options->group;
		r = open_socket(nflog, options->socket_buffer);
	}
	if (!r)
		r = bind_group(nflog);
	if (!r)
		r = set_options(nflog, options);
	if (r < 0) {
		pf_nflog_free(nflog);
		return r;
	}
	*ret_nflog = nflog;
	return 0;
}

struct pf_nflog *pf_nflog_free(struct pf_nflog *nflog)
{
	if (!nflog)
		return NULL;
	if (nflog->socket)
		mnl_socket_close(nflog->socket);
	free(nflog->datagram);
	free(nflog);
	return NULL;
}

int pf_nflog_fd(const struct pf_nflog *nflog)
{
	return mnl_socket_get_fd(nflog->socket);
}

struct pf_nflog_counts pf_nflog_counts(const struct pf_nflog *nflog)
{
	return nflog->counts;
}

static void note_sequence(struct pf_nflog *nflog, const struct pf_nflog_record *record)
{
	if (!record->has_sequence)
		return;
	if (nflog->has_expected)
		nflog->counts.lost += record->sequence - nflog->expected; /* wraps as u32 */
	nflog->has_expected = true;
	nflog->expected = record->sequence + 1;
}

/* Hands out one datagram, which may hold some hundred messages; the number of records. */
static unsigned deliver(struct pf_nflog *nflog, int length, pf_nflog_fn fn, void *userdata)
{
	unsigned n = 0;

	for (const struct nlmsghdr *message = (const void *)nflog->datagram;
	     mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
		struct pf_nflog_record record;
		int r = pf_nflog_record_parse(message, message->nlmsg_len, &record);
		if (r == PF_NFLOG_E_MALFORMED)
			nflog->counts.malformed++;
		if (r != 0)
			continue;
		note_sequence(nflog, &record);
		nflog->counts.received++;
		n++;
		fn(&record, userdata);
	}
	return n;
}

int pf_nflog_dispatch(struct pf_nflog *nflog, unsigned limit, pf_nflog_fn fn, void *userdata)
{
	unsigned n = 0;

	while (n < limit) {
		ssize_t length = recv(mnl_socket_get_fd(nflog->socket), nflog->datagram,
				      DATAGRAM_MAX, MSG_DONTWAIT);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == ENOBUFS) {
			nflog->counts.overruns++;
			continue;
		}
		if (length < 0 && errno == EAGAIN)
			break;
		if (length < 0)
			return -errno;
		n += deliver(nflog, (int)length, fn, userdata);
	}
	return (int)n;
}
