/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Tables with an owner: nobody else changes them, they outlive the owner and wait for the next one;
 * and the lock, which does not outlive anybody. */
#include <errno.h>
#include <stdio.h>

#include <podfence/nft.h>

#include "namespace.h"
#include "sample.h"
#include "test.h"

static bool has_persist; /* the kernel: 6.9 */

static const char *const foreign_changes[] = {
	"nft add chain inet podfence foreign",
	"nft flush chain inet podfence forward",
	"nft insert rule inet podfence forward accept",
	"nft delete element inet podfence nets4 '{ 10.0.0.0/8 }'",
	"nft delete table inet podfence",
};
#define N_FOREIGN_CHANGES (sizeof(foreign_changes) / sizeof(foreign_changes[0]))

static struct pf_nft *open_owner(int expected)
{
	struct pf_nft *nft;
	uint32_t port = 0;

	assert_int_equal(pf_nft_open(&nft), 0);
	assert_int_equal(pf_nft_own(nft, "podfence", &port), expected);
	return nft;
}

static int try_change(struct pf_nft *nft, const struct pf_ruleset *to)
{
	struct pf_ruleset *from;
	struct pf_plan *plan;
	struct pf_nft_errors errors;

	assert_int_equal(pf_nft_read(nft, "podfence", &from), 0);
	assert_int_equal(pf_plan_new(from, to, &plan, NULL), 0);
	int r = pf_nft_commit(nft, plan, &errors);
	pf_plan_free(plan);
	pf_ruleset_free(from);
	return r == -EREMOTEIO ? -errors.errors[0].error : r;
}

static void assert_holds(const struct pf_ruleset *wanted)
{
	struct pf_nft *nft;
	struct pf_ruleset *read;
	struct pf_plan *plan;

	assert_int_equal(pf_nft_open(&nft), 0);
	assert_int_equal(pf_nft_read(nft, "podfence", &read), 0);
	assert_int_equal(pf_plan_new(read, wanted, &plan, NULL), 0);
	assert_int_equal(pf_plan_n_steps(plan), 0);
	pf_plan_free(plan);
	pf_ruleset_free(read);
	pf_nft_free(nft);
}

static void nobody_else_changes_them(void **state)
{
	struct pf_ruleset *rules = sample_variant("podfence", 0),
			  *other = sample_variant("podfence", 2);
	struct pf_nft *owner = open_owner(0);

	assert_int_equal(try_change(owner, rules), 0);
	for (size_t i = 0; i < N_FOREIGN_CHANGES; i++)
		assert_false(namespace_run("%s 2>/dev/null", foreign_changes[i]));
	assert_true(namespace_run("nft flush ruleset"));
	assert_holds(rules);
	assert_true(namespace_run("nft list table inet podfence | grep -q 'flags.*owner'"));
	assert_int_equal(try_change(owner, other), 0);
	assert_int_equal(try_change(owner, rules), 0);
	assert_holds(rules);
	pf_nft_free(owner);
	pf_ruleset_free(rules);
	pf_ruleset_free(other);
}

static void they_wait_for_the_next_owner(void **state)
{
	struct pf_ruleset *rules = sample_variant("podfence", 0);
	struct pf_nft *owner = open_owner(0);

	assert_int_equal(try_change(owner, rules), 0);
	pf_nft_free(owner);
	assert_holds(rules);
	owner = open_owner(0);
	assert_false(namespace_run("%s 2>/dev/null", foreign_changes[0]));
	assert_true(namespace_run("nft flush ruleset"));
	assert_holds(rules);
	assert_int_equal(try_change(owner, rules), 0);
	pf_nft_free(owner);
	assert_true(namespace_run("nft delete table inet podfence")); /* nobody's again */
	pf_ruleset_free(rules);
}

