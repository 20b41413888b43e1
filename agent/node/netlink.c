/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A dump is a series of messages with our sequence number up to NLMSG_DONE. Where the kernel's
 * tables changed meanwhile it says so (NLM_F_DUMP_INTR) and the whole dump is asked again: half of
 * an old and half of a new state is no state. Messages with another number are what an earlier,
 * failed question left behind.
 *
 * Strict checking (kernel 4.20) makes the kernel refuse what it would otherwise ignore: without it,
 * IFA_TARGET_NETNSID is ignored and a pod would get the node's addresses. A kernel without a
 * protocol answers its dump with all families, so the family is looked at again. */
#include "node/netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "node/rtnetlink.h"

#define BUFFER_SIZE   32768 /* what the kernel puts into one datagram of a dump at most */
#define TRIES	      10
#define ADDRESSES_MAX 1024

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	char buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* A growing array of equal items; the type is the caller's. */
struct items {
	void *items;
	size_t n, capacity, size;
};

/* One message of an answer. 0 or negative errno. */
typedef int (*message_fn)(const struct nlmsghdr *message, void *userdata);

struct collection {
	struct items items;
	size_t n_before; /* of earlier dumps: what an interrupted one goes back to */
	uint8_t family;
};

int netlink_open(struct netlink **ret_netlink)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	const struct timeval patience = {.tv_sec = 5};
	int one = 1, r;

	if (!netlink)
		return -ENOMEM;
	netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(netlink->socket, NETLINK_GET_STRICT_CHK, &one, sizeof(one)) < 0 ||
	    setsockopt(mnl_socket_get_fd(netlink->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0) {
		r = -errno;
		netlink_free(netlink);
		return r;
	}
	*ret_netlink = netlink;
	return 0;
}

