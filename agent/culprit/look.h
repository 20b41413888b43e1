/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <linux/limits.h>

#include "culprit/culprit.h"
#include "culprit/holder.h"
#include "culprit/sock_diag.h"
#include "culprit/socket.h"
#include "node/cgroup_tree.h"

/* What a look-up works with; internal to this folder. */

#define SOCKETS_MAX 64
#define PIDS_MAX    1024
#define TABLE_MAX   65536

struct culprits {
	struct process_reader reader;
	struct cgroup_tree tree;
	char root[PATH_MAX]; /* of the tree, as /proc/self/fd shows it */
	struct sock_diags diags;
	struct holder_hints hints;
	struct culprit_counts counts;
	int64_t credit_usec;
	uint64_t credited_usec; /* CLOCK_MONOTONIC */
	struct culprit culprit;
	struct process_facts other;
	pid_t pids[PIDS_MAX];
	char table[TABLE_MAX + 1];
};

/* One question on its way. */
struct look {
	struct culprits *culprits;
	const struct culprit_query *query;
	struct wanted_socket wanted;
	struct culprit *culprit;
	struct socket_facts sockets[SOCKETS_MAX];
	size_t n_sockets;
	uint64_t begun_usec;
};

/* Nothing more is known, because. */
void look_give_up(struct look *look, const char *why);

/* look_socket.c: sets culprit.socket; the sockets that can have sent it are `sockets`. */
void look_find_sockets(struct look *look);

/* look_process.c: of one socket its process, of several what they have in common. */
void look_find_process(struct look *look);
