/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A bound NFLOG group on a netlink socket of its own. Nothing is bound or unbound per protocol
 * family (NFULNL_CFG_CMD_PF_*): that acts on the whole network namespace and disturbs every other
 * user.
 *
 * The kernel numbers what it logs per group (NFULNL_CFG_F_SEQ), from 0, so a gap tells how many
 * messages were lost before one that arrived. What is lost after the last one is invisible here;
 * the rule's counter knows it. An overrun of the receive buffer (ENOBUFS) is reported by the kernel
 * once and then the socket takes nothing more until it was read empty.
 *
 * Only the socket that bound a group may configure it, and the answer stands in the same queue as
 * the records, behind those that wait. They are kept for the next dispatch. Bind and options go in
 * one message: between two, the kernel would log with its own defaults and without numbers.
 *
 * Whoever has CAP_NET_ADMIN in this network namespace, a host pod for instance, can send to this
 * socket; only what comes from the kernel (port 0) is believed. */
#include <podfence/nflog.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#define DATAGRAM_MAX (256u << 10) /* nlbufsiz is at most 128 KiB (nfnetlink_log.c) */
#define AHEAD_MAX    (64u << 10)  /* no further one is read once so much waits to be handed out */
#define READ_MAX     128

/* An answer finds no room in a full receive buffer. Waiting for it empties the buffer. */
#define TRIES_MAX 3

/* A datagram that came before an answer. */
struct datagram {
	struct datagram *next;
	size_t length;
	char bytes[];
};

struct pf_nflog {
	struct mnl_socket *socket;
	uint16_t group;
	uint32_t request;  /* sequence of the last configuration message */
	uint32_t expected; /* sequence number the next record should have */
	uint64_t batch;	   /* number of the last one that was handed out */
	struct pf_nflog_counts counts;
	struct datagram *kept, **kept_end;
	char *datagrams;
};

/* One datagram from the kernel, or a negative errno; 0 where somebody else sent it. */
static ssize_t receive(struct pf_nflog *nflog, char *bytes, size_t size)
{
	for (;;) {
		struct sockaddr_nl sender = {};
		socklen_t sender_length = sizeof(sender);
		ssize_t n = recvfrom(mnl_socket_get_fd(nflog->socket), bytes, size, MSG_DONTWAIT,
				     (struct sockaddr *)&sender, &sender_length);
		if (n >= 0 && sender.nl_pid == 0)
			return n;
		if (n >= 0) {
			nflog->counts.malformed++;
			return 0;
		}
		if (errno == ENOBUFS)
			nflog->counts.overruns++;
		else if (errno != EINTR)
			return -errno;
	}
}

static void keep(struct pf_nflog *nflog, struct datagram *datagram)
{
	struct datagram *exact = realloc(datagram, sizeof(*datagram) + datagram->length);

	if (exact)
		datagram = exact;
	datagram->next = NULL;
	*nflog->kept_end = datagram;
	nflog->kept_end = &datagram->next;
}

static struct datagram *take_kept(struct pf_nflog *nflog)
{
	struct datagram *datagram = nflog->kept;

	if (datagram)
		nflog->kept = datagram->next;
	if (!nflog->kept)
		nflog->kept_end = &nflog->kept;
	return datagram;
}

static const struct nlmsgerr *find_answer(const struct pf_nflog *nflog,
					  const struct datagram *datagram)
{
	const struct nlmsghdr *reply = (const void *)datagram->bytes;

	if (!mnl_nlmsg_ok(reply, (int)datagram->length) || reply->nlmsg_type != NLMSG_ERROR ||
	    reply->nlmsg_seq != nflog->request ||
	    mnl_nlmsg_get_payload_len(reply) < sizeof(struct nlmsgerr))
		return NULL;
	return mnl_nlmsg_get_payload(reply);
}

/* The kernel has answered when sendto() returns. -EAGAIN: everything was read and no answer was
 * there, so it found no room. */