struct netlink *netlink_free(struct netlink *netlink)
{
	if (netlink && netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
	return NULL;
}

/* Room for `n` more items; NULL: no memory. */
static void *items_room(struct items *items, size_t n)
{
	if (items->capacity - items->n < n) {
		size_t capacity = items->capacity ? items->capacity * 2 : 32;
		if (capacity - items->n < n)
			capacity = items->n + n;
		void *grown = reallocarray(items->items, capacity, items->size);
		if (!grown)
			return NULL;
		items->items = grown;
		items->capacity = capacity;
	}
	return (char *)items->items + items->n * items->size;
}

static int ask(struct netlink *netlink, struct nlmsghdr *request)
{
	request->nlmsg_seq = ++netlink->sequence;
	return mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

int netlink_message_error(const struct nlmsghdr *message)
{
	int error;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(error))
		return -EBADMSG;
	memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
	return error > 0 ? -EBADMSG : error;
}

static int receive(struct netlink *netlink)
{
	ssize_t n;

	do
		n = mnl_socket_recvfrom(netlink->socket, netlink->buffer, sizeof(netlink->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return (int)n;
}

struct answer {
	message_fn fn;
	void *userdata;
	bool is_dump, is_interrupted, is_done;
};

static int hear_message(const struct nlmsghdr *message, struct answer *answer)
{
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->is_interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_NOOP: return 0;
	case NLMSG_ERROR:
	case NLMSG_DONE: answer->is_done = true; return netlink_message_error(message);
	default: break;
	}
	answer->is_done = !answer->is_dump;
	return answer->fn(message, answer->userdata);
}

/* Reads the answer to the last question, to its end. */
static int hear(struct netlink *netlink, struct answer *answer)
{
	while (!answer->is_done) {
		int n = receive(netlink);
		if (n < 0)
			return n;
		const struct nlmsghdr *message = (const void *)netlink->buffer;
		for (; mnl_nlmsg_ok(message, n); message = mnl_nlmsg_next(message, &n)) {
			if (message->nlmsg_seq != netlink->sequence)
				continue;
			int r = hear_message(message, answer);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Asks until a dump comes whole. */
static int dump(struct netlink *netlink, struct nlmsghdr *request, struct collection *collection,
		message_fn fn)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct answer answer = {.fn = fn, .userdata = collection, .is_dump = true};
		collection->items.n = collection->n_before;
		int r = ask(netlink, request);
		if (r == 0)
			r = hear(netlink, &answer);
		if (r < 0)
			return r;
		if (!answer.is_interrupted)
			return 0;
	}
	return -EAGAIN;
}

static struct nlmsghdr *request_new(char *buffer, uint16_t type, uint16_t flags, uint8_t family,
				    size_t body_size)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	uint8_t *body = mnl_nlmsg_put_extra_header(request, body_size);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	*body = family; /* the first byte of every rtnetlink header */
	return request;
}

/* What a parser's outcome means for a dump: 1 keep, 0 skip, or a negative errno. */
static int keep(int outcome)
{
	if (outcome == RTNETLINK_E_OTHER)
		return 0;
	return outcome ? -EBADMSG : 1;
}

static int collect_link(const struct nlmsghdr *message, void *userdata)
{
	struct items *items = &((struct collection *)userdata)->items;
	struct node_link *link = items_room(items, 1);

	if (!link)
		return -ENOMEM;
	int r = keep(rtnetlink_link_parse(message, message->nlmsg_len, link));
	items->n += r == 1;
	return r < 0 ? r : 0;
}

static int compare_links(const void *a, const void *b)
{
	const struct node_link *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static int links_of(struct netlink *netlink, int32_t nsid, struct node_link **ret_links,
		    size_t *ret_n)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct collection links = {.items.size = sizeof(struct node_link)};
	struct nlmsghdr *request = request_new(buffer, RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC,
					       sizeof(struct ifinfomsg));

	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nsid >= 0)
		mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	int r = dump(netlink, request, &links, collect_link);
	if (r < 0) {
		free(links.items.items);
		return r;
	}
	if (links.items.n)
		qsort(links.items.items, links.items.n, links.items.size, compare_links);
	*ret_links = links.items.items;
	*ret_n = links.items.n;
	return 0;
}

int netlink_links(struct netlink *netlink, struct node_link **ret_links, size_t *ret_n)
{
	return links_of(netlink, -1, ret_links, ret_n);
}

int netlink_links_there(struct netlink *netlink, int32_t nsid, struct node_link **ret_links,
			size_t *ret_n)
{
	return links_of(netlink, nsid, ret_links, ret_n);
}

static int collect_routes(const struct nlmsghdr *message, void *userdata)
{
	struct collection *collection = userdata;
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct node_route hop;
	size_t n;

	int r = keep(rtnetlink_route_parse(message, message->nlmsg_len, &hop, 1, &n));
	if (r <= 0 || header->rtm_family != collection->family)
		return r;
	struct node_route *routes = items_room(&collection->items, n);
	if (!routes)
		return -ENOMEM;
	r = keep(rtnetlink_route_parse(message, message->nlmsg_len, routes, n, &n));
	if (r == 1)
		collection->items.n += n;
	return r < 0 ? r : 0;
}

static int collect_address(const struct nlmsghdr *message, void *userdata)
{
	struct collection *collection = userdata;
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct node_address *address = items_room(&collection->items, 1);

	if (!address)
		return -ENOMEM;
	int r = keep(rtnetlink_address_parse(message, message->nlmsg_len, address));
	if (r == 1 && header->ifa_family == collection->family &&
	    collection->items.n < ADDRESSES_MAX)
		collection->items.n++;
	return r < 0 ? r : 0;
}

/* One dump for IPv4, one for IPv6, into one collection. */
static int dump_families(struct netlink *netlink, uint16_t type, size_t body_size, int32_t nsid,
			 struct collection *collection, message_fn fn)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < sizeof(families); i++) {
		char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
		struct nlmsghdr *request = request_new(buffer, type, NLM_F_DUMP, families[i],
						       body_size);
		if (nsid >= 0)
			mnl_attr_put_u32(request, IFA_TARGET_NETNSID, (uint32_t)nsid);
		collection->family = families[i];
		collection->n_before = collection->items.n;
		int r = dump(netlink, request, collection, fn);
		if (r < 0) {
			free(collection->items.items);
			return r;
		}
	}
	return 0;
}

