/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "machine.h"

#include <arpa/inet.h>
#include <string.h>

#include "internal.h"
#include "test.h"

#define DEPTH_MAX 16 /* NFT_JUMP_STACK_SIZE */

enum progress { STEP_NEXT, STEP_BREAK, STEP_VERDICT };

struct machine {
	const struct pf_table *table;
	const struct machine_packet *packet;
	struct machine_outcome outcome;
	enum pf_verdict verdict; /* of the rule at hand */
	const char *chain;	 /* where it leads */
};

static bool has_dependency(const struct machine_packet *packet, enum dependency needs)
{
	switch (needs) {
	case NEEDS_IP: return packet->destination.family == AF_INET;
	case NEEDS_IP6: return packet->destination.family == AF_INET6;
	case NEEDS_TCP: return packet->protocol == 6;
	case NEEDS_UDP: return packet->protocol == 17;
	case NEEDS_NOTHING: return true;
	default: return false;
	}
}

static bool load_integer(uint8_t *bytes, const struct field *field, uint64_t value)
{
	for (unsigned i = 0; i < field->length && i < 8; i++)
		bytes[field->is_big_endian ? field->length - 1u - i : i] = (uint8_t)(value >>
										     (8 * i));
	return true;
}

static bool load_address(uint8_t *bytes, const struct field *field,
			 const struct pf_address *address)
{
	memcpy(bytes, address->bytes, field->length);
	return true;
}

/* A field of the packet as its register holds it; false: the rule ends here. */
static bool load(const struct machine_packet *packet, const struct pf_selector *selector,
		 uint8_t *bytes)
{
	const struct field *field = &fields[selector->field];

	if (!has_dependency(packet, field->needs))
		return false;
	switch (selector->field) {
	case PF_IIF: return load_integer(bytes, field, packet->iif);
	case PF_NFPROTO: return load_integer(bytes, field, packet->destination.family);
	case PF_L4PROTO: return load_integer(bytes, field, packet->protocol);
	case PF_MARK: return load_integer(bytes, field, 0);
	case PF_TCP_FLAGS: return load_integer(bytes, field, 2 /* SYN */);
	case PF_TH_SPORT:
		return (packet->has_ports || packet->protocol == 1 || packet->protocol == 58) &&
		       load_integer(bytes, field, 2048);
	case PF_IP_SADDR:
	case PF_IP6_SADDR: return load_address(bytes, field, &packet->source);
	case PF_IP_DADDR:
	case PF_IP6_DADDR: return load_address(bytes, field, &packet->destination);
	case PF_UDP_DPORT:
	case PF_TH_DPORT:
		return packet->has_ports && load_integer(bytes, field, packet->destination_port);
	case PF_CT_DIRECTION: return load_integer(bytes, field, packet->is_reply);
	case PF_CT_STATE: return load_integer(bytes, field, 8 /* new */);
	case PF_CT_LABEL: memset(bytes, packet->has_label ? 0xff : 0, field->length); return true;
	case PF_CGROUP:
		return packet->cgroups[selector->level] &&
		       load_integer(bytes, field, packet->cgroups[selector->level]);
	case PF_FIB_SADDR_IIF: return load_integer(bytes, field, 1);
	case PF_FIB_SADDR_TYPE: return load_integer(bytes, field, 2 /* RTN_LOCAL */);
	case PF_FIB_DADDR_TYPE: return load_integer(bytes, field, packet->is_to_local ? 2 : 1);
	case PF_LOOSE_SOURCE_ROUTE:
	case PF_STRICT_SOURCE_ROUTE: return load_integer(bytes, field, 0);
	default: fail_msg("the machine does not know %s", field->text);
	}
	return false;
}

static bool load_key(const struct machine_packet *packet, const struct expression *expression,
		     uint8_t key[static PF_KEY_MAX])
{
	size_t at = 0;

	memset(key, 0, PF_KEY_MAX);
	for (size_t i = 0; i < expression->n_selectors; i++) {
		if (!load(packet, &expression->selectors[i], key + at))
			return false;
		at += (fields[expression->selectors[i].field].length + 3u) & ~3u;
	}
	return true;
}

static bool is_within(const struct pf_set *set, const struct element *element, const uint8_t *key)
{
	size_t at = 0;

	for (size_t i = 0; i < set->n_selectors; i++) {
		size_t length = fields[set->selectors[i].field].length;
		if (memcmp(key + at, element->key + at, length) < 0 ||
		    memcmp(key + at, element->key_end + at, length) > 0)
			return false;
		at += (length + 3u) & ~3u;
	}
	return true;
}

