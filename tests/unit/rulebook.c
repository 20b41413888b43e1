/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <errno.h>

#include <podfence/nflog.h>

#include "compile/rulebook.h"

#include "test.h"

static void prefixes_are_read(void **state)
{
	static const struct {
		const char *prefix;
		int result;
		struct prefix_meaning meaning;
	} cases[] = {
		{"podfence:deny", 0, {RULE_DENY}},
		{"podfence:audit", 0, {RULE_AUDIT}},
		{"podfence:audit:1a2b", 0, {RULE_AUDIT, true, 0x1a2b}},
		{"podfence:audit:0", 0, {RULE_AUDIT, true, 0}},
		{"podfence:audit:ffffffff", 0, {RULE_AUDIT, true, UINT32_MAX}},
		{"podfence:pending", 0, {RULE_PENDING}},
		{"podfence:pending-audit", 0, {RULE_PENDING_AUDIT}},
		{"podfence:pending-audit:7", 0, {RULE_PENDING_AUDIT, true, 7}},
		{"podfence:spoof", 0, {RULE_SPOOF}},
		{"podfence:spoof-bridge", 0, {RULE_SPOOF_BRIDGE}},
		{"podfence:spoof-out", 0, {RULE_SPOOF_OUTPUT}},
		{"podfence:tunnel", 0, {RULE_TUNNEL}},
		{"podfence:quarantine:7", 0, {RULE_QUARANTINE, true, 7}},
		{"podfence:quarantine-in:7", 0, {RULE_QUARANTINE_IN, true, 7}},
		{"podfence:deny:over", 0, {RULE_DENY, false, 0, true}},
		{"podfence:audit:1a2b:over", 0, {RULE_AUDIT, true, 0x1a2b, true}},
		{"podfence:over", -EINVAL},
		{"podfence:deny:over:1", -EINVAL},
		{"podfence:deny::over", -EINVAL},
		{"podfence:deny:over:over", -EINVAL},
		{"podfence:audit:1over", -EINVAL},
		{"", -EINVAL},
		{"podfence", -EINVAL},
		{"podfence:", -EINVAL},
		{"podfence::1", -EINVAL},
		{"podfence:den", -EINVAL},
		{"podfence:denyx", -EINVAL},
		{"podfence:deny ", -EINVAL},
		{" podfence:deny", -EINVAL},
		{"Podfence:deny", -EINVAL},
		{"podfence:audit:", -EINVAL},
		{"podfence:audit:1A", -EINVAL},
		{"podfence:audit:01", -EINVAL},
		{"podfence:audit:0x1", -EINVAL},
		{"podfence:audit:-1", -EINVAL},
		{"podfence:audit:1 ", -EINVAL},
		{"podfence:audit:1:2", -EINVAL},
		{"podfence:audit:100000000", -EINVAL},
		{"podfence-other:deny", -EINVAL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix_meaning meaning = {.rule = RULE_N, .index = 12345};
		char text[RULE_PREFIX_MAX];

		assert_int_equal(rule_prefix_parse(cases[i].prefix, &meaning), cases[i].result);
		if (cases[i].result < 0) {
			assert_int_equal(meaning.rule, RULE_N);
			assert_int_equal(meaning.index, 12345);
			continue;
		}
		assert_int_equal(meaning.rule, cases[i].meaning.rule);
		assert_int_equal(meaning.has_index, cases[i].meaning.has_index);
		assert_int_equal(meaning.index, cases[i].meaning.index);
		assert_int_equal(meaning.is_over, cases[i].meaning.is_over);
		assert_string_equal(rule_prefix_format(&meaning, text), cases[i].prefix);
	}
}

/* Every rule has all its facts, and no two can be mistaken for each other. */
static void facts_are_complete(void **state)
{
	for (enum rule_id a = 0; a < RULE_N; a++) {
		const struct rule_facts *facts = rule_facts(a);

		assert_non_null(facts->token);
		assert_non_null(facts->chain);
		assert_non_null(facts->name);
		assert_non_null(facts->category);
		assert_non_null(facts->text);
		assert_in_range(facts->severity, 1, 99);
		assert_int_equal(facts->is_metadata_aware, facts->metadata_name != NULL);
		assert_false(facts->lets_pass && facts->rejects);
		for (enum rule_id b = 0; b < a; b++) {
			assert_string_not_equal(facts->token, rule_facts(b)->token);
			/* Dropped or answered, it is the same rule. */
			if (facts->rejects == rule_facts(b)->rejects)
				assert_string_not_equal(facts->name, rule_facts(b)->name);
		}
	}
	assert_string_equal(rule_facts(RULE_DENY)->name, "default-deny-external");
	assert_string_equal(rule_facts(RULE_PENDING)->name, "pending-deny-external");
}

/* The longest prefix there is fits both buffers: ours and the kernel's. */
static void prefixes_fit(void **state)
{
	for (enum rule_id id = 0; id < RULE_N; id++) {
		struct prefix_meaning meaning = {id, true, UINT32_MAX, true}, again;
		char text[RULE_PREFIX_MAX];

		rule_prefix_format(&meaning, text);
		assert_true(strlen(text) < PF_NFLOG_PREFIX_MAX);
		assert_int_equal(rule_prefix_parse(text, &again), 0);
		assert_int_equal(again.rule, id);
		assert_int_equal(again.index, UINT32_MAX);
		assert_true(again.is_over);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_are_read),
		cmocka_unit_test(facts_are_complete),
		cmocka_unit_test(prefixes_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
