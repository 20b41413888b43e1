/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The builder refuses half a rule; sealing merges and sorts; a plan has the order the kernel needs.
 */
#include <errno.h>
#include <stdio.h>

#include <podfence/plan.h>
#include <podfence/ruleset.h>

#include "sample.h"
#include "test.h"

static struct pf_prefix prefix(const char *text)
{
	struct pf_prefix value;

	assert_int_equal(pf_prefix_parse(text, &value), 0);
	return value;
}

/* Each of these does one thing wrong in an otherwise good ruleset. */
static void wrong_nothing(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_verdict(pf_rule_add(chain), PF_DROP, NULL);
}

static void wrong_no_set(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_lookup(pf_rule_add(chain), "absent", PF_FIELDS({PF_IIF}));
}

static void wrong_no_chain(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, "absent");
}

static void wrong_no_counter(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_counter(pf_rule_add(chain), "absent");
}

static void wrong_empty_rule(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_add(chain);
}

static void wrong_goto_nowhere(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_verdict(pf_rule_add(chain), PF_GOTO, NULL);
}

static void wrong_key_width(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	struct pf_key key = {};

	pf_key_add_u64(&key, 1);
	pf_element_add(set, &key);
}

static void wrong_lookup_width(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_lookup(pf_rule_add(chain), "links", PF_FIELDS({PF_IIF}, {PF_IP_SADDR}));
}

static void wrong_set_as_map(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_vmap(pf_rule_add(chain), "links", PF_FIELDS({PF_IIF}));
}

static void wrong_twice(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_chain_add(table, "chain");
}

static void wrong_two_meanings(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	const struct pf_set_options options = {.data = PF_DATA_MARK};
	struct pf_set *map = pf_set_add(table, "map", &options, PF_FIELDS({PF_IIF}));
	struct pf_key key = {};

	pf_key_add_u32(&key, 7);
	pf_element_add_mark(map, &key, 1);
	pf_element_add_mark(map, &key, 2);
}

static void wrong_too_many(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	for (uint32_t i = 0; i < 5; i++) {
		struct pf_key key = {};
		pf_key_add_u32(&key, i);
		pf_element_add(set, &key);
	}
}

static void wrong_long_name(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_chain_add(table, "a-name-of-thirty-two-characters-");
}

static void wrong_label(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	pf_rule_set_label(pf_rule_add(chain), 128);
}

static void wrong_prefix_family(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	struct pf_prefix value = prefix("2001:db8::/32");

	pf_rule_prefix(pf_rule_add(chain), (struct pf_selector){PF_IP_DADDR}, &value);
}

static void wrong_key_overflow(struct pf_table *table, struct pf_chain *chain, struct pf_set *set)
{
	struct pf_key key = {};

	for (int i = 0; i < 60; i++)
		pf_key_add_u64(&key, 1);
	pf_element_add(set, &key);
}

static void no_half_rule_is_built(void **state)
{
	static const struct {
		void (*build)(struct pf_table *, struct pf_chain *, struct pf_set *);
		int result;
		const char *text;
	} cases[] = {
		{wrong_nothing, 0, ""},
		{wrong_no_set, -ENOENT, "chain chain: no set absent"},
		{wrong_no_chain, -ENOENT, "chain: no regular chain absent"},
		{wrong_no_counter, -ENOENT, "chain chain: no counter absent"},
		{wrong_empty_rule, -EINVAL, "chain chain: an empty rule"},
		{wrong_goto_nowhere, -EINVAL, "chain: verdict and chain disagree"},
		{wrong_key_width, -EINVAL, "set links: an element of 8 bytes does not fit"},
		{wrong_lookup_width, -EINVAL, "chain chain: set links holds something else"},
		{wrong_set_as_map, -EINVAL, "chain chain: set links holds something else"},
		{wrong_twice, -EEXIST, "chain chain stands twice"},
		{wrong_two_meanings, -EEXIST, "set map: one key has two meanings"},
		{wrong_too_many, -ENOSPC, "set links: 5 elements, room for 4"},
		{wrong_long_name, -ENAMETOOLONG,
		 "name \"a-name-of-thirty-two-characters-\" has 32 characters"},
		{wrong_label, -EINVAL, "ct label 128: bits are 0 to 127"},
		{wrong_prefix_family, -EINVAL, "chain chain: ip daddr takes no such prefix"},
		{wrong_key_overflow, -EINVAL, "set links: an element of 255 bytes does not fit"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pf_set_options options = {.size = 4};
		struct pf_ruleset *ruleset = pf_ruleset_new();
		struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, "table");
		struct pf_set *set = pf_set_add(table, "links", &options, PF_FIELDS({PF_IIF}));
		cases[i].build(table, pf_chain_add(table, "chain"), set);
		assert_int_equal(pf_ruleset_seal(ruleset), cases[i].result);
		assert_string_equal(pf_ruleset_error(ruleset), cases[i].text);
		pf_ruleset_free(ruleset);
	}
}