int netlink_routes(struct netlink *netlink, struct node_route **ret_routes, size_t *ret_n)
{
	struct collection routes = {.items.size = sizeof(struct node_route)};
	int r = dump_families(netlink, RTM_GETROUTE, sizeof(struct rtmsg), -1, &routes,
			      collect_routes);

	if (r < 0)
		return r;
	*ret_routes = routes.items.items;
	*ret_n = routes.items.n;
	return 0;
}

int netlink_addresses(struct netlink *netlink, int32_t nsid, struct node_address **ret_addresses,
		      size_t *ret_n)
{
	struct collection addresses = {.items.size = sizeof(struct node_address)};
	int r = dump_families(netlink, RTM_GETADDR, sizeof(struct ifaddrmsg), nsid, &addresses,
			      collect_address);

	if (r < 0)
		return r;
	*ret_addresses = addresses.items.items;
	*ret_n = addresses.items.n;
	return 0;
}

static int collect_ingress(const struct nlmsghdr *message, void *userdata)
{
	struct items *items = &((struct collection *)userdata)->items;
	uint32_t *link = items_room(items, 1);

	if (!link)
		return -ENOMEM;
	int r = keep(rtnetlink_ingress_parse(message, message->nlmsg_len, link));
	items->n += r == 1;
	return r < 0 ? r : 0;
}

int netlink_ingresses(struct netlink *netlink, uint32_t **ret_links, size_t *ret_n)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct collection links = {.items.size = sizeof(uint32_t)};
	struct nlmsghdr *request = request_new(buffer, RTM_GETQDISC, NLM_F_DUMP, AF_UNSPEC,
					       sizeof(struct tcmsg));
	int r = dump(netlink, request, &links, collect_ingress);

	if (r < 0) {
		free(links.items.items);
		return r;
	}
	*ret_links = links.items.items;
	*ret_n = links.items.n;
	return 0;
}

static int count_program(const struct nlmsghdr *message, void *userdata)
{
	struct collection *programs = userdata;
	int r = keep(rtnetlink_program_parse(message, message->nlmsg_len));

	programs->items.n += r == 1;
	return r < 0 ? r : 0;
}

/* The filters of both kinds of qdisc stand below this parent. */
int netlink_has_program(struct netlink *netlink, uint32_t link, bool *ret_has)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct collection programs = {}; /* counted only */
	struct nlmsghdr *request = request_new(buffer, RTM_GETTFILTER, NLM_F_DUMP, AF_UNSPEC,
					       sizeof(struct tcmsg));
	struct tcmsg *header = mnl_nlmsg_get_payload(request);

	header->tcm_ifindex = (int)link;
	header->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	int r = dump(netlink, request, &programs, count_program);
	if (r < 0)
		return r;
	*ret_has = programs.items.n;
	return 0;
}

static int take_nsid(const struct nlmsghdr *message, void *userdata)
{
	return rtnetlink_nsid_parse(message, message->nlmsg_len, userdata) ? -EBADMSG : 0;
}

int netlink_nsid(struct netlink *netlink, int fd, int32_t *ret_nsid)
{
	char buffer[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = request_new(buffer, RTM_GETNSID, 0, AF_UNSPEC,
					       sizeof(struct rtgenmsg));
	int32_t nsid;
	struct answer answer = {.fn = take_nsid, .userdata = &nsid};

	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)fd);
	int r = ask(netlink, request);
	if (r == 0)
		r = hear(netlink, &answer);
	if (r < 0)
		return r;
	*ret_nsid = nsid;
	return 0;
}
