/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the kernel sees of a ruleset, in 128 bits: names, hooks, bytecode and elements, in an order
 * that does not depend on how they were added. Two FNV-1a runs with different bases; nobody chooses
 * its input to collide, since the digest only answers "is this still what I wrote?" and the plan
 * compares in full. */
#include <podfence/ruleset.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void digest_add(struct pf_digest *digest, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++) {
		digest->half[0] = (digest->half[0] ^ at[i]) * 0x100000001b3u;
		digest->half[1] = (digest->half[1] ^ (uint8_t)(at[i] + 1)) * 0x100000001b3u;
	}
}

static void digest_add_text(struct pf_digest *digest, const char *text)
{
	digest_add(digest, text, strlen(text) + 1);
}

/* Objects of one kind are joined without order: the kernel lists them in its own. */
static void digest_join(struct pf_digest *digest, const struct pf_digest *part)
{
	digest->half[0] += part->half[0] * 0x9e3779b97f4a7c15u;
	digest->half[1] += part->half[1] * 0xc2b2ae3d27d4eb4fu;
}

#define DIGEST_BASE ((struct pf_digest){{0xcbf29ce484222325u, 0x84222325cbf29ce4u}})

static struct pf_digest set_digest(const struct pf_set *set)
{
	struct pf_digest digest = DIGEST_BASE;

	digest_add_text(&digest, set->name);
	digest_add(&digest, &set->key_type, sizeof(set->key_type));
	digest_add(&digest, &set->is_dynamic, sizeof(set->is_dynamic));
	for (size_t i = 0; i < set->n_elements; i++) {
		const struct element *element = &set->elements[i];
		digest_add(&digest, element->key, set->key_length);
		digest_add(&digest, element->key_end, sizeof(element->key_end));
		digest_add(&digest, &element->mark, sizeof(element->mark));
		digest_add(&digest, &element->verdict, sizeof(element->verdict));
		digest_add_text(&digest, element->chain);
	}
	return digest;
}

static int chain_digest(const struct pf_chain *chain, struct pf_digest *ret_digest)
{
	struct pf_digest digest = DIGEST_BASE;

	digest_add_text(&digest, chain->name);
	if (chain->is_base) {
		digest_add(&digest, &chain->hook, sizeof(chain->hook));
		digest_add(&digest, &chain->priority, sizeof(chain->priority));
		digest_add_text(&digest, chain->device);
	}
	for (size_t i = 0; i < chain->n_rules; i++) {
		const char *bytecode;
		int r = rule_bytecode(chain->rules[i], &bytecode);
		if (r < 0)
			return r;
		digest_add_text(&digest, bytecode);
	}
	*ret_digest = digest;
	return 0;
}

int pf_ruleset_digest(const struct pf_ruleset *ruleset, struct pf_digest *ret_digest)
{
	struct pf_digest digest = {};

	for (size_t i = 0; i < ruleset->n_tables; i++) {
		const struct pf_table *table = ruleset->tables[i];
		struct pf_digest part = DIGEST_BASE;
		digest_add(&part, &table->family, sizeof(table->family));
		digest_add_text(&part, table->name);
		for (size_t k = 0; k < table->n_sets; k++) {
			struct pf_digest set = set_digest(table->sets[k]);
			digest_join(&part, &set);
		}
		for (size_t k = 0; k < table->n_chains; k++) {
			struct pf_digest chain;
			int r = chain_digest(table->chains[k], &chain);
			if (r < 0)
				return r;
			digest_join(&part, &chain);
		}
		digest_join(&digest, &part);
	}
	*ret_digest = digest;
	return 0;
}

int pf_ruleset_bytecode(const struct pf_ruleset *ruleset,
			void (*fn)(const char *table, const char *chain, const char *bytecode,
				   void *userdata),
			void *userdata)
{
	for (size_t i = 0; i < ruleset->n_tables; i++)
		for (size_t k = 0; k < ruleset->tables[i]->n_chains; k++) {
			const struct pf_chain *chain = ruleset->tables[i]->chains[k];
			for (size_t n = 0; n < chain->n_rules; n++) {
				const char *bytecode;
				int r = rule_bytecode(chain->rules[n], &bytecode);
				if (r < 0)
					return r;
				fn(family_text(chain->table->family), chain->name, bytecode,
				   userdata);
			}
		}
	return 0;
}
