/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A rule as the kernel's register machine runs it: one small function per kind of node, each of
 * which builds its expressions checked or fails the rule. The order of expressions and the choice
 * of registers are those of nft (src/netlink_linearize.c), so that `nft` given our printed text
 * makes the same bytes.
 *
 * Registers are numbered the way the kernel reports them (nft_dump_register()): every fourth 32 bit
 * register by its 128 bit name. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "internal.h"

/* The rule being encoded. error sticks, as in the builder. */
struct encoder {
	struct nftnl_rule *rule;
	enum pf_family family;
	unsigned satisfied; /* bit per enum dependency */
	int error;
};

static uint32_t register_number(size_t word)
{
	return word % 4 ? NFT_REG32_00 + (uint32_t)word : NFT_REG_1 + (uint32_t)word / 4;
}

static struct nftnl_expr *expr_new(struct encoder *encoder, const char *name)
{
	struct nftnl_expr *expr = encoder->error ? NULL : nftnl_expr_alloc(name);

	if (!expr && !encoder->error)
		encoder->error = -ENOMEM;
	if (expr)
		nftnl_rule_add_expr(encoder->rule, expr);
	return expr;
}

static void expr_set_data(struct encoder *encoder, struct nftnl_expr *expr, uint16_t attribute,
			  const void *data, size_t length)
{
	if (nftnl_expr_set(expr, attribute, data, (uint32_t)length) < 0)
		encoder->error = -ENOMEM;
}

static void expr_set_text(struct encoder *encoder, struct nftnl_expr *expr, uint16_t attribute,
			  const char *text)
{
	if (nftnl_expr_set_str(expr, attribute, text) < 0)
		encoder->error = -ENOMEM;
}

static void load_meta(struct encoder *encoder, uint32_t key, uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, target);
}

static void load_payload(struct encoder *encoder, uint32_t base, uint32_t offset, size_t length,
			 uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, target);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)length);
}

static void load_ct(struct encoder *encoder, uint32_t key, uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, target);
}

static void load_socket(struct encoder *encoder, const struct pf_selector *selector,
			uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "socket");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_KEY, fields[selector->field].key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_DREG, target);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_LEVEL, selector->level);
}

static void load_fib(struct encoder *encoder, const struct field *field, uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "fib");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, target);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, field->key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, field->offset);
}

static void load_ip_option(struct encoder *encoder, const struct field *field, uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "exthdr");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_DREG, target);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)field->key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OFFSET, 0);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_LEN, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV4);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
}

static void load(struct encoder *encoder, const struct pf_selector *selector, size_t length,
		 uint32_t target)
{
	const struct field *field = &fields[selector->field];

	switch (field->layer) {
	case LAYER_META: load_meta(encoder, field->key, target); break;
	case LAYER_LINK:
		load_payload(encoder, NFT_PAYLOAD_LL_HEADER, field->offset, length, target);
		break;
	case LAYER_NETWORK:
		load_payload(encoder, NFT_PAYLOAD_NETWORK_HEADER, field->offset, length, target);
		break;
	case LAYER_TRANSPORT:
		load_payload(encoder, NFT_PAYLOAD_TRANSPORT_HEADER, field->offset, length, target);
		break;
	case LAYER_CT: load_ct(encoder, field->key, target); break;
	case LAYER_SOCKET: load_socket(encoder, selector, target); break;
	case LAYER_FIB: load_fib(encoder, field, target); break;
	case LAYER_IP_OPTION: load_ip_option(encoder, field, target); break;
	}
}

static void compare(struct encoder *encoder, bool is_negated, const void *value, size_t length)
{
	struct nftnl_expr *expr = expr_new(encoder, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, is_negated ? NFT_CMP_NEQ : NFT_CMP_EQ);
	expr_set_data(encoder, expr, NFTNL_EXPR_CMP_DATA, value, length);
}

static void mask(struct encoder *encoder, const void *bits, size_t length)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = expr_new(encoder, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, (uint32_t)length);
	expr_set_data(encoder, expr, NFTNL_EXPR_BITWISE_MASK, bits, length);
	expr_set_data(encoder, expr, NFTNL_EXPR_BITWISE_XOR, zero, length);
}

static void need_l4proto(struct encoder *encoder, uint8_t protocol)
{
	load_meta(encoder, NFT_META_L4PROTO, NFT_REG_1);
	compare(encoder, false, &protocol, 1);
}

/* meta protocol, or the frame's own type where nft looks there (arp and icmpv6 in the bridge
 * family). */
