/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/plan.h>
#include <podfence/ruleset.h>

#include "name_index.h"

/* What the public headers hide: the ruleset value itself, for the files of this folder only.
 * Vectors are plain arrays that grow by doubling; names are stored inside their owners. */

enum expression_kind {
	EXPRESSION_COMPARE = 1, /* selector & mask ==/!= value */
	EXPRESSION_PREFIX,	/* selector in prefix */
	EXPRESSION_LOOKUP,
	EXPRESSION_VMAP,
	EXPRESSION_COUNTER,
	EXPRESSION_LOG,
	EXPRESSION_LIMIT,
	EXPRESSION_SET_ADD,
	EXPRESSION_SET_METER,
	EXPRESSION_SET_MARK,
	EXPRESSION_SET_MARK_MAP,
	EXPRESSION_SET_LABEL,
	EXPRESSION_REJECT,
	EXPRESSION_VERDICT,
};

/* One kind of node for all: two rules are the same when their memory is, so padding stays zero. */
struct expression {
	enum expression_kind kind;
	bool is_negated;
	bool has_mask;
	bool is_of_ranges; /* a look-up in an interval set; found out when the ruleset is sealed */
	uint8_t n_selectors;
	uint8_t prefix_length;
	struct pf_selector selectors[PF_SELECTORS_MAX];
	uint8_t value[16], mask[16]; /* as in the register: field's own byte order */
	uint32_t number;	     /* verdict, mark, label bit, log group, reject */
	uint32_t copy_bytes, queue_threshold;
	struct pf_rate rate;
	char name[PF_NAME_MAX]; /* set, map, counter or chain */
	char prefix[PF_LOG_PREFIX];
};

struct pf_rule {
	struct pf_chain *chain;
	struct expression *expressions;
	size_t n_expressions;
	char *bytecode; /* made when first asked for; all there is of a rule read from the kernel */
};

/* Sealed chains and sets are shared between rulesets. `table` is the one they were made for: it keeps
 * its name and family as long as one of them lives. */
struct pf_chain {
	unsigned n_references;
	size_t hash; /* of its name */
	struct pf_table *table;
	char name[PF_NAME_MAX];
	bool is_base;
	enum pf_hook hook;
	int priority;
	char device[PF_DEVICE_MAX]; /* of the netdev family; else "" */
	struct pf_rule **rules;
	size_t n_rules;
};

struct element {
	uint8_t key[PF_KEY_MAX];
	uint8_t key_end[PF_KEY_MAX]; /* interval sets: the last key, inclusive in each field */
	uint32_t mark;
	enum pf_verdict verdict;
	char chain[PF_NAME_MAX];
};

struct pf_set {
	unsigned n_references;
	size_t hash; /* of its name */
	bool is_sealed;
	struct pf_table *table;
	char name[PF_NAME_MAX];
	enum pf_data data;
	uint32_t size;
	bool is_interval;
	bool is_concatenation; /* of several fields */
	bool is_dynamic, has_counter;
	uint32_t timeout_seconds;
	uint8_t key_length;
	uint32_t key_type; /* nft's number of the (concatenated) type */
	struct pf_selector selectors[PF_SELECTORS_MAX];
	size_t n_selectors; /* 0: read from the kernel */
	struct element *elements;
	size_t n_elements, elements_capacity;
};

struct counter {
	char name[PF_NAME_MAX];
};

struct pf_table {
	unsigned n_references; /* of its ruleset, chains and sets */
	struct pf_ruleset *ruleset;
	enum pf_family family;
	char name[PF_NAME_MAX];
	struct counter *counters;
	size_t n_counters;
	struct pf_set **sets;
	size_t n_sets;
	struct pf_chain **chains;
	size_t n_chains;
	struct name_index sets_by_name, chains_by_name;
};

struct pf_ruleset {
	struct pf_table **tables;
	size_t n_tables;
	bool is_sealed;
	bool is_read; /* from the kernel: its rules are bytecode, not to be built upon */
	int error;
	char error_text[160];
};

/* Field facts: everything that differs between fields stands in this one table (field.c). */
enum layer {
	LAYER_META,
	LAYER_LINK,
	LAYER_NETWORK,
	LAYER_TRANSPORT,
	LAYER_CT,
	LAYER_SOCKET,
	LAYER_FIB,
	LAYER_IP_OPTION
};
enum dependency {
	NEEDS_NOTHING,
	NEEDS_IP,
	NEEDS_IP6,
	NEEDS_ARP,
	NEEDS_TCP,
	NEEDS_UDP,
	NEEDS_ICMPV6,
};
struct field {
	const char *text;      /* in nft syntax */
	const char *type_name; /* of a set of it; NULL: only typeof can say it */
	uint8_t type;	       /* nft's number, datatype.h */
	uint8_t length;	       /* bytes */
	bool is_big_endian;
	enum layer layer;
	enum dependency needs;
	uint32_t key;	 /* meta, ct key, fib result or number of the IP option */
	uint32_t offset; /* in the header; fib flags */
};
extern const struct field fields[PF_FIELD_N];

