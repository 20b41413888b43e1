/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The expressions of one rule, as the builder makes them. Values are stored the way the kernel's
 * registers hold them, so that comparing two rules is comparing memory. */
#include <podfence/ruleset.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>

#include "internal.h"

static struct expression *expression_add(struct pf_rule *rule, enum expression_kind kind)
{
	if (!rule || rule->chain->table->ruleset->error)
		return NULL;
	struct expression *expressions = vector_grow(rule->chain->table->ruleset, rule->expressions,
						     rule->n_expressions, sizeof(*expressions));
	if (!expressions)
		return NULL;
	rule->expressions = expressions;
	struct expression *expression = &expressions[rule->n_expressions++];
	memset(expression, 0, sizeof(*expression));
	expression->kind = kind;
	return expression;
}

static struct pf_ruleset *rule_ruleset(struct pf_rule *rule)
{
	return rule->chain->table->ruleset;
}

/* An integer as the register holds it after the field was loaded. */
static void value_store(uint8_t target[static 16], const struct field *field, uint64_t value)
{
	for (unsigned i = 0; i < field->length && i < 8; i++) {
		unsigned at = field->is_big_endian ? field->length - 1u - i : i;
		if (at < 16)
			target[at] = (uint8_t)(value >> (8 * i));
	}
}

static void compare_add(struct pf_rule *rule, struct pf_selector selector, bool is_negated,
			const uint64_t *mask, uint64_t value)
{
	struct expression *expression = expression_add(rule, EXPRESSION_COMPARE);

	if (!expression)
		return;
	const struct field *field = &fields[selector.field];
	expression->is_negated = is_negated;
	expression->n_selectors = 1;
	expression->selectors[0] = selector;
	value_store(expression->value, field, value);
	if (mask) {
		expression->has_mask = true;
		value_store(expression->mask, field, *mask);
	}
}

void pf_rule_equal(struct pf_rule *rule, struct pf_selector selector, uint64_t value)
{
	compare_add(rule, selector, false, NULL, value);
}

void pf_rule_not_equal(struct pf_rule *rule, struct pf_selector selector, uint64_t value)
{
	compare_add(rule, selector, true, NULL, value);
}

void pf_rule_flags(struct pf_rule *rule, struct pf_selector selector, uint32_t mask, uint32_t value)
{
	uint64_t wide = mask;

	compare_add(rule, selector, false, &wide, value);
}

void pf_rule_any_flag(struct pf_rule *rule, struct pf_selector selector, uint32_t mask)
{
	uint64_t wide = mask;

	compare_add(rule, selector, true, &wide, 0);
}

void pf_rule_label(struct pf_rule *rule, unsigned bit)
{
	uint64_t none = 0;

	if (bit >= 128 && rule)
		return ruleset_fail(rule_ruleset(rule), -EINVAL, "ct label %u: bits are 0 to 127",
				    bit);
	compare_add(rule, (struct pf_selector){PF_CT_LABEL}, true, &none, 0);
	if (rule && !rule_ruleset(rule)->error) {
		struct expression *expression = &rule->expressions[rule->n_expressions - 1];
		expression->number = bit;
		expression->mask[bit / 8] = (uint8_t)(1u << (bit % 8));
	}
}

void pf_rule_prefix(struct pf_rule *rule, struct pf_selector selector,
		    const struct pf_prefix *prefix)
{
	struct expression *expression = expression_add(rule, EXPRESSION_PREFIX);

	if (!expression)
		return;
	size_t size = pf_address_size(&prefix->address);
	if (fields[selector.field].length != size || !fields[selector.field].is_big_endian ||
	    !prefix->length)
		return ruleset_fail(rule_ruleset(rule), -EINVAL,
				    "chain %s: %s takes no such prefix", rule->chain->name,
				    fields[selector.field].text);
	expression->n_selectors = 1;
	expression->selectors[0] = selector;
	expression->prefix_length = prefix->length;
	memcpy(expression->value, prefix->address.bytes, size);
}

