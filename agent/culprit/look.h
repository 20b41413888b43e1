/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <linux/limits.h>

#include "culprit/culprit.h"
#include "culprit/holder.h"
#include "culprit/place.h"
#include "culprit/sock_diag.h"
#include "culprit/socket.h"
#include "node/cgroup_tree.h"

/* What a look-up works with; internal to this folder. */

#define SOCKETS_MAX 64
#define PIDS_MAX    1024
#define TABLE_MAX   65536
#define ANSWERS_MAX 4

/* What was found, and for whom it holds. */
struct answer {
	uint64_t batch; /* 0: for nobody else */
	uint64_t netns;
	const char *endpoint_path; /* of the question; compared, not read */
	uint32_t device;
	uint8_t protocol;
	bool is_frame;
	struct socket_facts socket;
	char cgroup[PATH_MAX]; /* what culprit.cgroup is, where it is set */
	struct culprit culprit;
};

/* How long a process that has a packet socket open had run when it was noted. */
#define RESTS_MAX 8

struct rest {
	uint64_t inode; /* of the socket */
	pid_t pid;
	uint64_t runtime_nsec;
	uint64_t noted_usec; /* CLOCK_REALTIME */
};

struct rests {
	struct rest kept[RESTS_MAX];
	size_t n;
};

struct culprits {
	struct process_reader reader;
	struct cgroup_tree tree;
	char root[PATH_MAX]; /* of the tree, as /proc/self/fd shows it */
	struct sock_diags diags;
	struct holder_hints hints;
	struct culprit_counts counts;
	int64_t credit_usec;
	uint64_t credited_usec; /* CLOCK_MONOTONIC */
	struct answer answers[ANSWERS_MAX];
	size_t next_answer;
	struct places places;
	struct known_processes known;
	struct rests rests;
	pid_t pids[PIDS_MAX];
	char table[TABLE_MAX + 1];
};

/* One question on its way. */
struct look {
	struct culprits *culprits;
	const struct culprit_query *query;
	struct wanted_socket wanted;
	struct culprit *culprit;
	char *cgroup; /* of the answer */
	struct socket_facts sockets[SOCKETS_MAX];
	size_t n_sockets;
	bool is_alone; /* no other socket of the protocol is bound to the port, whoever is sent to */
	uint64_t begun_usec;
};

/* Nothing more is known, because. */
void look_give_up(struct look *look, const char *why);

/* look_socket.c: sets culprit.socket; the sockets that can have sent it are `sockets`. */
void look_find_sockets(struct look *look);

/* Whether the packet can be this socket's; and the same as above where it is, and no other has its port. */
bool look_is_from(struct look *look, const struct socket_facts *socket);
void look_at_socket(struct look *look, const struct socket_facts *socket);

/* look_process.c: of one socket its process, of several what they have in common. */
void look_find_process(struct look *look);
/* The one process that has the packet socket open; 0: not found, or several have. */
pid_t look_frame_holder(struct culprits *culprits, uint64_t inode);

/* rest.c: whether this process has not run since before the frame, so that it did not send it. */
bool look_has_rested(const struct look *look, pid_t pid);
