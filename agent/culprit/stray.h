/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

/* Sockets of this network namespace that a process of an endpoint has open, but that were made outside of
 * everything that is judged: the rules ask for the cgroup a socket was made in, so what they send is not
 * judged. Looked for in small pieces, and after the first search only at endpoints that have run since the one before. */
struct strays; /* one search after the other */

#define STRAY_MAKER_MAX 128

/* One socket of an endpoint, of however many it has. */
struct stray {
	uint64_t endpoint; /* its cgroup */
	pid_t pid;	   /* who has the socket open */
	char maker
		[STRAY_MAKER_MAX]; /* path of the cgroup it was made in, cut where it is longer; "": gone */
};

/* cgroup_root: as in node_options. */
PF_MUST_CHECK int strays_new(const char *cgroup_root, struct strays **ret_strays);
struct strays *strays_free(struct strays *strays);

/* Begins a search; one that is going on is given up. endpoints: ids of their cgroups. judged: paths below the
 * cgroup root, without a leading slash, below which sockets are judged. Copies what it is given. -ENOMEM, or the errno
 * of the socket of NETLINK_SOCK_DIAG. */
PF_MUST_CHECK int strays_begin(struct strays *strays, const uint64_t *endpoints, size_t n_endpoints,
			       const char *const *judged, size_t n_judged);
bool strays_is_busy(const struct strays *strays);

/* Goes on for about that long, and at least one piece. STRAYS_DONE: that was the last; strays_found() has
 * what there is. 0: there is more to do; -ENOMEM. */
#define STRAYS_DONE 1
PF_MUST_CHECK int strays_step(struct strays *strays, uint64_t usec);

/* What the search found: at most one of each endpoint, in their order. Until the next begins. */
const struct stray *strays_found(const struct strays *strays, size_t *ret_n);
