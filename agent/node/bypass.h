/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

/* What on this node can take packets past the rules of its hooks:
 *
 *	flowtable  established connections between its devices no longer meet the forward hook
 *	           (kernel: Documentation/networking/nf_flowtable.rst)
 *	BPF        a program at tc ingress of a link may send its packets on before any hook
 *	           (bpf_redirect_peer() and the like: "eBPF host routing")
 *	IPVS       a service's packets leave by the output hook without a socket, so nobody is asked
 *	           who sent them; harmless as long as its real servers are internal
 */
enum bypass_kind { BYPASS_FLOWTABLE, BYPASS_BPF, BYPASS_IPVS };

struct bypass {
	enum bypass_kind kind;
	char link[16];		  /* BYPASS_FLOWTABLE, BYPASS_BPF: the device */
	char name[128];		  /* "inet filter/ft", the program's name; of IPVS: the service */
	struct pf_address server; /* BYPASS_IPVS: a real server */
};

struct bypass_list {
	struct bypass *items;
	size_t n_items;
};

/* Of the network namespace of this thread. A kernel without one of them has none of it. 0, a negative
 * errno, or -EPERM without CAP_NET_ADMIN; the list is to be let go either way. */
PF_MUST_CHECK int bypass_read(struct bypass_list *list);
void bypass_list_done(struct bypass_list *list);

/* /proc/net/ip_vs (kernel: net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show()). What is no such line is
 * passed over. 0 or -ENOMEM. Pure. */
PF_MUST_CHECK int bypass_parse_ipvs(const char *text, struct bypass_list *list);