/* ruleset.c */
extern const enum pf_family families[]; /* all that a table of ours can be of */
extern const size_t n_families;
PF_PRINTF(3, 4) void ruleset_fail(struct pf_ruleset *ruleset, int error, const char *format, ...);
bool name_copy(struct pf_ruleset *ruleset, char target[static PF_NAME_MAX], const char *name);
struct element *set_element_new(struct pf_set *set);
struct pf_set *table_set_find(const struct pf_table *table, const char *name);
struct pf_chain *table_chain_find(const struct pf_table *table, const char *name);
/* What has the name of this one. */
struct pf_set *table_set_like(const struct pf_table *table, const struct pf_set *set);
struct pf_chain *table_chain_like(const struct pf_table *table, const struct pf_chain *chain);
struct pf_table *ruleset_table_find(const struct pf_ruleset *ruleset, enum pf_family family,
				    const char *name);
bool table_has_counter(const struct pf_table *table, const char *name);
size_t selectors_key_length(const struct pf_selector *selectors, size_t n);
struct pf_chain *chain_new(struct pf_table *table, const char *name);
struct pf_set *set_new(struct pf_table *table, const char *name);
/* Room for one more of `size` bytes each; NULL after ruleset_fail(). */
void *vector_grow(struct pf_ruleset *ruleset, void *vector, size_t n, size_t size);

/* seal.c */
int element_compare(const struct pf_set *set, const struct element *a, const struct element *b);
void set_elements_sort(struct pf_set *set);
bool element_data_equal(const struct element *a, const struct element *b);

/* bytecode.c: a rule as libnftnl object and as text. */
struct nftnl_rule;
PF_MUST_CHECK int rule_encode(const struct pf_rule *rule, struct nftnl_rule **ret_rule);
PF_MUST_CHECK int rule_bytecode(const struct pf_rule *rule, const char **ret_bytecode);
PF_MUST_CHECK int nftnl_rule_bytecode(const struct nftnl_rule *rule, char **ret_bytecode);
PF_MUST_CHECK int rule_equal(const struct pf_rule *a, const struct pf_rule *b); /* 1, 0, -ENOMEM */

uint32_t verdict_code(enum pf_verdict verdict); /* the kernel's number */

/* text.c */
const char *family_text(enum pf_family family);
void element_print(const struct pf_set *set, const struct element *element, FILE *stream);
void rule_print(const struct pf_rule *rule, FILE *stream);

/* plan.c */
enum step_kind {
	STEP_ADD_TABLE,
	STEP_ADD_COUNTER,
	STEP_ADD_SET,
	STEP_ADD_CHAIN,
	STEP_DELETE_ELEMENTS,
	STEP_FLUSH_CHAIN,
	STEP_ADD_RULE,
	STEP_ADD_ELEMENTS,
	STEP_ADD_BASE_CHAIN,
	STEP_DELETE_BASE_CHAIN,
	STEP_DELETE_SET,
	STEP_DELETE_CHAIN,
	STEP_DELETE_COUNTER,
	STEP_DELETE_TABLE,
};
/* Only what its kind needs is set. Elements are pointers into the values: the plan owns the array.
 */
struct step {
	enum step_kind kind;
	const struct pf_table *table;
	const struct pf_chain *chain;
	const struct pf_set *set;
	const struct counter *counter;
	const struct pf_rule *rule;
	const struct element **elements;
	size_t n_elements;
};
struct pf_plan {
	struct step *steps;
	size_t n_steps, capacity;
};
void step_print(const struct step *step, size_t n_elements_max, FILE *stream);

/* batch.c: steps as netlink messages in one buffer, and which message belongs to which step. */
struct batch {
	char *bytes;
	size_t length, capacity;
	struct {
		uint32_t sequence;
		size_t step; /* SIZE_MAX: begin or end */
	} * messages;
	size_t n_messages, messages_capacity;
};
struct batch_options {
	uint32_t first_sequence;
	uint32_t table_flags; /* of what STEP_ADD_TABLE makes; 0: none are sent */
	bool commits;	      /* with the message that ends and thereby commits it */
};
PF_MUST_CHECK int batch_make(const struct pf_plan *plan, const struct batch_options *options,
			     struct batch *ret_batch);
void batch_trim(struct batch *batch); /* to what is in it */
void batch_done(struct batch *batch);