static void there_is_one_owner(void **state)
{
	struct pf_ruleset *rules = sample_variant("podfence", 0);
	struct pf_nft *owner = open_owner(0), *second;
	uint32_t port = 0;

	assert_int_equal(try_change(owner, rules), 0);
	assert_int_equal(pf_nft_open(&second), 0);
	assert_int_equal(pf_nft_own(second, "podfence", &port), -EBUSY);
	assert_int_not_equal(port, 0);
	assert_int_equal(pf_nft_own(owner, "podfence", &port), 0); /* it is ours, once more */
	pf_nft_free(owner);
	assert_int_equal(pf_nft_own(second, "podfence", &port), 0);
	pf_nft_free(second);
	pf_ruleset_free(rules);
}

static void a_plain_table_stays_plain(void **state)
{
	struct pf_ruleset *rules = sample_variant("podfence", 0);
	struct pf_nft *plain;

	assert_int_equal(pf_nft_open(&plain), 0);
	assert_int_equal(try_change(plain, rules), 0);
	pf_nft_free(plain);
	struct pf_nft *owner = open_owner(PF_NFT_OWN_PLAIN);
	assert_int_equal(try_change(owner, rules), 0);
	assert_true(namespace_run("%s", foreign_changes[0]));
	assert_true(namespace_run("nft flush ruleset"));
	/* The next one is made by us. */
	assert_int_equal(try_change(owner, rules), 0);
	assert_false(namespace_run("%s 2>/dev/null", foreign_changes[0]));
	assert_holds(rules);
	pf_nft_free(owner);
	pf_ruleset_free(rules);
}

static void without_persist_nothing_is_owned(void **state)
{
	struct pf_ruleset *rules = sample_variant("podfence", 0);
	struct pf_nft *nft = open_owner(PF_NFT_OWN_UNSUPPORTED);

	assert_int_equal(try_change(nft, rules), 0);
	pf_nft_free(nft);
	assert_holds(rules);
	pf_ruleset_free(rules);
}

static void a_lock_is_held_by_one(void **state)
{
	struct pf_nft *lock, *second;
	uint32_t port = 0, other_port = 0;

	assert_int_equal(pf_nft_lock("podfence-test", &lock, &port), 0);
	assert_int_equal(pf_nft_lock("podfence-other", &second, &other_port), 0);
	pf_nft_free(second);
	assert_true(namespace_run("nft flush ruleset"));
	assert_int_equal(pf_nft_lock("podfence-test", &second, &port), -EBUSY);
	assert_int_not_equal(port, 0);
	pf_nft_free(lock);
	assert_int_equal(pf_nft_lock("podfence-test", &lock, &port), 0);
	pf_nft_free(lock);
	assert_false(namespace_run("nft list tables | grep podfence-test"));
}

static int remove_tables(void **state)
{
	return namespace_run("nft flush ruleset") ? 0 : -1;
}

int main(void)
{
	struct pf_nft *nft;
	uint32_t port;

	namespace_enter_or_skip();
	if (pf_nft_open(&nft) < 0)
		return 1;
	has_persist = pf_nft_own(nft, "podfence", &port) == 0;
	pf_nft_free(nft);
	const struct CMUnitTest owned[] = {
		cmocka_unit_test_teardown(nobody_else_changes_them, remove_tables),
		cmocka_unit_test_teardown(they_wait_for_the_next_owner, remove_tables),
		cmocka_unit_test_teardown(there_is_one_owner, remove_tables),
		cmocka_unit_test_teardown(a_plain_table_stays_plain, remove_tables),
		cmocka_unit_test_teardown(a_lock_is_held_by_one, remove_tables),
	};
	const struct CMUnitTest plain[] = {
		cmocka_unit_test_teardown(without_persist_nothing_is_owned, remove_tables),
		cmocka_unit_test_teardown(a_lock_is_held_by_one, remove_tables),
	};
	return has_persist ? cmocka_run_group_tests(owned, NULL, NULL)
			   : cmocka_run_group_tests(plain, NULL, NULL);
}
