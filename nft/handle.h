/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <libmnl/libmnl.h>
#include <podfence/nft.h>

/* The socket, for the files that talk over it. */
struct pf_nft {
	struct mnl_socket *socket;
	uint32_t port;
	uint32_t sequence; /* of the next message */
	size_t send_buffer;
	char *receive;
};

#define NFT_RECEIVE_MAX (256u << 10)

/* Sends one dump or get request and runs fn for every answer. -EINTR: the dump was interrupted. */
PF_MUST_CHECK int nft_request(struct pf_nft *nft, struct nlmsghdr *header, mnl_cb_t fn, void *data);
