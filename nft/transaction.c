/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One transaction over one socket: send all, then hear everything the kernel has to say.
 *
 * The kernel works the batch off inside sendmsg() and its answers wait in our receive buffer when
 * that returns (nfnetlink_rcv_batch()), so nothing here waits. Every failed message answers with
 * its own sequence number, which leads back to the step and thereby to the object; the first
 * failure does not hide the others. Success is the one acknowledgement we asked for and no error: a
 * batch without its end message is acknowledged as well and changes nothing, which is what
 * pf_nft_check() uses. */
#include <podfence/nft.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "handle.h"
#include "internal.h"

int pf_nft_open(struct pf_nft **ret_nft)
{
	static const int receive_buffer = 4 << 20, one = 1;
	struct pf_nft *nft = calloc(1, sizeof(*nft));

	if (!nft)
		return -ENOMEM;
	nft->receive = malloc(NFT_RECEIVE_MAX);
	nft->socket = nft->receive ? mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC) : NULL;
	if (!nft->socket || mnl_socket_bind(nft->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = nft->receive ? -errno : -ENOMEM;
		pf_nft_free(nft);
		return error;
	}
	int fd = mnl_socket_get_fd(nft->socket);
	/* Without CAP_NET_ADMIN the plain limit stays; then the transaction fails with EPERM
	 * anyway. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)) <
		    0 &&
	    errno != EPERM) {
		int error = -errno;
		pf_nft_free(nft);
		return error;
	}
	/* Errors echo the header only, not the whole message (linux 4.3); older kernels echo all.
	 */
	(void)mnl_socket_setsockopt(nft->socket, NETLINK_CAP_ACK, (void *)&one, sizeof(one));
	nft->port = mnl_socket_get_portid(nft->socket);
	nft->sequence = 1;
	*ret_nft = nft;
	return 0;
}

struct pf_nft *pf_nft_free(struct pf_nft *nft)
{
	if (!nft)
		return NULL;
	if (nft->socket)
		mnl_socket_close(nft->socket);
	free(nft->receive);
	free(nft);
	return NULL;
}

/* netlink_sendmsg() refuses (EMSGSIZE) what is larger than the send buffer. */
static int reserve_send_buffer(struct pf_nft *nft, size_t length)
{
	size_t wanted = 2 * length + 4096;

	if (wanted <= nft->send_buffer || wanted < (200u << 10))
		return 0;
	int size = (int)wanted;
	if (setsockopt(mnl_socket_get_fd(nft->socket), SOL_SOCKET, SO_SNDBUFFORCE, &size,
		       sizeof(size)) < 0)
		return -errno;
	nft->send_buffer = wanted;
	return 0;
}

static void error_describe(struct pf_nft_error *error, const struct pf_plan *plan, size_t step)
{
	if (step == SIZE_MAX) {
		strcpy(error->object, "commit");
		return;
	}
	FILE *stream = fmemopen(error->object, sizeof(error->object), "w");
	if (!stream) {
		strcpy(error->object, "(no memory to say which object)");
		return;
	}
	step_print(&plan->steps[step], 3, stream);
	fclose(stream);
	error->object[sizeof(error->object) - 1] = '\0';
}

static size_t step_of_sequence(const struct batch *batch, uint32_t sequence)
{
	for (size_t i = 0; i < batch->n_messages; i++)
		if (batch->messages[i].sequence == sequence)
			return batch->messages[i].step;
	return SIZE_MAX;
}

struct outcome {
	const struct pf_plan *plan;
	const struct batch *batch;
	struct pf_nft_errors *errors;
	bool is_acknowledged;
};