static void assert_text(const struct pf_ruleset *ruleset, const char *expected)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(pf_ruleset_print(ruleset, stream), 0);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
}

static void sealing_merges_what_is_contained(void **state)
{
	static const char *const prefixes[] = {"10.1.0.0/16", "192.0.2.0/24", "10.0.0.0/8",
					       "10.0.0.0/8",  "10.0.0.0/16",  "11.0.0.0/8"};
	const struct pf_set_options interval = {.is_interval = true};
	struct pf_ruleset *ruleset = pf_ruleset_new();
	struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, "t");
	struct pf_set *set = pf_set_add(table, "nets", &interval, PF_FIELDS({PF_IP_DADDR}));

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct pf_prefix value = prefix(prefixes[i]);
		pf_element_add_prefix(set, &value);
	}
	assert_int_equal(pf_ruleset_seal(ruleset), 0);
	assert_text(ruleset,
		    "table inet t {\n\tset nets {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
		    "\t\telements = { 10.0.0.0/8,\n\t\t             11.0.0.0/8,\n"
		    "\t\t             192.0.2.0/24 }\n\t}\n}\n");
	pf_ruleset_free(ruleset);
}

static char *plan_text(const struct pf_ruleset *from, const struct pf_ruleset *to)
{
	struct pf_plan *plan;
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(pf_plan_new(from, to, &plan, NULL), 0);
	assert_int_equal(pf_plan_print(plan, stream), 0);
	fclose(stream);
	pf_plan_free(plan);
	return text;
}

