/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whether a BPF program sends packets on past the stack cannot be seen from outside, only that it could;
 * so one that merely watches makes an endpoint uncovered too. A flowtable takes over established flows
 * only: what began is judged, what a changed policy would stop goes on. IPVS takes a packet to an address
 * of this node in input, rewrites it and sends it in output without a socket, so neither forward nor the
 * cgroup of a socket is there to be asked; this holds for every endpoint. The cgroup of a socket is that of its
 * maker, wherever it is handed on. */
#include "inventory/detours.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/resolve.h"

void detours_done(struct detours *detours)
{
	free(detours->devices);
	free(detours->ipvs);
	free(detours->sockets);
	*detours = (struct detours){};
}

bool detour_sockets_are_equal(const struct detour_socket *a, size_t n_a,
			      const struct detour_socket *b, size_t n_b)
{
	bool are_equal = n_a == n_b;

	for (size_t i = 0; i < n_a && are_equal; i++)
		are_equal = a[i].cgroup == b[i].cgroup && a[i].pid == b[i].pid &&
			    !strcmp(a[i].maker, b[i].maker);
	return are_equal;
}

bool detours_is_equal(const struct detours *a, const struct detours *b)
{
	if (a->n_devices != b->n_devices || !a->ipvs != !b->ipvs ||
	    (a->ipvs && strcmp(a->ipvs, b->ipvs) != 0) ||
	    !detour_sockets_are_equal(a->sockets, a->n_sockets, b->sockets, b->n_sockets))
		return false;
	for (size_t i = 0; i < a->n_devices; i++)
		if (strcmp(a->devices[i].device, b->devices[i].device) != 0 ||
		    strcmp(a->devices[i].flowtable, b->devices[i].flowtable) != 0)
			return false;
	return true;
}

static int judge_link(struct endpoint *endpoint, const struct node_link *link,
		      const struct detours *detours)
{
	if (link->program)
		return endpoint_uncover(endpoint,
					"a BPF program (%s) on %s may send its packets on past "
					"the rules",
					link_program_name(link->program), link->name);
	for (size_t i = 0; detours && i < detours->n_devices; i++)
		if (!strcmp(detours->devices[i].device, link->name))
			return endpoint_uncover(endpoint,
						"flowtable %s takes its established flows by %s "
						"past the rules",
						detours->devices[i].flowtable, link->name);
	return 0;
}

static int judge_index(struct endpoint *endpoint, const struct node_view *view, uint32_t index,
		       const struct detours *detours)
{
	const struct node_link *link = index ? node_view_link(view, index) : NULL;

	return link ? judge_link(endpoint, link, detours) : 0;
}

static bool is_covered(const struct endpoint *endpoint)
{
	return endpoint->coverage == COVERAGE_ENFORCED || endpoint->coverage == COVERAGE_AUDIT;
}

/* What it sends by that socket meets the rules of the cgroup it was made in, or none. */
static int judge_sockets(struct endpoint *endpoint, const struct detours *detours)
{
	for (size_t i = 0; detours && i < detours->n_sockets; i++) {
		const struct detour_socket *socket = &detours->sockets[i];
		if (!endpoint->cgroup || socket->cgroup != endpoint->cgroup)
			continue;
		return endpoint_uncover(endpoint,
					"process %d has a socket open that was made in %s, outside "
					"of what is judged",
					(int)socket->pid,
					socket->maker[0] ? socket->maker : "a cgroup that is gone");
	}
	return 0;
}

int detours_judge(struct endpoint *endpoint, const struct node_view *view,
		  const struct detours *detours)
{
	int r = 0;

	if (is_covered(endpoint) && detours && detours->ipvs)
		r = endpoint_uncover(endpoint, "%s", detours->ipvs);
	if (r == 0 && is_covered(endpoint))
		r = judge_sockets(endpoint, detours);
	for (size_t i = 0; i < endpoint->n_attachments && r == 0 && is_covered(endpoint); i++) {
		const struct attachment *attachment = &endpoint->attachments[i];
		r = judge_index(endpoint, view, attachment->port, detours);
		if (r == 0 && is_covered(endpoint))
			r = judge_index(endpoint, view, attachment->link, detours);
	}
	return r;
}
