/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Steps as netlink messages, all in one buffer: a transaction is one sendmsg() and is never split.
 * One message asks for an acknowledgement, the last one before the end; every other speaks only if
 * it fails.
 *
 * A message that carries elements is closed well before its nested attribute would reach the 64 KiB
 * a 16 bit length can say (struct nlattr); the next message of the same transaction goes on. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "internal.h"

#define MESSAGE_MAX	     (128u << 10)
#define ELEMENTS_PER_MESSAGE 256 /* at most 160 bytes each as attributes */

static struct nlmsghdr *message_begin(struct batch *batch, uint32_t sequence)
{
	if (batch->capacity - batch->length < MESSAGE_MAX) {
		size_t capacity = batch->capacity + 4 * MESSAGE_MAX;
		char *bytes = realloc(batch->bytes, capacity);
		if (!bytes)
			return NULL;
		batch->bytes = bytes;
		batch->capacity = capacity;
	}
	return (struct nlmsghdr *)(batch->bytes + batch->length);
}

static int message_end(struct batch *batch, const struct nlmsghdr *header, size_t step)
{
	if (batch->n_messages == batch->messages_capacity) {
		size_t capacity = batch->messages_capacity ? 2 * batch->messages_capacity : 32;
		void *messages = reallocarray(batch->messages, capacity, sizeof(*batch->messages));
		if (!messages)
			return -ENOMEM;
		batch->messages = messages;
		batch->messages_capacity = capacity;
	}
	batch->messages[batch->n_messages].sequence = header->nlmsg_seq;
	batch->messages[batch->n_messages++].step = step;
	batch->length += MNL_ALIGN(header->nlmsg_len);
	return 0;
}

/* What every step builds: one message of this type for this step. */
struct maker {
	struct batch *batch;
	const struct step *step;
	size_t index;
	uint32_t *sequence;
	uint32_t table_flags;
};

static struct nlmsghdr *maker_header(struct maker *maker, uint16_t type, uint16_t flags)
{
	if (!message_begin(maker->batch, *maker->sequence))
		return NULL;
	return nftnl_nlmsg_build_hdr(maker->batch->bytes + maker->batch->length, type,
				     maker->step->table->family, flags, (*maker->sequence)++);
}

static int make_table(struct maker *maker, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = maker_header(maker, type, flags);

	if (!header)
		return -ENOMEM;
	mnl_attr_put_strz(header, NFTA_TABLE_NAME, maker->step->table->name);
	if (type == NFT_MSG_NEWTABLE && maker->table_flags)
		mnl_attr_put_u32(header, NFTA_TABLE_FLAGS, htonl(maker->table_flags));
	return message_end(maker->batch, header, maker->index);
}

static int make_counter(struct maker *maker, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = maker_header(maker, type, flags);

	if (!header)
		return -ENOMEM;
	mnl_attr_put_strz(header, NFTA_OBJ_TABLE, maker->step->table->name);
	mnl_attr_put_strz(header, NFTA_OBJ_NAME, maker->step->counter->name);
	mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	if (type == NFT_MSG_NEWOBJ)
		mnl_attr_nest_end(header, mnl_attr_nest_start(header, NFTA_OBJ_DATA));
	return message_end(maker->batch, header, maker->index);
}