static const struct element *find(const struct pf_set *set, const uint8_t *key)
{
	const struct element *found = NULL;

	for (size_t i = 0; i < set->n_elements; i++) {
		const struct element *element = &set->elements[i];
		if (set->is_interval ? !is_within(set, element, key)
				     : memcmp(element->key, key, set->key_length) != 0)
			continue;
		if (found)
			fail_msg("set %s: two elements hold one key", set->name);
		found = element;
	}
	return found;
}

static enum progress compare(const struct machine *machine, const struct expression *expression)
{
	const struct field *field = &fields[expression->selectors[0].field];
	uint8_t bytes[16] = {};

	if (!load(machine->packet, &expression->selectors[0], bytes))
		return STEP_BREAK;
	for (unsigned i = 0; expression->has_mask && i < field->length; i++)
		bytes[i] &= expression->mask[i];
	bool is_equal = !memcmp(bytes, expression->value, field->length);
	return is_equal != expression->is_negated ? STEP_NEXT : STEP_BREAK;
}

static enum progress compare_prefix(const struct machine *machine,
				    const struct expression *expression)
{
	uint8_t bytes[16] = {};

	if (!load(machine->packet, &expression->selectors[0], bytes))
		return STEP_BREAK;
	for (unsigned bit = 0; bit < expression->prefix_length; bit++)
		if ((bytes[bit / 8] ^ expression->value[bit / 8]) & (0x80 >> (bit % 8)))
			return STEP_BREAK;
	return STEP_NEXT;
}

static enum progress look_up(struct machine *machine, const struct expression *expression)
{
	const struct pf_set *set = table_set_find(machine->table, expression->name);
	uint8_t key[PF_KEY_MAX];

	if (!load_key(machine->packet, expression, key))
		return STEP_BREAK;
	const struct element *element = find(set, key);
	if (expression->kind == EXPRESSION_LOOKUP)
		return (element != NULL) != expression->is_negated ? STEP_NEXT : STEP_BREAK;
	if (!element)
		return STEP_BREAK;
	if (expression->kind == EXPRESSION_SET_MARK_MAP)
		return STEP_NEXT;
	machine->verdict = element->verdict;
	machine->chain = element->chain;
	return STEP_VERDICT;
}

static enum progress reject(struct machine *machine, const struct expression *expression)
{
	if (expression->number == PF_REJECT_TCP_RESET && machine->packet->protocol != 6)
		return STEP_BREAK;
	machine->outcome.is_rejected = true;
	machine->verdict = PF_DROP;
	return STEP_VERDICT;
}

static enum progress run_expression(struct machine *machine, const struct expression *expression)
{
	switch (expression->kind) {
	case EXPRESSION_COMPARE: return compare(machine, expression);
	case EXPRESSION_PREFIX: return compare_prefix(machine, expression);
	case EXPRESSION_LOOKUP:
	case EXPRESSION_VMAP:
	case EXPRESSION_SET_MARK_MAP: return look_up(machine, expression);
	case EXPRESSION_COUNTER:
		strcpy(machine->outcome.counter, expression->name);
		return STEP_NEXT;
	case EXPRESSION_LOG: strcpy(machine->outcome.prefix, expression->prefix); return STEP_NEXT;
	case EXPRESSION_REJECT: return reject(machine, expression);
	case EXPRESSION_VERDICT:
		machine->verdict = (enum pf_verdict)expression->number;
		machine->chain = expression->name;
		return STEP_VERDICT;
	default: return STEP_NEXT;
	}
}

/* The verdict of the first rule that has one; PF_RETURN at the end of the chain. */
static void run_chain(struct machine *machine, const struct pf_chain *chain, unsigned depth)
{
	if (depth > DEPTH_MAX)
		fail_msg("chain %s is deeper than a kernel goes", chain->name);
	for (size_t i = 0; i < chain->n_rules; i++) {
		enum progress step = STEP_NEXT;
		for (size_t k = 0; k < chain->rules[i]->n_expressions && step == STEP_NEXT; k++)
			step = run_expression(machine, &chain->rules[i]->expressions[k]);
		if (step != STEP_VERDICT)
			continue;
		enum pf_verdict verdict = machine->verdict;
		if (verdict == PF_JUMP || verdict == PF_GOTO)
			run_chain(machine, table_chain_find(machine->table, machine->chain),
				  depth + (verdict == PF_JUMP));
		if (verdict != PF_JUMP || machine->verdict != PF_RETURN)
			return;
	}
	machine->verdict = PF_RETURN;
}

struct machine_outcome machine_run(const struct pf_ruleset *ruleset, const char *base_chain,
				   const struct machine_packet *packet)
{
	struct machine machine = {
		.table = ruleset_table_find(ruleset, PF_FAMILY_INET, "podfence"),
		.packet = packet,
	};

	run_chain(&machine, table_chain_find(machine.table, base_chain), 0);
	machine.outcome.verdict = machine.verdict == PF_DROP ? PF_DROP : PF_ACCEPT;
	return machine.outcome;
}