static void need_ethertype(struct encoder *encoder, uint16_t type, bool in_frame)
{
	uint16_t network = htons(type);

	if (in_frame)
		load_payload(encoder, NFT_PAYLOAD_LL_HEADER, 12, 2, NFT_REG_1);
	else
		load_meta(encoder, NFT_META_PROTOCOL, NFT_REG_1);
	compare(encoder, false, &network, 2);
}

static void need_nfproto(struct encoder *encoder, uint8_t protocol)
{
	load_meta(encoder, NFT_META_NFPROTO, NFT_REG_1);
	compare(encoder, false, &protocol, 1);
}

static void need(struct encoder *encoder, enum dependency dependency)
{
	bool is_bridge = encoder->family == PF_FAMILY_BRIDGE;

	if (dependency == NEEDS_NOTHING || encoder->satisfied & 1u << dependency)
		return;
	encoder->satisfied |= 1u << dependency;
	switch (dependency) {
	case NEEDS_NOTHING: break;
	case NEEDS_IP:
		is_bridge ? need_ethertype(encoder, 0x0800, false)
			  : need_nfproto(encoder, NFPROTO_IPV4);
		break;
	case NEEDS_IP6:
		is_bridge ? need_ethertype(encoder, 0x86dd, false)
			  : need_nfproto(encoder, NFPROTO_IPV6);
		break;
	case NEEDS_ARP: need_ethertype(encoder, 0x0806, true); break;
	case NEEDS_TCP: need_l4proto(encoder, IPPROTO_TCP); break;
	case NEEDS_UDP: need_l4proto(encoder, IPPROTO_UDP); break;
	case NEEDS_ICMPV6:
		if (is_bridge)
			need_ethertype(encoder, 0x86dd, true);
		need_l4proto(encoder, IPPROTO_ICMPV6);
		break;
	}
}

/* Ranges are compared from the first byte on, so what a register holds in host order is turned
 * round. nft does it to single bytes too (size 2), where the kernel does nothing. */
static void turn_round(struct encoder *encoder, size_t length, uint32_t target)
{
	struct nftnl_expr *expr = expr_new(encoder, "byteorder");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SREG, target);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_DREG, target);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_LEN, (uint32_t)length);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SIZE, length <= 2 ? 2 : (uint32_t)length);
}

static void load_all(struct encoder *encoder, const struct expression *expression)
{
	size_t word = 0;

	for (size_t i = 0; i < expression->n_selectors; i++)
		need(encoder, fields[expression->selectors[i].field].needs);
	for (size_t i = 0; i < expression->n_selectors; i++) {
		const struct pf_selector *selector = &expression->selectors[i];
		size_t length = fields[selector->field].length;
		load(encoder, selector, length, register_number(word));
		if (expression->is_of_ranges && !fields[selector->field].is_big_endian)
			turn_round(encoder, length, register_number(word));
		word += (length + 3) / 4;
	}
}

static void encode_compare(struct encoder *encoder, const struct expression *expression)
{
	size_t length = fields[expression->selectors[0].field].length;

	load_all(encoder, expression);
	if (expression->has_mask)
		mask(encoder, expression->mask, length);
	compare(encoder, expression->is_negated, expression->value, length);
}

/* A prefix of whole bytes is a shorter load, as nft does it; any other needs a mask. */
static void encode_prefix(struct encoder *encoder, const struct expression *expression)
{
	const struct pf_selector *selector = &expression->selectors[0];
	size_t size = fields[selector->field].length, bits = expression->prefix_length;
	uint8_t netmask[16] = {};

	need(encoder, fields[selector->field].needs);
	if (bits % 8 == 0) {
		load(encoder, selector, bits / 8, NFT_REG_1);
		compare(encoder, expression->is_negated, expression->value, bits / 8);
		return;
	}
	for (size_t i = 0; i < bits; i++)
		netmask[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	load(encoder, selector, size, NFT_REG_1);
	mask(encoder, netmask, size);
	compare(encoder, expression->is_negated, expression->value, size);
}

static struct nftnl_expr *encode_lookup(struct encoder *encoder,
					const struct expression *expression)
{
	load_all(encoder, expression);
	struct nftnl_expr *expr = expr_new(encoder, "lookup");
	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	expr_set_text(encoder, expr, NFTNL_EXPR_LOOKUP_SET, expression->name);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS,
			   expression->is_negated ? NFT_LOOKUP_F_INV : 0);
	if (expression->kind == EXPRESSION_VMAP)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	if (expression->kind == EXPRESSION_SET_MARK_MAP)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
	return expr;
}

