/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Reading our tables back as a ruleset value. Rules come as bytecode, sets and chains as they are;
 * what the kernel cannot tell (the fields of a set) is left out, and the plan compares what both
 * sides know.
 *
 * A read is several dumps. Each may be interrupted by somebody's transaction (NLM_F_DUMP_INTR,
 * EINTR), and one may fit between two of them, which the generation shows: either way the read is
 * begun anew. */
#include <podfence/nft.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "handle.h"
#include "internal.h"

#define READ_TRIES 10

static bool is_answer(const void *datagram, size_t size, uint32_t sequence)
{
	const struct nlmsghdr *header = datagram;

	return mnl_nlmsg_ok(header, (int)size) && header->nlmsg_seq == sequence;
}

/* All but the last message of a dump say that there are more, NLMSG_DONE is the last. */
static bool has_end(const void *datagram, size_t size)
{
	int rest = (int)size;

	for (const struct nlmsghdr *header = datagram; mnl_nlmsg_ok(header, rest);
	     header = mnl_nlmsg_next(header, &rest))
		if (!(header->nlmsg_flags & NLM_F_MULTI) || header->nlmsg_type == NLMSG_DONE)
			return true;
	return false;
}

/* A dump that failed on the way is received to its end all the same: the kernel begins no other on this socket
 * before, and what is left of it would be taken for the answer to the next request. */
int nft_request(struct pf_nft *nft, struct nlmsghdr *header, mnl_cb_t fn, void *data)
{
	uint32_t sequence = header->nlmsg_seq;
	int result = 0;

	if (mnl_socket_sendto(nft->socket, header, header->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nft->socket, nft->receive, NFT_RECEIVE_MAX);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!is_answer(nft->receive, (size_t)n, sequence))
			continue; /* to a request that was given up */
		if (!result &&
		    mnl_cb_run(nft->receive, (size_t)n, sequence, nft->port, fn, data) < 0)
			result = -errno;
		if (has_end(nft->receive, (size_t)n))
			return result;
	}
}

/* What the callbacks fill. */
struct reading {
	const char *name;
	struct pf_ruleset *ruleset;
	struct pf_table *table;
	struct pf_set *set;
};

static bool is_ours(const struct reading *reading, const char *name)
{
	return name && !strcmp(name, reading->name);
}

static int failed(const struct reading *reading)
{
	if (!reading->ruleset->error)
		return MNL_CB_OK;
	errno = -reading->ruleset->error;
	return MNL_CB_ERROR;
}

static int on_generation(const struct nlmsghdr *header, void *data)
{
	struct nftnl_gen *gen = nftnl_gen_alloc();

	if (!gen || nftnl_gen_nlmsg_parse(header, gen) < 0) {
		errno = gen ? EPROTO : ENOMEM;
		free(gen);
		return MNL_CB_ERROR;
	}
	*(uint32_t *)data = nftnl_gen_get_u32(gen, NFTNL_GEN_ID);
	nftnl_gen_free(gen);
	return MNL_CB_STOP;
}

int pf_nft_generation(struct pf_nft *nft, uint32_t *ret_generation)
{
	char buffer[256];
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETGEN, AF_UNSPEC, 0,
							nft->sequence++);

	return nft_request(nft, header, on_generation, ret_generation);
}

static int on_table(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nftnl_table *table = nftnl_table_alloc();

	if (!table || nftnl_table_nlmsg_parse(header, table) < 0) {
		errno = table ? EPROTO : ENOMEM;
		nftnl_table_free(table);
		return MNL_CB_ERROR;
	}
	if (is_ours(reading, nftnl_table_get_str(table, NFTNL_TABLE_NAME)))
		reading->table =
			pf_table_add(reading->ruleset,
				     (enum pf_family)nftnl_table_get_u32(table, NFTNL_TABLE_FAMILY),
				     reading->name);
	nftnl_table_free(table);
	return failed(reading);
}

static int on_chain(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nftnl_chain *nftnl = nftnl_chain_alloc();

	if (!nftnl || nftnl_chain_nlmsg_parse(header, nftnl) < 0) {
		errno = nftnl ? EPROTO : ENOMEM;
		nftnl_chain_free(nftnl);
		return MNL_CB_ERROR;
	}
	if (is_ours(reading, nftnl_chain_get_str(nftnl, NFTNL_CHAIN_TABLE))) {
		struct pf_chain *chain = chain_new(reading->table,
						   nftnl_chain_get_str(nftnl, NFTNL_CHAIN_NAME));
		if (chain && nftnl_chain_is_set(nftnl, NFTNL_CHAIN_HOOKNUM)) {
			chain->is_base = true;
			chain->hook = (enum pf_hook)nftnl_chain_get_u32(nftnl, NFTNL_CHAIN_HOOKNUM);
			chain->priority = nftnl_chain_get_s32(nftnl, NFTNL_CHAIN_PRIO);
			if (nftnl_chain_is_set(nftnl, NFTNL_CHAIN_DEV))
				strncpy(chain->device, nftnl_chain_get_str(nftnl, NFTNL_CHAIN_DEV),
					sizeof(chain->device) - 1);
		}
	}
	nftnl_chain_free(nftnl);
	return failed(reading);
}

