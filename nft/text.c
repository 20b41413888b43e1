/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The ruleset value as nft text: what `podfence render` shows, and what the kernel tests give to
 * `nft` to see whether it makes the same bytes of it. */
#include <podfence/ruleset.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "internal.h"

const char *family_text(enum pf_family family)
{
	switch (family) {
	case PF_FAMILY_BRIDGE: return "bridge";
	case PF_FAMILY_NETDEV: return "netdev";
	default: return "inet";
	}
}

static void selectors_print(const struct pf_selector *selectors, size_t n, FILE *stream)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(stream, "%s%s", i ? " . " : "", fields[selectors[i].field].text);
		if (selectors[i].field == PF_CGROUP)
			fprintf(stream, " %u", selectors[i].level);
	}
}

static uint64_t register_integer(const uint8_t *bytes, const struct field *field)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < field->length && i < 8; i++) {
		unsigned at = field->is_big_endian ? field->length - 1u - i : i;
		value |= (uint64_t)bytes[at] << (8 * i);
	}
	return value;
}

static void value_print(const struct field *field, const uint8_t *bytes, FILE *stream)
{
	char text[INET6_ADDRSTRLEN];

	if (!field->type_name && field->is_big_endian) { /* of no type but integer */
		fputs("0x", stream);
		for (size_t i = 0; i < field->length; i++)
			fprintf(stream, "%02x", bytes[i]);
	} else if (field->is_big_endian && field->length == 4)
		fputs(inet_ntop(AF_INET, bytes, text, sizeof(text)), stream);
	else if (field->is_big_endian && field->length == 16)
		fputs(inet_ntop(AF_INET6, bytes, text, sizeof(text)), stream);
	else
		fprintf(stream, "%llu", (unsigned long long)register_integer(bytes, field));
}

static void verdict_print(enum pf_verdict verdict, const char *chain, FILE *stream)
{
	static const char *const words[] = {
		[PF_ACCEPT] = "accept", [PF_DROP] = "drop", [PF_RETURN] = "return",
		[PF_JUMP] = "jump",	[PF_GOTO] = "goto",
	};

	fprintf(stream, "%s%s%s", words[verdict], chain[0] ? " " : "", chain);
}

static void key_print(const struct pf_set *set, const uint8_t *key, FILE *stream)
{
	if (!set->n_selectors) { /* read from the kernel: only its bytes are known */
		fputs("0x", stream);
		for (size_t i = 0; i < set->key_length; i++)
			fprintf(stream, "%02x", key[i]);
		return;
	}
	for (size_t i = 0; i < set->n_selectors; i++) {
		const struct field *field = &fields[set->selectors[i].field];
		fputs(i ? " . " : "", stream);
		value_print(field, key, stream);
		key += (field->length + 3u) & ~3u;
	}
}

static bool is_address(const struct field *field)
{
	return field->type_name && field->is_big_endian &&
	       (field->length == 4 || field->length == 16);
}

static bool bit_is_set(const uint8_t *bytes, unsigned bit)
{
	return bytes[bit / 8] & (0x80u >> (bit % 8));
}

/* How long the prefix is that these two addresses begin and end; false where they are not one. */
static bool find_prefix(const uint8_t *first, const uint8_t *last, unsigned total,
			unsigned *ret_length)
{
	unsigned length = 0;

	while (length < total && bit_is_set(first, length) == bit_is_set(last, length))
		length++;
	for (unsigned i = length; i < total; i++)
		if (bit_is_set(first, i) || !bit_is_set(last, i))
			return false;
	*ret_length = length;
	return true;
}

static void range_print(const struct field *field, const uint8_t *first, const uint8_t *last,
			FILE *stream)
{
	unsigned length;

	value_print(field, first, stream);
	if (!memcmp(first, last, field->length))
		return;
	if (is_address(field) && find_prefix(first, last, 8u * field->length, &length)) {
		fprintf(stream, "/%u", length);
		return;
	}
	fputc('-', stream);
	value_print(field, last, stream);
}

static void interval_print(const struct pf_set *set, const struct element *element, FILE *stream)
{
	size_t at = 0;

	if (!set->n_selectors) {
		key_print(set, element->key, stream);
		fputc('-', stream);
		key_print(set, element->key_end, stream);
	}
	for (size_t i = 0; i < set->n_selectors; i++) {
		const struct field *field = &fields[set->selectors[i].field];
		fputs(i ? " . " : "", stream);
		range_print(field, element->key + at, element->key_end + at, stream);
		at += (field->length + 3u) & ~3u;
	}
}

void element_print(const struct pf_set *set, const struct element *element, FILE *stream)
{
	if (set->is_interval)
		interval_print(set, element, stream);
	else
		key_print(set, element->key, stream);
	if (set->data == PF_DATA_MARK)
		fprintf(stream, " : 0x%x", element->mark);
	if (set->data == PF_DATA_VERDICT) {
		fputs(" : ", stream);
		verdict_print(element->verdict, element->chain, stream);
	}
}

