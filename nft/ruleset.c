/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The builder of the ruleset value. Its one idea: an error sticks. The first failure is kept with
 * its sentence, every later call does nothing, and pf_ruleset_seal() reports it; so no caller can
 * forget a check and send a rule that lacks an expression (which would match more than was meant).
 */
#include <podfence/ruleset.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

const enum pf_family families[] = {PF_FAMILY_INET, PF_FAMILY_NETDEV, PF_FAMILY_BRIDGE};
const size_t n_families = sizeof(families) / sizeof(families[0]);

void ruleset_fail(struct pf_ruleset *ruleset, int error, const char *format, ...)
{
	va_list arguments;

	if (ruleset->error)
		return;
	ruleset->error = error;
	va_start(arguments, format);
	vsnprintf(ruleset->error_text, sizeof(ruleset->error_text), format, arguments);
	va_end(arguments);
}

bool name_copy(struct pf_ruleset *ruleset, char target[static PF_NAME_MAX], const char *name)
{
	size_t n = strlen(name);

	if (!n || n >= PF_NAME_MAX) {
		ruleset_fail(ruleset, n ? -ENAMETOOLONG : -EINVAL,
			     "name \"%.64s\" has %zu characters", name, n);
		return false;
	}
	memcpy(target, name, n + 1);
	return true;
}

void *vector_grow(struct pf_ruleset *ruleset, void *vector, size_t n, size_t size)
{
	/* n is a power of two (or 0): full, so twice as much; anything else still has room. */
	if (n & (n - 1))
		return vector;
	void *grown = reallocarray(vector, n ? 2 * n : 1, size);
	if (!grown)
		ruleset_fail(ruleset, -ENOMEM, "no memory");
	return grown;
}

struct pf_ruleset *pf_ruleset_new(void)
{
	return calloc(1, sizeof(struct pf_ruleset));
}

static void rule_free(struct pf_rule *rule)
{
	free(rule->expressions);
	free(rule->bytecode);
	free(rule);
}

static void table_unref(struct pf_table *table)
{
	if (!--table->n_references)
		free(table);
}

static void set_unref(struct pf_set *set)
{
	if (--set->n_references)
		return;
	table_unref(set->table);
	free(set->elements);
	free(set);
}

static void chain_unref(struct pf_chain *chain)
{
	if (--chain->n_references)
		return;
	for (size_t i = 0; i < chain->n_rules; i++)
		rule_free(chain->rules[i]);
	table_unref(chain->table);
	free(chain->rules);
	free(chain);
}

static void table_free(struct pf_table *table)
{
	name_index_done(&table->sets_by_name);
	name_index_done(&table->chains_by_name);
	for (size_t i = 0; i < table->n_sets; i++)
		set_unref(table->sets[i]);
	for (size_t i = 0; i < table->n_chains; i++)
		chain_unref(table->chains[i]);
	free(table->sets);
	free(table->chains);
	free(table->counters);
	table_unref(table);
}

struct pf_ruleset *pf_ruleset_free(struct pf_ruleset *ruleset)
{
	if (!ruleset)
		return NULL;
	for (size_t i = 0; i < ruleset->n_tables; i++)
		table_free(ruleset->tables[i]);
	free(ruleset->tables);
	free(ruleset);
	return NULL;
}

const char *pf_ruleset_error(const struct pf_ruleset *ruleset)
{
	return ruleset->error_text;
}

struct pf_table *ruleset_table_find(const struct pf_ruleset *ruleset, enum pf_family family,
				    const char *name)
{
	for (size_t i = 0; ruleset && i < ruleset->n_tables; i++)
		if (ruleset->tables[i]->family == family && !strcmp(ruleset->tables[i]->name, name))
			return ruleset->tables[i];
	return NULL;
}

struct pf_set *table_set_find(const struct pf_table *table, const char *name)
{
	return table ? name_index_find(&table->sets_by_name, name) : NULL;
}

struct pf_chain *table_chain_find(const struct pf_table *table, const char *name)
{
	return table ? name_index_find(&table->chains_by_name, name) : NULL;
}

struct pf_set *table_set_like(const struct pf_table *table, const struct pf_set *set)
{
	return table ? name_index_find_hashed(&table->sets_by_name, set->name, set->hash) : NULL;
}

struct pf_chain *table_chain_like(const struct pf_table *table, const struct pf_chain *chain)
{
	return table ? name_index_find_hashed(&table->chains_by_name, chain->name, chain->hash)
		     : NULL;
}

bool table_has_counter(const struct pf_table *table, const char *name)
{
	for (size_t i = 0; table && i < table->n_counters; i++)
		if (!strcmp(table->counters[i].name, name))
			return true;
	return false;
}

/* Objects. Each returns NULL once the ruleset has failed, and each takes NULL for its owner. */