static int on_rule(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nftnl_rule *nftnl = nftnl_rule_alloc();

	if (!nftnl || nftnl_rule_nlmsg_parse(header, nftnl) < 0) {
		errno = nftnl ? EPROTO : ENOMEM;
		nftnl_rule_free(nftnl);
		return MNL_CB_ERROR;
	}
	if (is_ours(reading, nftnl_rule_get_str(nftnl, NFTNL_RULE_TABLE))) {
		struct pf_chain *chain = table_chain_find(
			reading->table, nftnl_rule_get_str(nftnl, NFTNL_RULE_CHAIN));
		struct pf_rule *rule = pf_rule_add(chain);
		if (rule && nftnl_rule_bytecode(nftnl, &rule->bytecode) < 0)
			ruleset_fail(reading->ruleset, -ENOMEM, "no memory");
	}
	nftnl_rule_free(nftnl);
	return failed(reading);
}

static int is_counter(struct nftnl_expr *expr, void *data)
{
	*(bool *)data |= !strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "counter");
	return 0;
}

static bool has_counter(const struct nftnl_set *nftnl)
{
	bool has = false;

	return nftnl_set_expr_foreach(nftnl, is_counter, &has) == 0 && has;
}

static int on_set(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nftnl_set *nftnl = nftnl_set_alloc();

	if (!nftnl || nftnl_set_nlmsg_parse(header, nftnl) < 0) {
		errno = nftnl ? EPROTO : ENOMEM;
		nftnl_set_free(nftnl);
		return MNL_CB_ERROR;
	}
	if (is_ours(reading, nftnl_set_get_str(nftnl, NFTNL_SET_TABLE))) {
		struct pf_set *set = set_new(reading->table,
					     nftnl_set_get_str(nftnl, NFTNL_SET_NAME));
		uint32_t flags = nftnl_set_get_u32(nftnl, NFTNL_SET_FLAGS);
		if (set) {
			set->key_type = nftnl_set_get_u32(nftnl, NFTNL_SET_KEY_TYPE);
			set->key_length = (uint8_t)nftnl_set_get_u32(nftnl, NFTNL_SET_KEY_LEN);
			set->size = nftnl_set_get_u32(nftnl, NFTNL_SET_DESC_SIZE);
			set->is_interval = flags & NFT_SET_INTERVAL;
			set->is_concatenation = flags & NFT_SET_CONCAT;
			set->is_dynamic = flags & NFT_SET_EVAL;
			set->has_counter = has_counter(nftnl);
			set->timeout_seconds =
				(uint32_t)(nftnl_set_get_u64(nftnl, NFTNL_SET_TIMEOUT) / 1000);
			if (flags & NFT_SET_MAP)
				set->data = nftnl_set_get_u32(nftnl, NFTNL_SET_DATA_TYPE) ==
							    NFT_DATA_VERDICT
						    ? PF_DATA_VERDICT
						    : PF_DATA_MARK;
			if (set->key_length > PF_KEY_MAX)
				ruleset_fail(reading->ruleset, -EPROTO, "set %s: not one of ours",
					     set->name);
		}
	}
	nftnl_set_free(nftnl);
	return failed(reading);
}

static enum pf_verdict verdict_of(uint32_t code)
{
	switch ((int32_t)code) {
	case NF_ACCEPT: return PF_ACCEPT;
	case NFT_RETURN: return PF_RETURN;
	case NFT_JUMP: return PF_JUMP;
	case NFT_GOTO: return PF_GOTO;
	default: return PF_DROP;
	}
}

/* While a set is read, element.mark of an interval set says which end it is: 1 the end, 0 the
 * start. */
