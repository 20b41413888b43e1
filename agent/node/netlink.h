/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "node/view.h"

/* Questions to rtnetlink, answered before the call returns. The caller frees *ret_ arrays. Errors:
 * the kernel's errno; -EAGAIN where a dump was interrupted by changes ten times in a row; -EBADMSG
 * for an answer that does not parse; -ETIMEDOUT. */
struct netlink;
struct nlmsghdr;

PF_MUST_CHECK int netlink_open(struct netlink **ret_netlink);
struct netlink *netlink_free(struct netlink *netlink);

/* All links, sorted by index. The kernel gives the namespaces of their peers an id on the way. */
PF_MUST_CHECK int netlink_links(struct netlink *netlink, struct node_link **ret_links,
				size_t *ret_n);
/* The same of the namespace with this id, as far as it can be told from here (IFLA_TARGET_NETNSID, kernel 4.20).
 * -EINVAL: the id is gone. */
PF_MUST_CHECK int netlink_links_there(struct netlink *netlink, int32_t nsid,
				      struct node_link **ret_links, size_t *ret_n);
PF_MUST_CHECK int netlink_routes(struct netlink *netlink, struct node_route **ret_routes,
				 size_t *ret_n);

/* Links whose incoming packets are shown to filters, in any order. */
PF_MUST_CHECK int netlink_ingresses(struct netlink *netlink, uint32_t **ret_links, size_t *ret_n);
/* Whether one of these filters is a BPF program; not, where the link is gone. */
PF_MUST_CHECK int netlink_has_program(struct netlink *netlink, uint32_t link, bool *ret_has);

/* What NLMSG_ERROR and NLMSG_DONE carry: a negative errno or 0; -EBADMSG where it is neither. */
PF_MUST_CHECK int netlink_message_error(const struct nlmsghdr *message);

/* Our id for the network namespace behind the descriptor; -1: none. */
PF_MUST_CHECK int netlink_nsid(struct netlink *netlink, int fd, int32_t *ret_nsid);

/* Addresses in the namespace with this id; -1: in our own. -EINVAL: the id is gone. At most 1024:
 * whoever has more in one namespace is not given a way out by them. */
PF_MUST_CHECK int netlink_addresses(struct netlink *netlink, int32_t nsid,
				    struct node_address **ret_addresses, size_t *ret_n);