static int read_answer(struct pf_nflog *nflog)
{
	for (;;) {
		struct datagram *datagram = malloc(sizeof(*datagram) + DATAGRAM_MAX);
		if (!datagram)
			return -ENOMEM;
		ssize_t n = receive(nflog, datagram->bytes, DATAGRAM_MAX);
		datagram->length = n > 0 ? (size_t)n : 0;
		const struct nlmsgerr *answer = find_answer(nflog, datagram);
		if (n > 0 && !answer) {
			keep(nflog, datagram);
			continue;
		}
		int error = answer ? answer->error : (int)n;
		free(datagram);
		if (n != 0)
			return error;
	}
}

/* What is kept does not make the descriptor readable; the answer to a message that asks for nothing
 * does. */
static void wake(struct pf_nflog *nflog)
{
	char buffer[MNL_ALIGN(sizeof(struct nlmsghdr))];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = NLMSG_NOOP;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	(void)mnl_socket_sendto(nflog->socket, header, header->nlmsg_len);
}

/* Sends one configuration message and waits for its answer. */
static int configure(struct pf_nflog *nflog, struct nlmsghdr *header)
{
	header->nlmsg_flags |= NLM_F_ACK;
	header->nlmsg_seq = ++nflog->request;
	if (mnl_socket_sendto(nflog->socket, header, header->nlmsg_len) < 0)
		return -errno;
	int r = read_answer(nflog);
	if (nflog->kept)
		wake(nflog);
	return r;
}

static int bind_group(struct pf_nflog *nflog, const struct pf_nflog_options *options)
{
	char buffer[512];
	struct nlmsghdr *header = nflog_nlmsg_put_header(buffer, NFULNL_MSG_CONFIG, AF_UNSPEC,
							 nflog->group);

	if (nflog_attr_put_cfg_cmd(header, NFULNL_CFG_CMD_BIND) < 0 ||
	    nflog_attr_put_cfg_mode(header, NFULNL_COPY_PACKET, options->copy_bytes) < 0)
		return -ENOMEM;
	mnl_attr_put_u32(header, NFULA_CFG_NLBUFSIZ, htonl(options->kernel_buffer));
	mnl_attr_put_u32(header, NFULA_CFG_TIMEOUT, htonl(options->flush_centiseconds));
	mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(options->queue_threshold));
	mnl_attr_put_u16(header, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	int r = configure(nflog, header);
	/* A group of another socket answers EPERM (nfulnl_recv_config). */
	return r == -EPERM ? -EBUSY : r;
}

int pf_nflog_set_queue_threshold(struct pf_nflog *nflog, uint32_t queue_threshold)
{
	char buffer[256];
	int r = -EAGAIN;

	for (unsigned i = 0; i < TRIES_MAX && r == -EAGAIN; i++) {
		struct nlmsghdr *header = nflog_nlmsg_put_header(buffer, NFULNL_MSG_CONFIG,
								 AF_UNSPEC, nflog->group);
		mnl_attr_put_u32(header, NFULA_CFG_QTHRESH, htonl(queue_threshold));
		r = configure(nflog, header);
	}
	return r;
}

/* The kernel sends what it has collected before it answers (nf_log's instance_destroy()). */
int pf_nflog_unbind(struct pf_nflog *nflog)
{
	char buffer[256];
	struct nlmsghdr *header = nflog_nlmsg_put_header(buffer, NFULNL_MSG_CONFIG, AF_UNSPEC,
							 nflog->group);

	if (nflog_attr_put_cfg_cmd(header, NFULNL_CFG_CMD_UNBIND) < 0)
		return -ENOMEM;
	return configure(nflog, header);
}

static int open_socket(struct pf_nflog *nflog, uint32_t socket_buffer)
{
	int size = socket_buffer < INT_MAX / 2 ? (int)socket_buffer : INT_MAX / 2;

	nflog->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nflog->socket || mnl_socket_bind(nflog->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(nflog->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) < 0)
		return -errno; /* EPERM: no CAP_NET_ADMIN */
	return 0;
}