static int element_read(struct nftnl_set_elem *nftnl, void *data)
{
	struct reading *reading = data;
	struct pf_set *set = reading->set;
	uint32_t length;
	const void *key = nftnl_set_elem_get(nftnl, NFTNL_SET_ELEM_KEY, &length);

	/* A catch-all element or a strange length: not of our making; its set is rewritten. */
	if (!key || length != set->key_length)
		return 0;
	struct element *element = set_element_new(set);
	if (!element)
		return -1;
	memcpy(element->key, key, length);
	if (set->is_interval && set->is_concatenation) {
		const void *end = nftnl_set_elem_get(nftnl, NFTNL_SET_ELEM_KEY_END, &length);
		memcpy(element->key_end, end && length == set->key_length ? end : element->key,
		       set->key_length);
	} else if (set->is_interval && nftnl_set_elem_is_set(nftnl, NFTNL_SET_ELEM_FLAGS))
		element->mark = nftnl_set_elem_get_u32(nftnl, NFTNL_SET_ELEM_FLAGS) &
				NFT_SET_ELEM_INTERVAL_END;
	if (set->data == PF_DATA_MARK) {
		const void *mark = nftnl_set_elem_get(nftnl, NFTNL_SET_ELEM_DATA, &length);
		if (mark && length == sizeof(element->mark))
			memcpy(&element->mark, mark, length);
	}
	if (set->data == PF_DATA_VERDICT) {
		element->verdict =
			verdict_of(nftnl_set_elem_get_u32(nftnl, NFTNL_SET_ELEM_VERDICT));
		const char *chain = nftnl_set_elem_get_str(nftnl, NFTNL_SET_ELEM_CHAIN);
		if (chain && !name_copy(reading->ruleset, element->chain, chain))
			return -1;
	}
	return 0;
}

static int on_elements(const struct nlmsghdr *header, void *data)
{
	struct reading *reading = data;
	struct nftnl_set *nftnl = nftnl_set_alloc();

	if (!nftnl || nftnl_set_elems_nlmsg_parse(header, nftnl) < 0) {
		errno = nftnl ? EPROTO : ENOMEM;
		nftnl_set_free(nftnl);
		return MNL_CB_ERROR;
	}
	int r = nftnl_set_elem_foreach(nftnl, element_read, reading);
	nftnl_set_free(nftnl);
	if (r < 0 && !reading->ruleset->error)
		ruleset_fail(reading->ruleset, -ENOMEM, "no memory");
	return failed(reading);
}

static int compare_ends(const void *a, const void *b, void *set)
{
	const struct element *x = a, *y = b;
	int order = memcmp(x->key, y->key, ((const struct pf_set *)set)->key_length);

	return order ? order : (int)y->mark - (int)x->mark; /* an end before the next start */
}

/* Start and end elements, as the kernel keeps them, back to intervals with an inclusive end. */
static void intervals_join(struct pf_set *set)
{
	size_t kept = 0;

	if (set->n_elements)
		qsort_r(set->elements, set->n_elements, sizeof(*set->elements), compare_ends, set);
	for (size_t i = 0; i < set->n_elements; i++) {
		if (set->elements[i].mark)
			continue;
		struct element joined = set->elements[i];
		if (i + 1 < set->n_elements) {
			memcpy(joined.key_end, set->elements[i + 1].key, set->key_length);
			for (size_t k = set->key_length; k > 0 && joined.key_end[k - 1]-- == 0; k--)
				;
		} else {
			memset(joined.key_end, 0xff, set->key_length);
		}
		set->elements[kept++] = joined;
	}
	set->n_elements = kept;
}

static int dump(struct pf_nft *nft, uint16_t type, enum pf_family family, const char *table,
		const char *set, mnl_cb_t fn, struct reading *reading)
{
	char buffer[512];
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(buffer, type, family, NLM_F_DUMP,
							nft->sequence++);

	/* The table's name is attribute 1 of all these messages, the set's is 2 (nf_tables.h). */
	if (table)
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, table);
	if (set)
		mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set);
	return nft_request(nft, header, fn, reading);
}

static int read_sets(struct pf_nft *nft, struct reading *reading)
{
	enum pf_family family = reading->table->family;
	int r = dump(nft, NFT_MSG_GETSET, family, reading->name, NULL, on_set, reading);

	for (size_t i = 0; i < reading->table->n_sets && !r; i++) {
		reading->set = reading->table->sets[i];
		if (reading->set->is_dynamic)
			continue;
		r = dump(nft, NFT_MSG_GETSETELEM, family, reading->name, reading->set->name,
			 on_elements, reading);
		if (!r && reading->set->is_interval && !reading->set->is_concatenation)
			intervals_join(reading->set);
	}
	return r;
}

/* Counters are objects: their names belong to the value, their numbers do not. */
struct counting {
	const char *name;
	struct pf_table *table; /* NULL: values are wanted instead */
	struct pf_counter_value *values;
	size_t n_values, capacity;
};