/* nft takes a cgroup by its path and looks that up itself; we know ids. They are shown as a
 * comment, so that the text stays one that nft can load. */
static void elements_print(const struct pf_set *set, FILE *stream)
{
	bool is_comment = false;

	for (size_t i = 0; i < set->n_selectors; i++)
		is_comment |= set->selectors[i].field == PF_CGROUP;
	for (size_t i = 0; i < set->n_elements; i++) {
		fprintf(stream, "\t\t%s%s", is_comment ? "# " : "",
			i ? "             " : "elements = { ");
		element_print(set, &set->elements[i], stream);
		fputs(i + 1 < set->n_elements ? ",\n" : " }\n", stream);
	}
}

static void set_print(const struct pf_set *set, FILE *stream)
{
	bool has_names = true;

	for (size_t i = 0; i < set->n_selectors; i++)
		has_names &= fields[set->selectors[i].field].type_name != NULL;
	fprintf(stream, "\t%s %s {\n\t\t", set->data == PF_DATA_NONE ? "set" : "map", set->name);
	if (!has_names) {
		fputs("typeof ", stream);
		selectors_print(set->selectors, set->n_selectors, stream);
	} else {
		for (size_t i = 0; i < set->n_selectors; i++)
			fprintf(stream, "%s%s", i ? " . " : "type ",
				fields[set->selectors[i].field].type_name);
	}
	fputs(set->data == PF_DATA_VERDICT ? " : verdict\n"
	      : set->data == PF_DATA_MARK  ? " : mark\n"
					   : "\n",
	      stream);
	if (set->size)
		fprintf(stream, "\t\tsize %u\n", set->size);
	if (set->is_interval)
		fputs("\t\tflags interval\n", stream);
	if (set->is_dynamic)
		fprintf(stream, "\t\tflags dynamic%s\n", set->timeout_seconds ? ",timeout" : "");
	if (set->timeout_seconds)
		fprintf(stream, "\t\ttimeout %us\n", set->timeout_seconds);
	if (set->has_counter)
		fputs("\t\tcounter\n", stream);
	elements_print(set, stream);
	fputs("\t}\n", stream);
}

/* Words where nft has words: a person reads "local", not 2. */
static bool word_print(enum pf_field field, uint64_t value, FILE *stream)
{
	const char *word = NULL;

	if (field == PF_CT_DIRECTION)
		word = value ? "reply" : "original";
	else if (field == PF_FIB_SADDR_IIF || field == PF_LOOSE_SOURCE_ROUTE ||
		 field == PF_STRICT_SOURCE_ROUTE)
		word = value ? "exists" : "missing";
	else if ((field == PF_FIB_SADDR_TYPE || field == PF_FIB_DADDR_TYPE) && value == 2)
		word = "local"; /* RTN_LOCAL */
	else if (field == PF_L4PROTO && value == 6)
		word = "tcp";
	else if (field == PF_NFPROTO)
		word = value == 2 ? "ipv4" : value == 10 ? "ipv6" : NULL; /* AF_INET, AF_INET6 */
	if (word)
		fputs(word, stream);
	return word != NULL;
}