static void plans_have_the_order_the_kernel_needs(void **state)
{
	static const struct {
		unsigned from, to;
		const char *text;
	} cases[] = {
		{0, 0, ""},
		{0, 1,
		 "flush chain inet t one\n"
		 "delete element inet t nets4 { 192.0.2.0/24 }\n"
		 "add rule inet t one counter name \"denied\" accept\n"
		 "add element inet t links { 104 : goto one }\n"
		 "add element inet t nets4 { 10.0.0.0/8 }\n"},
		{1, 2,
		 "add chain inet t other\n"
		 "flush chain inet t one\n"
		 "delete element inet t links { 101 : goto one }\n"
		 "add rule inet t one counter name \"denied\" drop\n"
		 "add rule inet t other return\n"
		 "add element inet t links { 101 : goto other, 105 : goto one }\n"},
		{3, 0,
		 "flush chain inet t other\n"
		 "delete element inet t links { 104 : goto one, 105 : goto one, 106 : goto one }\n"
		 "delete element inet t nets4 { 10.0.0.0/8 }\n"
		 "add element inet t nets4 { 192.0.2.0/24 }\n"
		 "delete chain inet t other\n"
		 "delete counter inet t extra\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pf_ruleset *from = sample_variant("t", cases[i].from);
		struct pf_ruleset *to = sample_variant("t", cases[i].to);
		char *text = plan_text(from, to);
		assert_string_equal(text, cases[i].text);
		free(text);
		pf_ruleset_free(from);
		pf_ruleset_free(to);
	}
}

static void a_first_plan_makes_all_and_a_last_one_removes_the_table(void **state)
{
	struct pf_ruleset *zero = sample_variant("t", 0), *none = pf_ruleset_new();

	assert_int_equal(pf_ruleset_seal(none), 0);
	char *text = plan_text(NULL, zero);
	assert_string_equal(text, "add table inet t\n"
				  "add counter inet t denied\n"
				  "add set inet t links\n"
				  "add set inet t nets4\n"
				  "add chain inet t one\n"
				  "add chain inet t forward\n"
				  "add rule inet t one counter name \"denied\" drop\n"
				  "add rule inet t forward ip daddr @nets4 return\n"
				  "add rule inet t forward iif vmap @links\n"
				  "add element inet t links { 100 : goto one, 101 : goto one, "
				  "102 : goto one, 103 : goto one }\n"
				  "add element inet t nets4 { 192.0.2.0/24 }\n"
				  "add chain inet t base-forward\n"
				  "add rule inet t base-forward jump forward\n");
	free(text);
	text = plan_text(zero, none);
	assert_string_equal(text, "delete table inet t\n");
	free(text);
	pf_ruleset_free(zero);
	pf_ruleset_free(none);
}

static struct pf_ruleset *with_set(uint32_t size, int priority)
{
	const struct pf_set_options options = {.size = size};
	struct pf_ruleset *ruleset = pf_ruleset_new();
	struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, "t");

	pf_set_add(table, "links", &options, PF_FIELDS({PF_IIF}));
	pf_rule_verdict(pf_rule_add(pf_chain_add(table, "one")), PF_RETURN, NULL);
	pf_rule_verdict(pf_rule_add(pf_base_chain_add(table, "base", PF_FORWARD, priority)),
			PF_JUMP, "one");
	assert_int_equal(pf_ruleset_seal(ruleset), 0);
	return ruleset;
}

static void what_cannot_change_in_place_is_refused(void **state)
{
	struct pf_ruleset *a = with_set(16, -10), *b = with_set(32, -10), *c = with_set(16, -20);
	struct pf_plan *plan;
	const char *object;

	assert_int_equal(pf_plan_new(a, b, &plan, &object), PF_PLAN_E_INCOMPATIBLE);
	assert_string_equal(object, "links");
	assert_int_equal(pf_plan_new(a, c, &plan, &object), PF_PLAN_E_INCOMPATIBLE);
	assert_string_equal(object, "base");
	pf_ruleset_free(a);
	pf_ruleset_free(b);
	pf_ruleset_free(c);
}

/* A ruleset with two chains that look up one interval set each; `last` sets what the second one has. */
static struct pf_ruleset *with_ranges(const struct pf_ruleset *shares, const char *last)
{
	static const char *const names[] = {"one", "two"};
	const struct pf_set_options interval = {.is_interval = true};
	struct pf_ruleset *ruleset = pf_ruleset_new();
	struct pf_table *table = pf_table_add(ruleset, PF_FAMILY_INET, "podfence");

	for (size_t i = 0; i < 2; i++) {
		struct pf_prefix value = prefix(i ? last : "10.0.0.0/8");
		char set[PF_NAME_MAX];
		if (!i && pf_chain_share(table, shares, names[i]))
			continue;
		snprintf(set, sizeof(set), "nets-%u", value.address.bytes[0]);
		pf_element_add_prefix(pf_set_add(table, set, &interval, PF_FIELDS({PF_IP_DADDR})),
				      &value);
		struct pf_rule *rule = pf_rule_add(pf_chain_add(table, names[i]));
		pf_rule_lookup(rule, set, PF_FIELDS({PF_IP_DADDR}));
		pf_rule_verdict(rule, PF_RETURN, NULL);
	}
	if (pf_ruleset_seal(ruleset) < 0)
		fail_msg("%s", pf_ruleset_error(ruleset));
	return ruleset;
}

static void assert_plan(struct pf_plan *plan, const char *expected)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_int_equal(pf_plan_print(plan, stream), 0);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
	pf_plan_free(plan);
}