/* Where the numbers of batches begin: behind those of groups that were bound before. */
static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int pf_nflog_open(const struct pf_nflog_options *options, struct pf_nflog **ret_nflog)
{
	struct pf_nflog *nflog = calloc(1, sizeof(*nflog));
	int r = -ENOMEM;

	if (nflog)
		nflog->datagrams = malloc(AHEAD_MAX + DATAGRAM_MAX + NLMSG_ALIGNTO);
	if (nflog && nflog->datagrams) {
		nflog->group = options->group;
		nflog->kept_end = &nflog->kept;
		nflog->batch = now_nsec();
		r = open_socket(nflog, options->socket_buffer);
	}
	if (!r)
		r = bind_group(nflog, options);
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
	while (nflog->kept)
		free(take_kept(nflog));
	free(nflog->datagrams);
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
	nflog->counts.lost += record->sequence - nflog->expected; /* wraps as u32 */
	nflog->expected = record->sequence + 1;
}

/* Hands out one datagram, which may hold some hundred messages; the number of records. */
static unsigned deliver(struct pf_nflog *nflog, const char *bytes, size_t size, pf_nflog_fn fn,
			void *userdata)
{
	unsigned n = 0;
	int length = (int)size;

	for (const struct nlmsghdr *message = (const void *)bytes; mnl_nlmsg_ok(message, length);
	     message = mnl_nlmsg_next(message, &length)) {
		struct pf_nflog_record record;
		int r = pf_nflog_record_parse(message, message->nlmsg_len, &record);
		if (r == PF_NFLOG_E_MALFORMED)
			nflog->counts.malformed++;
		if (r != 0)
			continue;
		note_sequence(nflog, &record);
		nflog->counts.received++;
		record.batch = nflog->batch;
		n++;
		fn(&record, userdata);
	}
	return n;
}

/* Datagrams that were read and not handed out yet. */
struct reading {
	size_t lengths[READ_MAX];
	unsigned n;
	int error; /* of the read that ended it; 0: there may be more */
};

/* All that is there is read before any of it is handed out, as far as there is room: who hears of one record may
 * then believe that the others had been sent as well. */
static void read_ahead(struct pf_nflog *nflog, unsigned limit, struct reading *reading)
{
	size_t used = 0;

	*reading = (struct reading){};
	while (reading->n < limit && reading->n < READ_MAX && used <= AHEAD_MAX) {
		ssize_t length = receive(nflog, nflog->datagrams + used, DATAGRAM_MAX);
		if (length < 0) {
			reading->error = (int)length;
			return;
		}
		reading->lengths[reading->n++] = (size_t)length;
		used += NLMSG_ALIGN((size_t)length);
	}
}

static unsigned deliver_all(struct pf_nflog *nflog, const struct reading *reading, pf_nflog_fn fn,
			    void *userdata)
{
	const char *bytes = nflog->datagrams;
	unsigned n = 0;

	nflog->batch++;
	for (unsigned i = 0; i < reading->n; i++) {
		n += deliver(nflog, bytes, reading->lengths[i], fn, userdata);
		bytes += NLMSG_ALIGN(reading->lengths[i]);
	}
	return n;
}

int pf_nflog_dispatch(struct pf_nflog *nflog, unsigned limit, pf_nflog_fn fn, void *userdata)
{
	struct reading reading = {};
	struct datagram *kept;
	unsigned n = 0;

	/* A datagram without a record counts too, so that nobody's flood of them holds us here. */
	for (unsigned i = 0; i < limit && n < limit && !reading.error;) {
		kept = take_kept(nflog);
		if (kept) {
			nflog->batch++;
			n += deliver(nflog, kept->bytes, kept->length, fn, userdata);
			free(kept);
			i++;
			continue;
		}
		read_ahead(nflog, limit - i, &reading);
		n += deliver_all(nflog, &reading, fn, userdata);
		i += reading.n;
	}
	return reading.error && reading.error != -EAGAIN ? reading.error : (int)n;
}
