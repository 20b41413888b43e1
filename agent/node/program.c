/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * tc tells by rtnetlink, and announces it (RTNLGRP_TC). tcx (kernel 6.6, kernel/bpf/tcx.c) and netkit (6.7, drivers/net/netkit.c) are asked for a link at
 * a time by bpf(2), which takes CAP_NET_ADMIN for it, and announces nothing: a program that comes later is seen when
 * links change the next time, or when everything is read anew. Kernels before answer -EINVAL. */
#include "node/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

/* enum bpf_attach_type of linux/bpf.h, since 6.6 and 6.7 */
#define TCX_INGRESS 46
#define NETKIT_PEER 55

static int compare_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = ((const struct node_link *)b)->index;

	return (x > y) - (x < y);
}

static struct node_link *find(struct node_link *links, size_t n, uint32_t index)
{
	return bsearch(&index, links, n, sizeof(*links), compare_index);
}

static int find_tc(struct netlink *netlink, struct node_link *links, size_t n)
{
	uint32_t *ingresses = NULL;
	size_t n_ingresses = 0;
	int r = netlink_ingresses(netlink, &ingresses, &n_ingresses);

	for (size_t i = 0; r == 0 && i < n_ingresses; i++) {
		struct node_link *link = find(links, n, ingresses[i]);
		bool has = false;
		if (!link || link->program)
			continue;
		r = netlink_has_program(netlink, link->index, &has);
		if (has)
			link->program = LINK_PROGRAM_TC;
	}
	free(ingresses);
	return r;
}

/* How many programs; negative errno. */
static int ask(uint32_t link, uint32_t attach_type)
{
	union bpf_attr question;

	memset(&question, 0, sizeof(question));
	question.query.target_fd = link; /* named target_ifindex since 6.6 */
	question.query.attach_type = attach_type;
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &question, sizeof(question)) < 0)
		return -errno;
	return (int)question.query.prog_cnt;
}

/* Of a netkit pair only the primary end answers (-EACCES on the other). Where the pod has that one, who knows? */
static void judge(struct node_link *link, int tcx)
{
	if (tcx > 0)
		link->program = LINK_PROGRAM_TCX;
	else if (!strcmp(link->kind, "netkit") && ask(link->index, NETKIT_PEER) != 0)
		link->program = LINK_PROGRAM_NETKIT;
}

int programs_find(struct netlink *netlink, struct node_link *links, size_t n, bool *ret_is_hidden)
{
	int r = find_tc(netlink, links, n);

	*ret_is_hidden = false;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (links[i].program || links[i].peer_nsid < 0)
			continue;
		int found = ask(links[i].index, TCX_INGRESS);
		*ret_is_hidden = found == -EPERM || found == -EACCES;
		if (found == -EINVAL || found == -ENOSYS || *ret_is_hidden)
			return 0; /* so it is with all of them */
		judge(&links[i], found);
	}
	return r;
}