static struct expression *lookup_add(struct pf_rule *rule, enum expression_kind kind,
				     const char *set, const struct pf_selector *selectors,
				     size_t n_selectors)
{
	struct expression *expression = expression_add(rule, kind);

	if (!expression)
		return NULL;
	if (!n_selectors || n_selectors > PF_SELECTORS_MAX) {
		ruleset_fail(rule_ruleset(rule), -EINVAL, "set %s: %zu fields", set, n_selectors);
		return NULL;
	}
	expression->n_selectors = (uint8_t)n_selectors;
	for (size_t i = 0; i < n_selectors; i++)
		expression->selectors[i] = selectors[i];
	name_copy(rule_ruleset(rule), expression->name, set);
	return expression;
}

void pf_rule_lookup(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
		    size_t n_selectors)
{
	lookup_add(rule, EXPRESSION_LOOKUP, set, selectors, n_selectors);
}

void pf_rule_lookup_not(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
			size_t n_selectors)
{
	struct expression *expression = lookup_add(rule, EXPRESSION_LOOKUP, set, selectors,
						   n_selectors);

	if (expression)
		expression->is_negated = true;
}

void pf_rule_vmap(struct pf_rule *rule, const char *map, const struct pf_selector *selectors,
		  size_t n_selectors)
{
	lookup_add(rule, EXPRESSION_VMAP, map, selectors, n_selectors);
}

void pf_rule_set_mark_map(struct pf_rule *rule, const char *map,
			  const struct pf_selector *selectors, size_t n_selectors)
{
	lookup_add(rule, EXPRESSION_SET_MARK_MAP, map, selectors, n_selectors);
}

void pf_rule_limit(struct pf_rule *rule, const struct pf_rate *rate)
{
	struct expression *expression = expression_add(rule, EXPRESSION_LIMIT);

	if (expression)
		expression->rate = *rate;
}

void pf_rule_set_add(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
		     size_t n_selectors)
{
	lookup_add(rule, EXPRESSION_SET_ADD, set, selectors, n_selectors);
}

void pf_rule_set_meter(struct pf_rule *rule, const char *set, const struct pf_selector *selectors,
		       size_t n_selectors, const struct pf_rate *rate)
{
	struct expression *expression = lookup_add(rule, EXPRESSION_SET_METER, set, selectors,
						   n_selectors);

	if (expression)
		expression->rate = *rate;
}

void pf_rule_counter(struct pf_rule *rule, const char *counter)
{
	struct expression *expression = expression_add(rule, EXPRESSION_COUNTER);

	if (expression)
		name_copy(rule_ruleset(rule), expression->name, counter);
}

void pf_rule_log(struct pf_rule *rule, uint16_t group, uint32_t copy_bytes,
		 uint16_t queue_threshold, const char *prefix)
{
	struct expression *expression = expression_add(rule, EXPRESSION_LOG);

	if (!expression)
		return;
	if (strlen(prefix) >= PF_LOG_PREFIX)
		return ruleset_fail(rule_ruleset(rule), -ENAMETOOLONG, "log prefix \"%s\"", prefix);
	expression->number = group;
	expression->copy_bytes = copy_bytes;
	expression->queue_threshold = queue_threshold;
	memcpy(expression->prefix, prefix, strlen(prefix) + 1);
}

void pf_rule_set_mark(struct pf_rule *rule, uint32_t mark)
{
	struct expression *expression = expression_add(rule, EXPRESSION_SET_MARK);

	if (expression)
		expression->number = mark;
}

void pf_rule_set_label(struct pf_rule *rule, unsigned bit)
{
	struct expression *expression = expression_add(rule, EXPRESSION_SET_LABEL);

	if (!expression)
		return;
	if (bit >= 128)
		return ruleset_fail(rule_ruleset(rule), -EINVAL, "ct label %u: bits are 0 to 127",
				    bit);
	expression->number = bit;
	expression->value[bit / 8] = (uint8_t)(1u << (bit % 8));
}

void pf_rule_reject(struct pf_rule *rule, enum pf_reject reject)
{
	struct expression *expression = expression_add(rule, EXPRESSION_REJECT);

	if (expression)
		expression->number = reject;
}

void pf_rule_verdict(struct pf_rule *rule, enum pf_verdict verdict, const char *chain)
{
	struct expression *expression = expression_add(rule, EXPRESSION_VERDICT);

	if (!expression)
		return;
	expression->number = verdict;
	if (chain)
		name_copy(rule_ruleset(rule), expression->name, chain);
}