static void encode_immediate(struct encoder *encoder, const void *bytes, size_t length)
{
	struct nftnl_expr *expr = expr_new(encoder, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	expr_set_data(encoder, expr, NFTNL_EXPR_IMM_DATA, bytes, length);
}

static void encode_set_meta_mark(struct encoder *encoder)
{
	struct nftnl_expr *expr = expr_new(encoder, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

static void encode_set_label(struct encoder *encoder, const struct expression *expression)
{
	encode_immediate(encoder, expression->value, sizeof(expression->value));
	struct nftnl_expr *expr = expr_new(encoder, "ct");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_LABELS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_SREG, NFT_REG_1);
}

static void encode_log(struct encoder *encoder, const struct expression *expression)
{
	struct nftnl_expr *expr = expr_new(encoder, "log");

	if (!expr)
		return;
	expr_set_text(encoder, expr, NFTNL_EXPR_LOG_PREFIX, expression->prefix);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, (uint16_t)expression->number);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_SNAPLEN, expression->copy_bytes);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_QTHRESHOLD, (uint16_t)expression->queue_threshold);
}

static void limit_set(struct nftnl_expr *expr, const struct pf_rate *rate)
{
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, rate->per_second);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, rate->burst);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, 0);
}

static void encode_limit(struct encoder *encoder, const struct expression *expression)
{
	struct nftnl_expr *expr = expr_new(encoder, "limit");

	if (expr)
		limit_set(expr, &expression->rate);
}

/* The counter of an element is the set's; a rate is the rule's. */
static void encode_set_update(struct encoder *encoder, const struct expression *expression)
{
	bool is_meter = expression->kind == EXPRESSION_SET_METER;

	load_all(encoder, expression);
	struct nftnl_expr *expr = expr_new(encoder, "dynset");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP,
			   is_meter ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	expr_set_text(encoder, expr, NFTNL_EXPR_DYNSET_SET_NAME, expression->name);
	if (!is_meter)
		return;
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");
	if (!limit) {
		encoder->error = -ENOMEM;
		return;
	}
	limit_set(limit, &expression->rate);
	nftnl_expr_set(expr, NFTNL_EXPR_DYNSET_EXPR, limit, 0);
}

static void encode_counter(struct encoder *encoder, const struct expression *expression)
{
	struct nftnl_expr *expr = expr_new(encoder, "objref");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	expr_set_text(encoder, expr, NFTNL_EXPR_OBJREF_IMM_NAME, expression->name);
}