static int make_chain(struct maker *maker, uint16_t type, uint16_t flags)
{
	const struct pf_chain *chain = maker->step->chain;
	struct nlmsghdr *header = maker_header(maker, type, flags);

	if (!header)
		return -ENOMEM;
	mnl_attr_put_strz(header, NFTA_CHAIN_TABLE, chain->table->name);
	mnl_attr_put_strz(header, NFTA_CHAIN_NAME, chain->name);
	if (chain->is_base && type == NFT_MSG_NEWCHAIN) {
		struct nlattr *hook = mnl_attr_nest_start(header, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(header, NFTA_HOOK_HOOKNUM, htonl(chain->hook));
		mnl_attr_put_u32(header, NFTA_HOOK_PRIORITY, htonl((uint32_t)chain->priority));
		if (chain->device[0])
			mnl_attr_put_strz(header, NFTA_HOOK_DEV, chain->device);
		mnl_attr_nest_end(header, hook);
		mnl_attr_put_u32(header, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
		mnl_attr_put_strz(header, NFTA_CHAIN_TYPE, "filter");
	}
	return message_end(maker->batch, header, maker->index);
}

static int make_flush(struct maker *maker)
{
	struct nlmsghdr *header = maker_header(maker, NFT_MSG_DELRULE, 0);

	if (!header)
		return -ENOMEM;
	mnl_attr_put_strz(header, NFTA_RULE_TABLE, maker->step->table->name);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, maker->step->chain->name);
	return message_end(maker->batch, header, maker->index);
}

static int make_rule(struct maker *maker)
{
	struct nftnl_rule *rule;
	int r = rule_encode(maker->step->rule, &rule);

	if (r < 0)
		return r;
	struct nlmsghdr *header = maker_header(maker, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	if (header)
		nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	return header ? message_end(maker->batch, header, maker->index) : -ENOMEM;
}

/* Ranges are looked for in each field by itself, so the kernel has to know where one ends. */
static int set_field_lengths(const struct pf_set *set, struct nftnl_set *nftnl)
{
	uint8_t lengths[PF_SELECTORS_MAX];

	for (size_t i = 0; i < set->n_selectors; i++)
		lengths[i] = fields[set->selectors[i].field].length;
	return nftnl_set_set_data(nftnl, NFTNL_SET_DESC_CONCAT, lengths,
				  (uint32_t)set->n_selectors) < 0
		       ? -ENOMEM
		       : 0;
}

static int set_attributes(const struct pf_set *set, struct nftnl_set *nftnl, uint32_t id)
{
	uint32_t flags = 0;

	if (set->is_interval)
		flags |= NFT_SET_INTERVAL;
	if (set->is_interval && set->is_concatenation)
		flags |= NFT_SET_CONCAT;
	if (set->data != PF_DATA_NONE)
		flags |= NFT_SET_MAP;
	if (set->is_dynamic)
		flags |= NFT_SET_EVAL;
	if (set->timeout_seconds)
		flags |= NFT_SET_TIMEOUT;
	nftnl_set_set_u32(nftnl, NFTNL_SET_FAMILY, set->table->family);
	nftnl_set_set_u32(nftnl, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(nftnl, NFTNL_SET_KEY_TYPE, set->key_type);
	nftnl_set_set_u32(nftnl, NFTNL_SET_KEY_LEN, set->key_length);
	nftnl_set_set_u32(nftnl, NFTNL_SET_ID, id);
	if (set->data == PF_DATA_VERDICT)
		nftnl_set_set_u32(nftnl, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
	if (set->data == PF_DATA_MARK) {
		nftnl_set_set_u32(nftnl, NFTNL_SET_DATA_TYPE, 19); /* mark, nftables datatype.h */
		nftnl_set_set_u32(nftnl, NFTNL_SET_DATA_LEN, sizeof(uint32_t));
	}
	if (set->size)
		nftnl_set_set_u32(nftnl, NFTNL_SET_DESC_SIZE, set->size);
	if (set->timeout_seconds)
		nftnl_set_set_u64(nftnl, NFTNL_SET_TIMEOUT, 1000ull * set->timeout_seconds);
	if (set->has_counter) {
		struct nftnl_expr *counter = nftnl_expr_alloc("counter");
		if (!counter)
			return -ENOMEM;
		nftnl_set_add_expr(nftnl, counter);
	}
	if (set->is_interval && set->is_concatenation)
		return set_field_lengths(set, nftnl);
	return 0;
}

/* No user data: an older nft inside kube-proxy or Calico crashes on what it does not know there. */
static int make_set(struct maker *maker)
{
	const struct pf_set *set = maker->step->set;
	struct nftnl_set *nftnl = nftnl_set_alloc();

	if (!nftnl)
		return -ENOMEM;
	struct nlmsghdr *header = NULL;
	if (set_attributes(set, nftnl, (uint32_t)maker->index + 1) == 0 &&
	    nftnl_set_set_str(nftnl, NFTNL_SET_TABLE, set->table->name) == 0 &&
	    nftnl_set_set_str(nftnl, NFTNL_SET_NAME, set->name) == 0)
		header = maker_header(maker, NFT_MSG_NEWSET, NLM_F_CREATE);
	if (header)
		nftnl_set_nlmsg_build_payload(header, nftnl);
	nftnl_set_free(nftnl);
	return header ? message_end(maker->batch, header, maker->index) : -ENOMEM;
}

static int make_delete_set(struct maker *maker)
{
	struct nlmsghdr *header = maker_header(maker, NFT_MSG_DELSET, 0);

	if (!header)
		return -ENOMEM;
	mnl_attr_put_strz(header, NFTA_SET_TABLE, maker->step->table->name);
	mnl_attr_put_strz(header, NFTA_SET_NAME, maker->step->set->name);
	return message_end(maker->batch, header, maker->index);
}

static void put_key(struct nlmsghdr *header, uint16_t attribute, const uint8_t *key, size_t length)
{
	struct nlattr *nest = mnl_attr_nest_start(header, attribute);

	mnl_attr_put(header, NFTA_DATA_VALUE, length, key);
	mnl_attr_nest_end(header, nest);
}

static void put_data(struct nlmsghdr *header, const struct pf_set *set,
		     const struct element *element)
{
	if (set->data == PF_DATA_MARK)
		put_key(header, NFTA_SET_ELEM_DATA, (const uint8_t *)&element->mark,
			sizeof(element->mark));
	if (set->data != PF_DATA_VERDICT)
		return;
	struct nlattr *data = mnl_attr_nest_start(header, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(header, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(header, NFTA_VERDICT_CODE, htonl(verdict_code(element->verdict)));
	if (element->chain[0])
		mnl_attr_put_strz(header, NFTA_VERDICT_CHAIN, element->chain);
	mnl_attr_nest_end(header, verdict);
	mnl_attr_nest_end(header, data);
}

/* An interval of a lone field is two elements for the kernel: its first address, and the one after its last with a
 * flag. One that reaches the last address there is has no end. */
static void put_interval_end(struct nlmsghdr *header, const struct pf_set *set,
			     const struct element *element)
{
	uint8_t after[PF_KEY_MAX];
	size_t i = set->key_length;

	memcpy(after, element->key_end, sizeof(after));
	while (i > 0 && ++after[i - 1] == 0)
		i--;
	if (!i)
		return;
	struct nlattr *nest = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
	mnl_attr_put_u32(header, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	put_key(header, NFTA_SET_ELEM_KEY, after, set->key_length);
	mnl_attr_nest_end(header, nest);
}

static void put_element(struct nlmsghdr *header, const struct pf_set *set,
			const struct element *element)
{
	struct nlattr *nest = mnl_attr_nest_start(header, NFTA_LIST_ELEM);

	put_key(header, NFTA_SET_ELEM_KEY, element->key, set->key_length);
	if (set->is_interval && set->is_concatenation)
		put_key(header, NFTA_SET_ELEM_KEY_END, element->key_end, set->key_length);
	put_data(header, set, element);
	mnl_attr_nest_end(header, nest);
	if (set->is_interval && !set->is_concatenation)
		put_interval_end(header, set, element);
}

static int make_elements(struct maker *maker, uint16_t type, uint16_t flags)
{
	const struct step *step = maker->step;

	for (size_t i = 0; i < step->n_elements;) {
		struct nlmsghdr *header = maker_header(maker, type, flags);
		if (!header)
			return -ENOMEM;
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, step->table->name);
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, step->set->name);
		struct nlattr *list = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);
		size_t end = step->n_elements - i > ELEMENTS_PER_MESSAGE ? i + ELEMENTS_PER_MESSAGE
									 : step->n_elements;
		for (; i < end; i++)
			put_element(header, step->set, step->elements[i]);
		mnl_attr_nest_end(header, list);
		int r = message_end(maker->batch, header, maker->index);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_step(struct maker *maker)
{
	switch (maker->step->kind) {
	case STEP_ADD_TABLE: return make_table(maker, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	case STEP_ADD_COUNTER: return make_counter(maker, NFT_MSG_NEWOBJ, NLM_F_CREATE);
	case STEP_ADD_SET: return make_set(maker);
	case STEP_ADD_CHAIN:
	case STEP_ADD_BASE_CHAIN: return make_chain(maker, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	case STEP_DELETE_ELEMENTS: return make_elements(maker, NFT_MSG_DELSETELEM, 0);
	case STEP_FLUSH_CHAIN: return make_flush(maker);
	case STEP_ADD_RULE: return make_rule(maker);
	case STEP_ADD_ELEMENTS: return make_elements(maker, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	case STEP_DELETE_BASE_CHAIN:
	case STEP_DELETE_CHAIN: return make_chain(maker, NFT_MSG_DELCHAIN, 0);
	case STEP_DELETE_SET: return make_delete_set(maker);
	case STEP_DELETE_COUNTER: return make_counter(maker, NFT_MSG_DELOBJ, 0);
	case STEP_DELETE_TABLE: return make_table(maker, NFT_MSG_DELTABLE, 0);
	}
	return -EINVAL;
}

static int put_bracket(struct batch *batch, bool is_begin, uint32_t *sequence)
{
	if (!message_begin(batch, *sequence))
		return -ENOMEM;
	char *at = batch->bytes + batch->length;
	struct nlmsghdr *header = is_begin ? nftnl_batch_begin(at, (*sequence)++)
					   : nftnl_batch_end(at, (*sequence)++);
	return message_end(batch, header, SIZE_MAX);
}

int batch_make(const struct pf_plan *plan, const struct batch_options *options,
	       struct batch *ret_batch)
{
	struct batch batch = {};
	uint32_t sequence = options->first_sequence;
	size_t last = 0;
	int r = put_bracket(&batch, true, &sequence);

	for (size_t i = 0; i < plan->n_steps && !r; i++) {
		size_t before = batch.length;
		r = make_step(&(struct maker){&batch, &plan->steps[i], i, &sequence,
					      options->table_flags});
		if (batch.length != before)
			last = before;
	}
	if (!r && last) {
		/* A step may have made several messages: the last one of all is meant. */
		struct nlmsghdr *header = (struct nlmsghdr *)(batch.bytes + last);
		while ((char *)header + MNL_ALIGN(header->nlmsg_len) < batch.bytes + batch.length)
			header = (struct nlmsghdr *)((char *)header + MNL_ALIGN(header->nlmsg_len));
		header->nlmsg_flags |= NLM_F_ACK;
	}
	if (!r && options->commits)
		r = put_bracket(&batch, false, &sequence);
	if (r < 0) {
		batch_done(&batch);
		return r;
	}
	*ret_batch = batch;
	return 0;
}

void batch_trim(struct batch *batch)
{
	char *bytes = realloc(batch->bytes, batch->length);

	if (!bytes)
		return;
	batch->bytes = bytes;
	batch->capacity = batch->length;
}

void batch_done(struct batch *batch)
{
	free(batch->bytes);
	free(batch->messages);
	*batch = (struct batch){};
}
