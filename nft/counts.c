/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the elements of dynamic sets have counted, while packets go on adding to them.
 *
 * A dump of a set that grows is interrupted (NLM_F_DUMP_INTR) more often than not, and may then have told an
 * element twice or not at all. Counts are absolute, so twice is no harm, and what was not told is told next
 * time: nobody concludes from one dump that an element is gone. The messages are read attribute by attribute,
 * because an object for each element costs several times the dump.
 *
 * For each message of a dump the kernel walks the set from its beginning and passes over what it has told before
 * (nft_rhash_walk(), iter->skip), so a dump is quadratic; what divides it is the size of a message. That is as
 * large as the largest buffer the socket was read with, but at most 32 KiB (netlink_recvmsg(), max_recvmsg_len),
 * some 300 elements: NFT_RECEIVE_MAX is above it, and the socket has been read before. */
#include <podfence/nft.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "handle.h"
#include "internal.h"

#define REMOVE_MAX PF_COUNTS_REMOVE_MAX

struct telling {
	pf_count_fn fn;
	void *userdata;
};

static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute,
				 nest) if (mnl_attr_get_type(attribute) == type) return attribute;
	return NULL;
}

static uint64_t number(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute = find(nest, type);

	if (!attribute || mnl_attr_get_payload_len(attribute) != sizeof(uint64_t))
		return 0;
	return be64toh(mnl_attr_get_u64(attribute));
}

static bool read_counter(const struct nlattr *element, struct pf_count *count)
{
	const struct nlattr *expr = find(element, NFTA_SET_ELEM_EXPR);
	const struct nlattr *data = expr ? find(expr, NFTA_EXPR_DATA) : NULL;

	if (!data)
		return false;
	count->packets = number(data, NFTA_COUNTER_PACKETS);
	count->bytes = number(data, NFTA_COUNTER_BYTES);
	return true;
}

static bool read_key(const struct nlattr *element, struct pf_count *count)
{
	const struct nlattr *key = find(element, NFTA_SET_ELEM_KEY);
	const struct nlattr *value = key ? find(key, NFTA_DATA_VALUE) : NULL;
	size_t length = value ? mnl_attr_get_payload_len(value) : 0;

	if (!length || length > PF_KEY_MAX)
		return false;
	memcpy(count->key.bytes, mnl_attr_get_payload(value), length);
	count->key.length = (uint8_t)length;
	return true;
}

static void tell(const struct nlmsghdr *header, const struct telling *telling)
{
	const struct nlattr *attribute, *element;

	mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attribute)
		{
			struct pf_count count = {};
			if (read_key(element, &count) && read_counter(element, &count))
				telling->fn(&count, telling->userdata);
		}
	}
}

static uint16_t message_type(uint8_t message)
{
	return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message);
}

static void put_set(struct nlmsghdr *header, const struct pf_set_name *set)
{
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, set->table);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set->set);
}

/* 1: there is more to come; 0: that was all; negative errno. */
static int hear_dump(const struct nlmsghdr *header, uint32_t sequence,
		     const struct telling *telling)
{
	if (header->nlmsg_seq != sequence)
		return 1;
	if (header->nlmsg_type == NLMSG_DONE)
		return 0;
	if (header->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(header))->error;
	if (header->nlmsg_type == message_type(NFT_MSG_NEWSETELEM))
		tell(header, telling);
	return 1;
}

int pf_nft_counts(struct pf_nft *nft, const struct pf_set_name *set, pf_count_fn fn, void *userdata)
{
	const struct telling telling = {fn, userdata};
	char buffer[512];
	uint32_t sequence = nft->sequence++;
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, set->family,
							 NLM_F_DUMP, sequence);
	int r;

	put_set(request, set);
	if (mnl_socket_sendto(nft->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nft->socket, nft->receive, NFT_RECEIVE_MAX);
		if (n < 0 && errno == EINTR) {
			r = 1;
			continue;
		}
		if (n < 0)
			return -errno;
		int rest = (int)n;
		r = 1;
		for (const struct nlmsghdr *header = (void *)nft->receive;
		     r == 1 && mnl_nlmsg_ok(header, rest); header = mnl_nlmsg_next(header, &rest))
			r = hear_dump(header, sequence, &telling);
	} while (r == 1);
	return r;
}

static struct nlmsghdr *add_message(char *at, uint8_t message, const struct pf_set_name *set,
				    uint16_t flags, uint32_t sequence)
{
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(at, message, set->family, flags, sequence);

	put_set(header, set);
	return header;
}

static void put_keys(struct nlmsghdr *header, const struct pf_key *keys, size_t n_keys)
{
	struct nlattr *list = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);

	for (size_t i = 0; i < n_keys; i++) {
		struct nlattr *element = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
		struct nlattr *key = mnl_attr_nest_start(header, NFTA_SET_ELEM_KEY);
		mnl_attr_put(header, NFTA_DATA_VALUE, keys[i].length, keys[i].bytes);
		mnl_attr_nest_end(header, key);
		mnl_attr_nest_end(header, element);
	}
	mnl_attr_nest_end(header, list);
}

/* The echo is there when sendmsg() returns, like every answer to a transaction. Its sequence number is 0 on
 * some kernels (6.18). */
static int hear_removal(struct pf_nft *nft, uint32_t sequence, const struct telling *telling)
{
	int error = 0;

	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(nft->socket), nft->receive, NFT_RECEIVE_MAX,
				 MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? error : -errno;
		int rest = (int)n;
		for (const struct nlmsghdr *header = (void *)nft->receive;
		     mnl_nlmsg_ok(header, rest); header = mnl_nlmsg_next(header, &rest)) {
			if (header->nlmsg_type == message_type(NFT_MSG_DELSETELEM))
				tell(header, telling);
			else if (header->nlmsg_type == NLMSG_ERROR && !error &&
				 header->nlmsg_seq - sequence < 3)
				error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(header))
						->error;
		}
	}
}

int pf_nft_remove_counted(struct pf_nft *nft, const struct pf_set_name *set,
			  const struct pf_key *keys, size_t n_keys, pf_count_fn fn, void *userdata)
{
	const struct telling telling = {fn, userdata};
	char buffer[REMOVE_MAX * (PF_KEY_MAX + 16) + 1024];
	uint32_t sequence = nft->sequence;
	char *at = buffer;

	if (!n_keys || n_keys > REMOVE_MAX)
		return n_keys ? -E2BIG : 0;
	at += nftnl_batch_begin(at, sequence)->nlmsg_len;
	struct nlmsghdr *header = add_message(at, NFT_MSG_DELSETELEM, set, NLM_F_ECHO | NLM_F_ACK,
					      sequence + 1);
	put_keys(header, keys, n_keys);
	at += header->nlmsg_len;
	at += nftnl_batch_end(at, sequence + 2)->nlmsg_len;
	nft->sequence += 3;
	if (mnl_socket_sendto(nft->socket, buffer, (size_t)(at - buffer)) < 0)
		return -errno;
	return hear_removal(nft, sequence, &telling);
}