bool pf_ruleset_has_table(const struct pf_ruleset *ruleset, enum pf_family family, const char *name)
{
	return ruleset_table_find(ruleset, family, name) != NULL;
}

struct pf_table *pf_table_add(struct pf_ruleset *ruleset, enum pf_family family, const char *name)
{
	if (ruleset->error)
		return NULL;
	if (ruleset_table_find(ruleset, family, name)) {
		ruleset_fail(ruleset, -EEXIST, "table %s stands twice", name);
		return NULL;
	}
	struct pf_table **tables = vector_grow(ruleset, ruleset->tables, ruleset->n_tables,
					       sizeof(*tables));
	if (!tables)
		return NULL;
	ruleset->tables = tables;
	struct pf_table *table = calloc(1, sizeof(*table));
	if (!table || !name_copy(ruleset, table->name, name)) {
		ruleset_fail(ruleset, -ENOMEM, "no memory");
		free(table);
		return NULL;
	}
	table->n_references = 1;
	table->ruleset = ruleset;
	table->family = family;
	return tables[ruleset->n_tables++] = table;
}

void pf_table_fail(struct pf_table *table, int error, const char *text)
{
	if (table)
		ruleset_fail(table->ruleset, error, "%s", text);
}

void pf_counter_add(struct pf_table *table, const char *name)
{
	if (!table || table->ruleset->error)
		return;
	if (table_has_counter(table, name))
		return ruleset_fail(table->ruleset, -EEXIST, "counter %s stands twice", name);
	struct counter *counters = vector_grow(table->ruleset, table->counters, table->n_counters,
					       sizeof(*counters));
	if (!counters)
		return;
	table->counters = counters;
	if (name_copy(table->ruleset, counters[table->n_counters].name, name))
		table->n_counters++;
}

/* Ranges are compared byte by byte, which orders what is big-endian or one byte. */
static bool can_range(const struct pf_selector *selectors, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!fields[selectors[i].field].is_big_endian &&
		    fields[selectors[i].field].length > 1)
			return false;
	return true;
}

/* False where there is no memory for one more. */
static bool table_put_set(struct pf_table *table, struct pf_set *set)
{
	struct pf_set **sets = vector_grow(table->ruleset, table->sets, table->n_sets,
					   sizeof(*sets));

	if (!sets)
		return false;
	table->sets = sets;
	if (!name_index_add(&table->sets_by_name, set->name, set->hash, set))
		return false;
	sets[table->n_sets++] = set;
	set->n_references++;
	return true;
}

static bool table_put_chain(struct pf_table *table, struct pf_chain *chain)
{
	struct pf_chain **chains = vector_grow(table->ruleset, table->chains, table->n_chains,
					       sizeof(*chains));

	if (!chains)
		return false;
	table->chains = chains;
	if (!name_index_add(&table->chains_by_name, chain->name, chain->hash, chain))
		return false;
	chains[table->n_chains++] = chain;
	chain->n_references++;
	return true;
}

struct pf_set *set_new(struct pf_table *table, const char *name)
{
	struct pf_ruleset *ruleset = table->ruleset;

	if (table_set_find(table, name)) {
		ruleset_fail(ruleset, -EEXIST, "set %s stands twice", name);
		return NULL;
	}
	struct pf_set *set = calloc(1, sizeof(*set));
	if (set)
		set->hash = name_hash(name);
	if (!set || !name_copy(ruleset, set->name, name) || !table_put_set(table, set)) {
		ruleset_fail(ruleset, -ENOMEM, "no memory");
		free(set);
		return NULL;
	}
	set->table = table;
	table->n_references++;
	return set;
}

/* Every field of a concatenation begins at a register of four bytes; a lone field is as wide as it
 * is. */
size_t selectors_key_length(const struct pf_selector *selectors, size_t n)
{
	size_t length = 0;

	if (n == 1)
		return fields[selectors[0].field].length;
	for (size_t i = 0; i < n; i++)
		length += (fields[selectors[i].field].length + 3u) & ~3u;
	return length;
}

struct pf_set *pf_set_add(struct pf_table *table, const char *name,
			  const struct pf_set_options *options, const struct pf_selector *selectors,
			  size_t n_selectors)
{
	if (!table || table->ruleset->error)
		return NULL;
	struct pf_ruleset *ruleset = table->ruleset;
	if (!n_selectors || n_selectors > PF_SELECTORS_MAX ||
	    ((options->has_counter || options->timeout_seconds) && !options->is_dynamic) ||
	    (options->is_dynamic &&
	     (options->is_interval || options->data != PF_DATA_NONE || !options->size)) ||
	    (options->is_interval &&
	     (options->data != PF_DATA_NONE || !can_range(selectors, n_selectors))) ||
	    selectors_key_length(selectors, n_selectors) > PF_KEY_MAX) {
		ruleset_fail(ruleset, -EINVAL, "set %s: no such combination of fields", name);
		return NULL;
	}
	struct pf_set *set = set_new(table, name);
	if (!set)
		return NULL;
	set->data = options->data;
	set->size = options->size;
	set->is_interval = options->is_interval;
	set->is_dynamic = options->is_dynamic;
	set->has_counter = options->has_counter;
	set->timeout_seconds = options->timeout_seconds;
	set->is_concatenation = n_selectors > 1;
	set->n_selectors = n_selectors;
	set->key_length = (uint8_t)selectors_key_length(selectors, n_selectors);
	for (size_t i = 0; i < n_selectors; i++) {
		set->selectors[i] = selectors[i];
		set->key_type = set->key_type << 6 | fields[selectors[i].field].type;
	}
	return set;
}

