/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>
#include <podfence/packet.h>

#include "culprit/process.h"
#include "node/cgroup_path.h"

/* Of the clocks; a start is told up to a tick early, never late. */
#define CULPRIT_START_SLACK_USEC 2000u

/* Which process and container sent a packet: asked of the kernel while the socket is still there. */

enum culprit_socket {
	CULPRIT_SOCKET_UNASKED, /* nothing to ask for; culprit.why says why */
	CULPRIT_SOCKET_GONE,	/* there is none (any more) */
	CULPRIT_SOCKET_EXACT,	/* by both ends, or by the echo identifier */
	CULPRIT_SOCKET_BY_PORT, /* the only one that is bound to the local port */
	CULPRIT_SOCKET_BY_PROTOCOL, /* raw, packet: the only one of the namespace that can have sent it */
	CULPRIT_SOCKET_AMBIGUOUS, /* several that the packet does not tell apart */
};

enum culprit_holder {
	CULPRIT_HOLDER_NONE,   /* not looked for, or not found: culprit.why says why */
	CULPRIT_HOLDER_SOLE,   /* one process has the socket open, and no other */
	CULPRIT_HOLDER_FIRST,  /* one, and there was no time to look at all files of the others */
	CULPRIT_HOLDER_SHARED, /* several; `process` says what they have in common, and no pid */
};

struct culprit {
	enum culprit_socket socket;
	enum culprit_holder holder;
	const char *why; /* what is missing and why; "": nothing; static text */
	size_t n_holders;
	uint64_t
		first_start_usec; /* CLOCK_REALTIME when the process began, of several the one looked at first */
	bool has_user; /* of the socket */
	uint32_t user;
	/* Whom its socket is connected to, where that is not the packet's destination; family 0: nobody else.
	 * Of a stream: what was meant before the destination was translated. */
	struct pf_address peer;
	uint16_t peer_port;
	/* The container of the process or, where that is not known, of whoever made the socket; kind is
	 * CGROUP_CONTAINER, or else nothing is known. */
	struct cgroup_name container;
	bool is_inherited; /* made in another cgroup than the process is in */
	bool is_outside;   /* the process is not the endpoint's, though it used its network */
	/* Of a frame: that of the processes found, below the cgroup root; NULL: not known, or several. Until the next
	 * question. */
	const char *cgroup;
	struct process_facts process; /* last (keep.c) */
};

/* One line on how sure it is: "exact", "by-port", "by-protocol", "by-uid: ...", "none: ..." and, in brackets,
 * what is to be said besides. Pure; static text. */
#define CULPRIT_TEXT_MAX 160
const char *culprit_attribution(const struct culprit *culprit,
				char buffer[static CULPRIT_TEXT_MAX]);

/* The first container on the way down; kind is CGROUP_OTHER where there is none. Pure. */
void culprit_container(const char *cgroup_path, struct cgroup_name *ret_container);
/* What all of them have in common, into the first. Pure. */
void culprit_common(struct process_facts *process, const struct process_facts *other);

struct culprit_query {
	const struct pf_packet *packet;
	uint64_t netns;		   /* inode number of the sender's network namespace; 0: our own */
	pid_t pid;		   /* a process in it, with netns */
	uint32_t device;	   /* ifindex in that namespace by which it left; 0: not known */
	const char *endpoint_path; /* of its cgroup, below the cgroup root; "": not known */
	bool has_user;		   /* of the socket, where the kernel told */
	uint32_t user;
	uint64_t time_usec; /* CLOCK_REALTIME of the packet; who started later did not send it */
	/* Packets of one batch had all been sent when the first question about one of them is asked; 0: nothing is
	 * known of others. What is found for one holds for those by the same socket, so they are not asked for again. */
	uint64_t batch;
	const struct culprit_frame *frame; /* NULL: no frame of a packet socket */
};

/* A frame is not an endpoint's before its process is known. */
struct culprit_frame {
	const char *const *paths; /* of the cgroups to look into first */
	size_t n_paths;
	bool has_ways_in; /* devices of other namespaces lead to this one's: it may be from there */
};

struct gate;

struct culprit_options {
	const char *cgroup_root; /* as in node_options */
	size_t arguments_limit;	 /* bytes; 0: none */
	struct gate *gate;	 /* outlives it; NULL: sockets of our own namespace only */
};

struct culprit_counts {
	uint64_t asked;
	uint64_t named;	  /* a process */
	uint64_t skipped; /* there was no time for them */
};

struct culprits; /* the open handles: /proc, cgroup root, sockets in network namespaces */

PF_MUST_CHECK int culprits_new(const struct culprit_options *options,
			       struct culprits **ret_culprits);
struct culprits *culprits_free(struct culprits *culprits);

/* Takes a few milliseconds at most, ten more where a namespace is entered for the first time on a busy machine; asked too often it answers that it was. Borrowed until the
 * next question. */
const struct culprit *culprits_ask(struct culprits *culprits, const struct culprit_query *query);

/* To be called every few seconds while frames are judged: notes how long those have run who have packet sockets open. */
void culprits_note_rest(struct culprits *culprits);

/* Lets go of all network namespaces but these, which are those of live sandboxes. */
void culprits_keep(struct culprits *culprits, const uint64_t *netnses, size_t n);
struct culprit_counts culprits_counts(const struct culprits *culprits);
