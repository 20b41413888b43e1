/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The compiler's rulesets against the kernel: it takes each, holds what was meant, leads from each
 * to each, and nft makes the same bytecode of our text, rule by rule. */
#include <errno.h>

#include <podfence/nft.h>

#include "bytecode.h"
#include "compile/compile.h"
#include "namespace.h"
#include "node.h"
#include "test.h"

static struct pf_nft *nft;

static const struct {
	unsigned n_pods, n_host_pods, flags;
} cases[] = {
	{0, 0, 0},
	{3, 3, 0},
	{3, 3, MADE_AUDIT},
	{200, 50, MADE_REJECT | MADE_NODE_CIDRS},
	{3, 1, MADE_BRIDGE},
	{2, 1, MADE_MANY_UPLINKS | MADE_SHARED_NETWORK},
	{3, 1, MADE_BRIDGE | MADE_AUDIT | MADE_MANY_NETWORKS},
	{1, 2, MADE_BACKSTOP | MADE_BRIDGE},
	{1, 1, MADE_BACKSTOP | MADE_AUDIT | MADE_MANY_NETWORKS},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static struct pf_ruleset *compiled(size_t i)
{
	struct made_node *made = made_node_new(cases[i].n_pods, cases[i].n_host_pods,
					       cases[i].flags);
	const struct compile_input input = {&made->config, &made->snapshot, NULL};
	struct pf_ruleset *ruleset;
	char reason[160];

	assert_int_equal(compile(&input, &ruleset, reason), 0);
	made_node_free(made);
	return ruleset;
}

static void apply(const struct pf_ruleset *from, const struct pf_ruleset *to)
{
	struct pf_nft_errors errors;
	struct pf_plan *plan;

	assert_int_equal(pf_plan_new(from, to, &plan, NULL), 0);
	int r = pf_nft_commit(nft, plan, &errors);
	for (size_t i = 0; i < errors.n_errors && i < 16; i++)
		print_error("%s: %s\n", errors.errors[i].object, strerror(errors.errors[i].error));
	assert_int_equal(r, 0);
	pf_plan_free(plan);
}

static struct pf_ruleset *read_back(void)
{
	struct pf_ruleset *read;

	assert_int_equal(pf_nft_read(nft, PODFENCE_TABLE, &read), 0);
	return read;
}

static void assert_held(const struct pf_ruleset *ruleset)
{
	struct pf_ruleset *read = read_back();
	struct pf_digest a, b;

	assert_int_equal(pf_ruleset_digest(ruleset, &a), 0);
	assert_int_equal(pf_ruleset_digest(read, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	pf_ruleset_free(read);
}

static int remove_all(void **state)
{
	struct pf_ruleset *none = pf_ruleset_new(), *read = read_back();

	assert_int_equal(pf_ruleset_seal(none), 0);
	apply(read, none);
	pf_ruleset_free(none);
	pf_ruleset_free(read);
	return 0;
}

static void every_ruleset_leads_to_every_other(void **state)
{
	struct pf_ruleset *rulesets[N_CASES];

	for (size_t i = 0; i < N_CASES; i++)
		rulesets[i] = compiled(i);
	apply(NULL, rulesets[0]);
	for (size_t i = 0; i < N_CASES; i++)
		for (size_t k = 0; k < N_CASES; k++) {
			struct pf_ruleset *read = read_back();
			apply(read, rulesets[i]);
			pf_ruleset_free(read);
			assert_held(rulesets[i]);
			apply(rulesets[i], rulesets[k]);
			assert_held(rulesets[k]);
		}
	for (size_t i = 0; i < N_CASES; i++)
		pf_ruleset_free(rulesets[i]);
}

static void nft_makes_the_same_bytes_of_our_text(void **state)
{
	for (size_t i = 0; i < N_CASES; i++) {
		struct pf_ruleset *ruleset = compiled(i), *read;
		assert_true(nft_loads(ruleset));
		read = read_back();
		assert_same_bytecode(ruleset, read);
		pf_ruleset_free(read);
		pf_ruleset_free(ruleset);
		remove_all(NULL);
	}
}

int main(void)
{
	namespace_enter_or_skip();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_ruleset_leads_to_every_other, remove_all),
		cmocka_unit_test_teardown(nft_makes_the_same_bytes_of_our_text, remove_all),
	};
	if (pf_nft_open(&nft) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pf_nft_free(nft);
	return failed;
}
