/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <sys/types.h>

#include <podfence/attributes.h>
#include <podfence/nft.h>

#include "inventory/snapshot.h"

/* A process of an endpoint has a socket open that was made outside of everything that is judged. */
struct detour_socket {
	uint64_t cgroup; /* of the endpoint */
	pid_t pid;
	char maker[128]; /* path of the cgroup it was made in; "": not known any more */
};

/* Ways for packets past our hooks that neither link nor cgroup shows, as they were read last. */
struct detours {
	struct pf_flow_device *devices; /* of flowtables */
	size_t n_devices;
	char *ipvs; /* an IPVS service that leads out, a sentence without its end; NULL: none */
	struct detour_socket *sockets; /* at most one of an endpoint */
	size_t n_sockets;
};

void detours_done(struct detours *detours);
bool detours_is_equal(const struct detours *a, const struct detours *b);
bool detour_sockets_are_equal(const struct detour_socket *a, size_t n_a,
			      const struct detour_socket *b, size_t n_b);

/* Says of an endpoint that was found that it is not covered, where packets of it may leave without having been
 * judged: by a BPF program on its link, a flowtable, an IPVS service, a socket that was made elsewhere. What is
 * judged of it stays judged. detours: NULL where they are not known. Pure. 0 or -ENOMEM. */
PF_MUST_CHECK int detours_judge(struct endpoint *endpoint, const struct node_view *view,
				const struct detours *detours);