static void encode_reject(struct encoder *encoder, const struct expression *expression)
{
	bool is_reset = expression->number == PF_REJECT_TCP_RESET;

	if (is_reset)
		need(encoder, NEEDS_TCP);
	struct nftnl_expr *expr = expr_new(encoder, "reject");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE,
			   is_reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE,
			  is_reset ? 0 : NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

uint32_t verdict_code(enum pf_verdict verdict)
{
	switch (verdict) {
	case PF_ACCEPT: return NF_ACCEPT;
	case PF_DROP: return NF_DROP;
	case PF_RETURN: return (uint32_t)NFT_RETURN;
	case PF_JUMP: return (uint32_t)NFT_JUMP;
	case PF_GOTO: return (uint32_t)NFT_GOTO;
	}
	return NF_DROP;
}

static void encode_verdict(struct encoder *encoder, const struct expression *expression)
{
	struct nftnl_expr *expr = expr_new(encoder, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT,
			   verdict_code((enum pf_verdict)expression->number));
	if (expression->name[0])
		expr_set_text(encoder, expr, NFTNL_EXPR_IMM_CHAIN, expression->name);
}

static void encode_expression(struct encoder *encoder, const struct expression *expression)
{
	switch (expression->kind) {
	case EXPRESSION_COMPARE: encode_compare(encoder, expression); break;
	case EXPRESSION_PREFIX: encode_prefix(encoder, expression); break;
	case EXPRESSION_LOOKUP:
	case EXPRESSION_VMAP: encode_lookup(encoder, expression); break;
	case EXPRESSION_COUNTER: encode_counter(encoder, expression); break;
	case EXPRESSION_LOG: encode_log(encoder, expression); break;
	case EXPRESSION_LIMIT: encode_limit(encoder, expression); break;
	case EXPRESSION_SET_ADD:
	case EXPRESSION_SET_METER: encode_set_update(encoder, expression); break;
	case EXPRESSION_SET_MARK:
		encode_immediate(encoder, &expression->number, sizeof(expression->number));
		encode_set_meta_mark(encoder);
		break;
	case EXPRESSION_SET_MARK_MAP:
		encode_lookup(encoder, expression);
		encode_set_meta_mark(encoder);
		break;
	case EXPRESSION_SET_LABEL: encode_set_label(encoder, expression); break;
	case EXPRESSION_REJECT: encode_reject(encoder, expression); break;
	case EXPRESSION_VERDICT: encode_verdict(encoder, expression); break;
	}
}

/* A lone `meta l4proto N` saves a later match the need to say it again, as in nft. */
static void note_satisfied(struct encoder *encoder, const struct expression *expression)
{
	if (expression->kind != EXPRESSION_COMPARE || expression->is_negated ||
	    expression->has_mask || expression->selectors[0].field != PF_L4PROTO)
		return;
	switch (expression->value[0]) {
	case IPPROTO_TCP: encoder->satisfied |= 1u << NEEDS_TCP; break;
	case IPPROTO_UDP: encoder->satisfied |= 1u << NEEDS_UDP; break;
	}
}

int rule_encode(const struct pf_rule *rule, struct nftnl_rule **ret_rule)
{
	struct encoder encoder = {.rule = nftnl_rule_alloc(), .family = rule->chain->table->family};

	if (!encoder.rule)
		return -ENOMEM;
	if (nftnl_rule_set_str(encoder.rule, NFTNL_RULE_TABLE, rule->chain->table->name) < 0 ||
	    nftnl_rule_set_str(encoder.rule, NFTNL_RULE_CHAIN, rule->chain->name) < 0)
		encoder.error = -ENOMEM;
	nftnl_rule_set_u32(encoder.rule, NFTNL_RULE_FAMILY, rule->chain->table->family);
	if (!rule->n_expressions) /* read from the kernel: there is nothing to send */
		encoder.error = -EINVAL;
	for (size_t i = 0; i < rule->n_expressions; i++) {
		encode_expression(&encoder, &rule->expressions[i]);
		note_satisfied(&encoder, &rule->expressions[i]);
	}
	if (encoder.error) {
		nftnl_rule_free(encoder.rule);
		return encoder.error;
	}
	*ret_rule = encoder.rule;
	return 0;
}

/* The kernel tells a timeout of a dynset that has none, and refuses to be told so. */
static void timeout_remove(char *text)
{
	static const char none[] = "timeout 0ms ";
	char *at = strstr(text, none);

	if (at)
		memmove(at, at + strlen(none), strlen(at + strlen(none)) + 1);
}

/* libnftnl leaves the level of a socket expression out of its text, and it decides who is meant. */
static void expr_print(const struct nftnl_expr *expr, FILE *stream)
{
	char text[512];

	if (nftnl_expr_snprintf(text, sizeof(text), expr, NFTNL_OUTPUT_DEFAULT, 0) < 0)
		text[0] = '\0';
	if (!strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "dynset"))
		timeout_remove(text);
	fprintf(stream, "[ %s %s", nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), text);
	if (!strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "socket"))
		fprintf(stream, "level %u ", nftnl_expr_get_u32(expr, NFTNL_EXPR_SOCKET_LEVEL));
	fputs("]\n", stream);
}

int nftnl_rule_bytecode(const struct nftnl_rule *rule, char **ret_bytecode)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		return -ENOMEM;
	struct nftnl_expr_iter *iterator = nftnl_expr_iter_create(rule);
	if (iterator)
		for (struct nftnl_expr *expr = nftnl_expr_iter_next(iterator); expr;
		     expr = nftnl_expr_iter_next(iterator))
			expr_print(expr, stream);
	bool is_good = iterator && !ferror(stream);
	if (iterator)
		nftnl_expr_iter_destroy(iterator);
	if (fclose(stream) != 0 || !is_good) {
		free(text);
		return -ENOMEM;
	}
	*ret_bytecode = text;
	return 0;
}

int rule_bytecode(const struct pf_rule *rule, const char **ret_bytecode)
{
	/* Made once and kept: the value itself does not change by it. */
	struct pf_rule *cache = (struct pf_rule *)rule;

	if (!rule->bytecode) {
		struct nftnl_rule *encoded;
		int r = rule_encode(rule, &encoded);
		if (r < 0)
			return r;
		r = nftnl_rule_bytecode(encoded, &cache->bytecode);
		nftnl_rule_free(encoded);
		if (r < 0)
			return r;
	}
	*ret_bytecode = rule->bytecode;
	return 0;
}

int rule_equal(const struct pf_rule *a, const struct pf_rule *b)
{
	const char *bytecode_a, *bytecode_b;

	if (a->n_expressions && b->n_expressions)
		return a->n_expressions == b->n_expressions &&
		       !memcmp(a->expressions, b->expressions,
			       a->n_expressions * sizeof(*a->expressions));
	int r = rule_bytecode(a, &bytecode_a);
	if (r < 0)
		return r;
	r = rule_bytecode(b, &bytecode_b);
	return r < 0 ? r : !strcmp(bytecode_a, bytecode_b);
}
