/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

struct gate;

/* Whose connections end. */
struct kill_target {
	uint64_t netns;	 /* of a pod: inode number of its network namespace; 0: our own, then */
	pid_t pid;	 /* a process in it */
	uint64_t cgroup; /* only sockets that were made in this cgroup or below it */
	const char *cgroup_root; /* as in node_options */
};

/* Ends TCP connections and connected UDP sockets (SOCK_DESTROY of linux/inet_diag.h, kernel 4.5 with
 * CONFIG_INET_DIAG_DESTROY): the process gets ECONNABORTED at once instead of waiting. Listeners and
 * unconnected sockets stay. Needs CAP_NET_ADMIN. ret_n: how many ended, also where it fails.
 * -EOPNOTSUPP: this kernel cannot; -EPERM: there is no gate; -ESRCH: the namespace is gone. */
PF_MUST_CHECK int kill_sockets(struct gate *gate, const struct kill_target *target, size_t *ret_n);
