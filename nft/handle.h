/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>

#include <libmnl/libmnl.h>
#include <podfence/nft.h>

/* The socket, for the files that talk over it. */
struct pf_nft {
	struct mnl_socket *socket;
	uint32_t port;
	uint32_t sequence; /* of the next message */
	size_t send_buffer;
	char *receive;
	uint32_t table_flags; /* of tables it makes (owner.c) */
};

#define NFT_RECEIVE_MAX (256u << 10)

/* Sends one dump or get request and runs fn for every answer. -EINTR: the dump was interrupted. */
PF_MUST_CHECK int nft_request(struct pf_nft *nft, struct nlmsghdr *header, mnl_cb_t fn, void *data);

/* pf_nft_commit(), pf_nft_check(), with flags of the tables that are made or, where they are there
 * already, changed. */
PF_MUST_CHECK int nft_exchange(struct pf_nft *nft, const struct pf_plan *plan, uint32_t table_flags,
			       bool commits, struct pf_nft_errors *errors);