/* Nothing looks at a new interval set before its elements are seen. */
static void interval_sets_come_before_their_rules(void **state)
{
	struct pf_ruleset *before = with_ranges(NULL, "192.0.2.0/24"),
			  *after = with_ranges(NULL, "198.51.100.0/24");
	struct pf_plan *plans[2];

	assert_int_equal(pf_plan_split(before, after, plans, NULL), 0);
	assert_plan(plans[0], "add set inet podfence nets-198\n"
			      "add element inet podfence nets-198 { 198.51.100.0/24 }\n");
	assert_plan(plans[1], "flush chain inet podfence two\n"
			      "delete element inet podfence nets-192 { 192.0.2.0/24 }\n"
			      "add rule inet podfence two ip daddr @nets-198 return\n"
			      "delete set inet podfence nets-192\n");
	assert_int_equal(pf_plan_split(after, after, plans, NULL), 0);
	assert_plan(plans[0], "");
	assert_plan(plans[1], "");
	assert_int_equal(pf_plan_split(NULL, after, plans, NULL), 0);
	assert_plan(plans[0], "add table inet podfence\n"
			      "add set inet podfence nets-10\n"
			      "add element inet podfence nets-10 { 10.0.0.0/8 }\n"
			      "add set inet podfence nets-198\n"
			      "add element inet podfence nets-198 { 198.51.100.0/24 }\n");
	assert_plan(plans[1], "add chain inet podfence one\n"
			      "add chain inet podfence two\n"
			      "add rule inet podfence one ip daddr @nets-10 return\n"
			      "add rule inet podfence two ip daddr @nets-198 return\n");
	pf_ruleset_free(before);
	pf_ruleset_free(after);
}

/* In whatever order the rulesets end. */
static void chains_are_shared(void **state)
{
	for (unsigned first = 0; first < 2; first++) {
		struct pf_ruleset *alone = with_ranges(NULL, "192.0.2.0/24"), *rulesets[2];
		struct pf_digest a, b;
		struct pf_plan *plan;
		char *text;
		size_t length;
		rulesets[0] = with_ranges(NULL, "192.0.2.0/24");
		rulesets[1] = with_ranges(rulesets[0], "192.0.2.0/24");
		assert_int_equal(pf_plan_new(rulesets[0], rulesets[1], &plan, NULL), 0);
		assert_plan(plan, "");
		pf_ruleset_free(rulesets[first]);
		struct pf_ruleset *left = rulesets[!first];
		FILE *stream = open_memstream(&text, &length);
		assert_int_equal(pf_ruleset_print(left, stream), 0);
		fclose(stream);
		assert_non_null(strstr(text, "ip daddr @nets-10 return"));
		free(text);
		assert_int_equal(pf_ruleset_digest(left, &a), 0);
		assert_int_equal(pf_ruleset_digest(alone, &b), 0);
		assert_memory_equal(&a, &b, sizeof(a));
		pf_ruleset_free(left);
		pf_ruleset_free(alone);
	}
}

static void what_is_not_there_is_not_shared(void **state)
{
	struct pf_ruleset *from = with_ranges(NULL, "192.0.2.0/24"), *to = pf_ruleset_new();
	struct pf_table *table = pf_table_add(to, PF_FAMILY_INET, "podfence");

	assert_false(pf_chain_share(table, from, "three"));
	assert_false(pf_chain_share(table, NULL, "one"));
	assert_true(pf_chain_share(table, from, "one"));
	assert_false(pf_chain_share(table, from, "one"));
	assert_false(pf_chain_share(pf_table_add(to, PF_FAMILY_BRIDGE, "podfence"), from, "one"));
	assert_int_equal(pf_ruleset_seal(to), 0);
	pf_ruleset_free(from);
	pf_ruleset_free(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_half_rule_is_built),
		cmocka_unit_test(sealing_merges_what_is_contained),
		cmocka_unit_test(plans_have_the_order_the_kernel_needs),
		cmocka_unit_test(a_first_plan_makes_all_and_a_last_one_removes_the_table),
		cmocka_unit_test(what_cannot_change_in_place_is_refused),
		cmocka_unit_test(interval_sets_come_before_their_rules),
		cmocka_unit_test(chains_are_shared),
		cmocka_unit_test(what_is_not_there_is_not_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