static void hear(struct outcome *outcome, const struct nlmsghdr *header)
{
	if (header->nlmsg_type != NLMSG_ERROR ||
	    mnl_nlmsg_get_payload_len(header) < sizeof(struct nlmsgerr))
		return;
	const struct nlmsgerr *message = mnl_nlmsg_get_payload(header);
	uint32_t first = outcome->batch->messages[0].sequence;
	if (header->nlmsg_seq - first >= outcome->batch->n_messages + 1)
		return; /* of an earlier, failed exchange */
	if (!message->error) {
		outcome->is_acknowledged = true;
		return;
	}
	struct pf_nft_errors *errors = outcome->errors;
	if (errors->n_errors < sizeof(errors->errors) / sizeof(errors->errors[0])) {
		struct pf_nft_error *error = &errors->errors[errors->n_errors];
		error->error = -message->error;
		error_describe(error, outcome->plan,
			       step_of_sequence(outcome->batch, header->nlmsg_seq));
	}
	errors->n_errors++;
}

static int drain(struct pf_nft *nft, struct outcome *outcome)
{
	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(nft->socket), nft->receive, NFT_RECEIVE_MAX,
				 MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		int rest = (int)n;
		for (const struct nlmsghdr *header = (void *)nft->receive;
		     mnl_nlmsg_ok(header, rest); header = mnl_nlmsg_next(header, &rest))
			hear(outcome, header);
	}
}

/* `errors` is empty. */
static int exchange(struct pf_nft *nft, const struct pf_plan *plan, const struct batch *batch,
		    struct pf_nft_errors *errors)
{
	struct outcome outcome = {plan, batch, errors, false};
	int r = reserve_send_buffer(nft, batch->length);

	if (!r && mnl_socket_sendto(nft->socket, batch->bytes, batch->length) < 0)
		r = -errno;
	if (!r)
		r = drain(nft, &outcome);
	if (r < 0)
		return r;
	if (errors->n_errors)
		return -EREMOTEIO;
	return outcome.is_acknowledged ? 0 : -EPROTO;
}

int nft_exchange(struct pf_nft *nft, const struct pf_plan *plan, uint32_t table_flags, bool commits,
		 struct pf_nft_errors *errors)
{
	const struct batch_options options = {nft->sequence, table_flags, commits};
	struct batch batch;

	errors->n_errors = 0;
	if (!plan->n_steps)
		return 0;
	int r = batch_make(plan, &options, &batch);
	if (r < 0)
		return r;
	nft->sequence += (uint32_t)batch.n_messages;
	r = exchange(nft, plan, &batch, errors);
	batch_done(&batch);
	return r;
}

struct pf_nft_ready {
	struct pf_plan *plan;
	struct batch batch;
};

int pf_nft_prepare(struct pf_nft *nft, struct pf_plan *plan, struct pf_nft_ready **ret_ready)
{
	const struct batch_options options = {nft->sequence, nft->table_flags, true};
	struct pf_nft_ready *ready = calloc(1, sizeof(*ready));
	int r = ready ? batch_make(plan, &options, &ready->batch) : -ENOMEM;

	if (r < 0) {
		pf_plan_free(plan);
		free(ready);
		return r;
	}
	nft->sequence += (uint32_t)ready->batch.n_messages;
	batch_trim(&ready->batch);
	ready->plan = plan;
	*ret_ready = ready;
	return 0;
}

int pf_nft_commit_ready(struct pf_nft *nft, const struct pf_nft_ready *ready,
			struct pf_nft_errors *errors)
{
	errors->n_errors = 0;
	return ready->plan->n_steps ? exchange(nft, ready->plan, &ready->batch, errors) : 0;
}

struct pf_nft_ready *pf_nft_ready_free(struct pf_nft_ready *ready)
{
	if (!ready)
		return NULL;
	batch_done(&ready->batch);
	pf_plan_free(ready->plan);
	free(ready);
	return NULL;
}

int pf_nft_commit(struct pf_nft *nft, const struct pf_plan *plan, struct pf_nft_errors *errors)
{
	return nft_exchange(nft, plan, nft->table_flags, true, errors);
}

int pf_nft_check(struct pf_nft *nft, const struct pf_plan *plan, struct pf_nft_errors *errors)
{
	return nft_exchange(nft, plan, nft->table_flags, false, errors);
}