struct pf_set *pf_set_find(struct pf_table *table, const char *name)
{
	return table_set_find(table, name);
}

struct pf_chain *chain_new(struct pf_table *table, const char *name)
{
	struct pf_ruleset *ruleset = table->ruleset;

	if (table_chain_find(table, name)) {
		ruleset_fail(ruleset, -EEXIST, "chain %s stands twice", name);
		return NULL;
	}
	struct pf_chain *chain = calloc(1, sizeof(*chain));
	if (chain)
		chain->hash = name_hash(name);
	if (!chain || !name_copy(ruleset, chain->name, name) || !table_put_chain(table, chain)) {
		ruleset_fail(ruleset, -ENOMEM, "no memory");
		free(chain);
		return NULL;
	}
	chain->table = table;
	table->n_references++;
	return chain;
}

/* Of a set, and not of a map. */
static bool expression_is_of_set(const struct expression *expression)
{
	return expression->kind == EXPRESSION_LOOKUP || expression->kind == EXPRESSION_SET_ADD ||
	       expression->kind == EXPRESSION_SET_METER;
}

static void share_sets(struct pf_table *table, const struct pf_table *from,
		       const struct pf_chain *chain)
{
	for (size_t i = 0; i < chain->n_rules; i++)
		for (size_t k = 0; k < chain->rules[i]->n_expressions; k++) {
			const struct expression *expression = &chain->rules[i]->expressions[k];
			if (!expression_is_of_set(expression) ||
			    table_set_find(table, expression->name))
				continue;
			struct pf_set *set = table_set_find(from, expression->name);
			if (!table_put_set(table, set))
				return ruleset_fail(table->ruleset, -ENOMEM, "no memory");
		}
}

bool pf_chain_share(struct pf_table *table, const struct pf_ruleset *from, const char *name)
{
	if (!table || table->ruleset->error || !from || !from->is_sealed || from->is_read)
		return false;
	const struct pf_table *source = ruleset_table_find(from, table->family, table->name);
	struct pf_chain *chain = table_chain_find(source, name);
	if (!chain || table_chain_like(table, chain))
		return false;
	if (!table_put_chain(table, chain)) {
		ruleset_fail(table->ruleset, -ENOMEM, "no memory");
		return false;
	}
	share_sets(table, source, chain);
	return true;
}

struct pf_chain *pf_chain_add(struct pf_table *table, const char *name)
{
	return table && !table->ruleset->error ? chain_new(table, name) : NULL;
}

struct pf_chain *pf_base_chain_add(struct pf_table *table, const char *name, enum pf_hook hook,
				   int priority)
{
	struct pf_chain *chain = pf_chain_add(table, name);

	if (chain) {
		chain->is_base = true;
		chain->hook = hook;
		chain->priority = priority;
	}
	return chain;
}

struct pf_chain *pf_egress_chain_add(struct pf_table *table, const char *name, const char *device,
				     int priority)
{
	size_t n = strnlen(device, PF_DEVICE_MAX);

	if (table && (table->family != PF_FAMILY_NETDEV || !n || n == PF_DEVICE_MAX)) {
		ruleset_fail(table->ruleset, -EINVAL, "chain %s: no device, or not of netdev",
			     name);
		return NULL;
	}
	struct pf_chain *chain = pf_base_chain_add(table, name, PF_EGRESS, priority);

	if (chain)
		memcpy(chain->device, device, n);
	return chain;
}

struct pf_rule *pf_rule_add(struct pf_chain *chain)
{
	if (!chain || chain->table->ruleset->error)
		return NULL;
	struct pf_ruleset *ruleset = chain->table->ruleset;
	struct pf_rule **rules = vector_grow(ruleset, chain->rules, chain->n_rules, sizeof(*rules));
	if (!rules)
		return NULL;
	chain->rules = rules;
	struct pf_rule *rule = calloc(1, sizeof(*rule));
	if (!rule) {
		ruleset_fail(ruleset, -ENOMEM, "no memory");
		return NULL;
	}
	rule->chain = chain;
	return rules[chain->n_rules++] = rule;
}