static void flags_print(enum pf_field field, uint64_t bits, FILE *stream)
{
	static const char *const tcp[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
	static const struct {
		uint32_t bit;
		const char *word;
	} states[] = {
		{1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"}};
	const char *separator = "";

	if (field == PF_TCP_FLAGS) {
		for (unsigned i = 0; i < 8; i++)
			if (bits & 1u << i) {
				fprintf(stream, "%s%s", separator, tcp[i]);
				separator = " | ";
			}
		return;
	}
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (bits & states[i].bit) {
			fprintf(stream, "%s%s", separator, states[i].word);
			separator = ",";
		}
}

static void compare_print(const struct expression *expression, FILE *stream)
{
	enum pf_field id = expression->selectors[0].field;
	const struct field *field = &fields[id];
	uint64_t value = register_integer(expression->value, field);

	selectors_print(expression->selectors, 1, stream);
	if (id == PF_CT_LABEL) {
		fprintf(stream, " %u", expression->number);
	} else if (expression->has_mask && id == PF_TCP_FLAGS) {
		fputs(" & (", stream);
		flags_print(id, register_integer(expression->mask, field), stream);
		fputs(expression->is_negated ? ") != " : ") == ", stream);
		if (value)
			flags_print(id, value, stream);
		else
			fputc('0', stream);
	} else if (expression->has_mask) {
		fputc(' ', stream);
		flags_print(id, register_integer(expression->mask, field), stream);
	} else {
		fputs(expression->is_negated ? " != " : " ", stream);
		if (!word_print(id, value, stream))
			value_print(field, expression->value, stream);
	}
}

static void prefix_print(const struct expression *expression, FILE *stream)
{
	const struct field *field = &fields[expression->selectors[0].field];

	selectors_print(expression->selectors, 1, stream);
	fputc(' ', stream);
	value_print(field, expression->value, stream);
	if (expression->prefix_length < 8 * field->length)
		fprintf(stream, "/%u", expression->prefix_length);
}

static void log_print(const struct expression *expression, FILE *stream)
{
	fprintf(stream, "log prefix \"%s\" group %u snaplen %u", expression->prefix,
		expression->number, expression->copy_bytes);
	if (expression->queue_threshold)
		fprintf(stream, " queue-threshold %u", expression->queue_threshold);
}

static void limit_print(const struct expression *expression, FILE *stream)
{
	fprintf(stream, "limit rate %u/second burst %u packets", expression->rate.per_second,
		expression->rate.burst);
}

static void set_update_print(const struct expression *expression, FILE *stream)
{
	bool is_meter = expression->kind == EXPRESSION_SET_METER;

	fprintf(stream, "%s @%s { ", is_meter ? "update" : "add", expression->name);
	selectors_print(expression->selectors, expression->n_selectors, stream);
	if (is_meter) {
		fputc(' ', stream);
		limit_print(expression, stream);
	}
	fputs(" }", stream);
}

static void expression_print(const struct expression *expression, FILE *stream)
{
	switch (expression->kind) {
	case EXPRESSION_COMPARE: compare_print(expression, stream); break;
	case EXPRESSION_PREFIX: prefix_print(expression, stream); break;
	case EXPRESSION_LOOKUP:
		selectors_print(expression->selectors, expression->n_selectors, stream);
		fprintf(stream, " %s@%s", expression->is_negated ? "!= " : "", expression->name);
		break;
	case EXPRESSION_VMAP:
		selectors_print(expression->selectors, expression->n_selectors, stream);
		fprintf(stream, " vmap @%s", expression->name);
		break;
	case EXPRESSION_COUNTER: fprintf(stream, "counter name \"%s\"", expression->name); break;
	case EXPRESSION_LOG: log_print(expression, stream); break;
	case EXPRESSION_LIMIT: limit_print(expression, stream); break;
	case EXPRESSION_SET_ADD:
	case EXPRESSION_SET_METER: set_update_print(expression, stream); break;
	case EXPRESSION_SET_MARK: fprintf(stream, "meta mark set 0x%x", expression->number); break;
	case EXPRESSION_SET_MARK_MAP:
		fputs("meta mark set ", stream);
		selectors_print(expression->selectors, expression->n_selectors, stream);
		fprintf(stream, " map @%s", expression->name);
		break;
	case EXPRESSION_SET_LABEL: fprintf(stream, "ct label set %u", expression->number); break;
	case EXPRESSION_REJECT:
		fputs(expression->number == PF_REJECT_TCP_RESET
			      ? "meta l4proto tcp reject with tcp reset"
			      : "reject with icmpx admin-prohibited",
		      stream);
		break;
	case EXPRESSION_VERDICT:
		verdict_print((enum pf_verdict)expression->number, expression->name, stream);
		break;
	}
}

void rule_print(const struct pf_rule *rule, FILE *stream)
{
	if (!rule->n_expressions)
		fputs("(bytecode)", stream);
	for (size_t i = 0; i < rule->n_expressions; i++) {
		fputs(i ? " " : "", stream);
		expression_print(&rule->expressions[i], stream);
	}
}

static void chain_print(const struct pf_chain *chain, FILE *stream)
{
	static const char *const hooks[] = {"prerouting", "input", "forward", "output",
					    "postrouting"};

	fprintf(stream, "\tchain %s {\n", chain->name);
	if (chain->device[0])
		fprintf(stream,
			"\t\ttype filter hook egress device \"%s\" priority %d; policy accept;\n",
			chain->device, chain->priority);
	else if (chain->is_base)
		fprintf(stream, "\t\ttype filter hook %s priority %d; policy accept;\n",
			hooks[chain->hook], chain->priority);
	for (size_t i = 0; i < chain->n_rules; i++) {
		fputs("\t\t", stream);
		rule_print(chain->rules[i], stream);
		fputc('\n', stream);
	}
	fputs("\t}\n", stream);
}

int pf_ruleset_print(const struct pf_ruleset *ruleset, FILE *stream)
{
	for (size_t i = 0; i < ruleset->n_tables; i++) {
		const struct pf_table *table = ruleset->tables[i];
		fprintf(stream, "table %s %s {\n", family_text(table->family), table->name);
		for (size_t k = 0; k < table->n_counters; k++)
			fprintf(stream, "\tcounter %s {\n\t}\n", table->counters[k].name);
		for (size_t k = 0; k < table->n_sets; k++)
			set_print(table->sets[k], stream);
		for (size_t k = 0; k < table->n_chains; k++)
			chain_print(table->chains[k], stream);
		fputs("}\n", stream);
	}
	return ferror(stream) ? -EIO : 0;
}
