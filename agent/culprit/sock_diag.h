/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

#include "culprit/gate.h"
#include "culprit/socket.h"

/* Questions about the sockets of one network namespace, answered before the call returns. */
struct sock_diag;

/* netns: a descriptor of the namespace, which stays the caller's; -1: this process's own, which needs no gate.
 * gate NULL: -EPERM. While it is open the namespace, and every device in it, lives on. */
PF_MUST_CHECK int sock_diag_open(struct gate *gate, int netns, struct sock_diag **ret_diag);
struct sock_diag *sock_diag_free(struct sock_diag *diag);

/* The TCP socket with these two ends, or a listener where there is none. `device`: the ifindex inside the
 * namespace by which the packet left, for sockets that are bound to it; 0: not known. -ENOENT: no such
 * socket; else the kernel's errno. */
PF_MUST_CHECK int sock_diag_find(struct sock_diag *diag, const struct wanted_socket *wanted,
				 uint32_t device, struct socket_facts *ret_socket);

/* Sockets of the protocol that are bound to the local port, whatever they are connected to, in one of these states
 * (bits, by SOCKET_...). *ret_n may be more than `capacity`, of which the rest is not in `sockets`. The kernel goes through
 * its whole table. */
#define SOCK_DIAG_ALL 0xffffffffu
PF_MUST_CHECK int sock_diag_list(struct sock_diag *diag, const struct wanted_socket *wanted,
				 uint32_t states, struct socket_facts *sockets, size_t capacity,
				 size_t *ret_n);

/* The packet sockets of the namespace. *ret_n as above; -ENOENT: this kernel does not tell of them. */
PF_MUST_CHECK int sock_diag_list_packet(struct sock_diag *diag, struct socket_facts *sockets,
					size_t capacity, size_t *ret_n);

/* What is kept open, by the inode number of the namespace: the SOCK_DIAGS_MAX that were used last. */
#define SOCK_DIAGS_MAX 64

struct sock_diags {
	struct {
		uint64_t netns; /* 0: free */
		uint64_t used;
		struct sock_diag *diag;
	} kept[SOCK_DIAGS_MAX];
	uint64_t uses;
	struct gate *gate; /* not owned; NULL: none but our own */
};

/* Of the namespace with this inode number, in which process `pid` is; netns 0: our own. -ESRCH: the process is
 * gone, or somebody else. */
PF_MUST_CHECK int sock_diags_get(struct sock_diags *diags, uint64_t netns, pid_t pid,
				 struct sock_diag **ret_diag);
/* Closes those whose namespace is not among these, our own excepted: a sandbox that ended can go. */
void sock_diags_keep(struct sock_diags *diags, const uint64_t *netnses, size_t n);
void sock_diags_drop(struct sock_diags *diags, uint64_t netns);
void sock_diags_done(struct sock_diags *diags);