static int counter_value_add(struct counting *counting, const struct nftnl_obj *object)
{
	const char *name = nftnl_obj_get_str((void *)object, NFTNL_OBJ_NAME);

	if (strlen(name) >= PF_NAME_MAX)
		return 0;
	if (counting->n_values == counting->capacity) {
		size_t capacity = counting->capacity ? 2 * counting->capacity : 16;
		void *values = reallocarray(counting->values, capacity, sizeof(*counting->values));
		if (!values)
			return -ENOMEM;
		counting->values = values;
		counting->capacity = capacity;
	}
	struct pf_counter_value *value = &counting->values[counting->n_values++];
	*value = (struct pf_counter_value){
		.family = (enum pf_family)nftnl_obj_get_u32((void *)object, NFTNL_OBJ_FAMILY),
		.packets = nftnl_obj_get_u64((void *)object, NFTNL_OBJ_CTR_PKTS),
		.bytes = nftnl_obj_get_u64((void *)object, NFTNL_OBJ_CTR_BYTES),
	};
	strcpy(value->name, name);
	return 0;
}

static int on_object(const struct nlmsghdr *header, void *data)
{
	struct counting *counting = data;
	struct nftnl_obj *object = nftnl_obj_alloc();

	if (!object || nftnl_obj_nlmsg_parse(header, object) < 0) {
		errno = object ? EPROTO : ENOMEM;
		nftnl_obj_free(object);
		return MNL_CB_ERROR;
	}
	int r = 0;
	if (nftnl_obj_get_u32(object, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER &&
	    !strcmp(nftnl_obj_get_str(object, NFTNL_OBJ_TABLE), counting->name)) {
		if (counting->table) {
			pf_counter_add(counting->table, nftnl_obj_get_str(object, NFTNL_OBJ_NAME));
			r = counting->table->ruleset->error;
		} else {
			r = counter_value_add(counting, object);
		}
	}
	nftnl_obj_free(object);
	errno = -r;
	return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int dump_objects(struct pf_nft *nft, enum pf_family family, struct counting *counting)
{
	char buffer[512];
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETOBJ, family, NLM_F_DUMP,
							nft->sequence++);

	mnl_attr_put_strz(header, NFTA_OBJ_TABLE, counting->name);
	return nft_request(nft, header, on_object, counting);
}

static int read_table(struct pf_nft *nft, struct reading *reading)
{
	enum pf_family family = reading->table->family;
	int r = dump(nft, NFT_MSG_GETCHAIN, family, reading->name, NULL, on_chain, reading);

	if (!r)
		r = dump(nft, NFT_MSG_GETRULE, family, reading->name, NULL, on_rule, reading);
	if (!r)
		r = read_sets(nft, reading);
	if (!r)
		r = dump_objects(nft, family, &(struct counting){reading->name, reading->table});
	return r;
}

static int read_once(struct pf_nft *nft, struct reading *reading)
{
	uint32_t before, after;
	int r = pf_nft_generation(nft, &before);

	for (size_t i = 0; i < n_families && !r; i++) {
		reading->table = NULL;
		r = dump(nft, NFT_MSG_GETTABLE, families[i], NULL, NULL, on_table, reading);
		if (!r && reading->table)
			r = read_table(nft, reading);
	}
	if (!r)
		r = pf_nft_generation(nft, &after);
	return !r && before != after ? -EINTR : r;
}

/* The names in it were checked by the kernel; only the order is missing. */
static void ruleset_seal_read(struct pf_ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_tables; i++)
		for (size_t k = 0; k < ruleset->tables[i]->n_sets; k++)
			set_elements_sort(ruleset->tables[i]->sets[k]);
	ruleset->is_sealed = ruleset->is_read = true;
}

int pf_nft_read(struct pf_nft *nft, const char *table, struct pf_ruleset **ret_ruleset)
{
	for (unsigned try = 0; try < READ_TRIES; try++) {
		struct reading reading = {.name = table, .ruleset = pf_ruleset_new()};
		if (!reading.ruleset)
			return -ENOMEM;
		int r = read_once(nft, &reading);
		if (!r) {
			ruleset_seal_read(reading.ruleset);
			*ret_ruleset = reading.ruleset;
			return 0;
		}
		pf_ruleset_free(reading.ruleset);
		if (r != -EINTR && r != -ENOENT)
			return r; /* ENOENT: a set or table vanished between two dumps */
	}
	return -EAGAIN;
}

int pf_nft_counters(struct pf_nft *nft, const char *table, struct pf_counter_value **ret_values,
		    size_t *ret_n_values)
{

	for (unsigned try = 0; try < READ_TRIES; try++) {
		struct counting counting = {.name = table};
		int r = 0;
		for (size_t i = 0; i < n_families && !r; i++)
			r = dump_objects(nft, families[i], &counting);
		if (!r) {
			*ret_values = counting.values;
			*ret_n_values = counting.n_values;
			return 0;
		}
		free(counting.values);
		if (r != -EINTR)
			return r;
	}
	return -EAGAIN;
}
