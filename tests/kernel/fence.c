/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What was done to the rules while they could not be read is repaired as soon as they can be, although
 * nobody tells of it again; a flush is answered without reading; who is told of late is named all the same. */
#include <errno.h>

#include <podfence/nft.h>

#include "compile/compile.h"
#include "daemon/fence.h"
#include "namespace.h"
#include "sample.h"
#include "test.h"

static unsigned n_failures, n_delays; /* that are still to come */

int __real_pf_nft_read(struct pf_nft *nft, const char *table, struct pf_ruleset **ret_ruleset);
int __wrap_pf_nft_read(struct pf_nft *nft, const char *table, struct pf_ruleset **ret_ruleset);

int __wrap_pf_nft_read(struct pf_nft *nft, const char *table, struct pf_ruleset **ret_ruleset)
{
	if (!n_failures)
		return __real_pf_nft_read(nft, table, ret_ruleset);
	n_failures--;
	return -EAGAIN;
}

int __real_pf_nft_monitor_dispatch(struct pf_nft_monitor *monitor,
				   struct pf_nft_culprit *ret_culprit);
int __wrap_pf_nft_monitor_dispatch(struct pf_nft_monitor *monitor,
				   struct pf_nft_culprit *ret_culprit);

int __wrap_pf_nft_monitor_dispatch(struct pf_nft_monitor *monitor,
				   struct pf_nft_culprit *ret_culprit)
{
	if (!n_delays)
		return __real_pf_nft_monitor_dispatch(monitor, ret_culprit);
	n_delays--;
	return 0;
}

static bool is_there(void)
{
	return namespace_run("nft list chain inet " PODFENCE_TABLE " forward 2>/dev/null | "
			     "grep -q daddr");
}

static void edit_unread(struct fence *fence)
{
	struct pf_nft_culprit culprit;
	size_t n_steps;

	assert_int_equal(fence_apply(fence, sample_variant(PODFENCE_TABLE, 0), &n_steps), 0);
	assert_true(is_there());
	assert_true(namespace_run("nft flush chain inet " PODFENCE_TABLE " forward"));
	n_failures = 1;
	assert_int_equal(fence_heard(fence, &culprit), -EAGAIN);
	assert_false(is_there());
}

static void a_poll_repairs_what_could_not_be_read(void **state)
{
	struct pf_nft_culprit culprit;

	edit_unread(*state);
	n_failures = 1;
	assert_int_equal(fence_poll(*state, &culprit), -EAGAIN);
	assert_int_equal(fence_poll(*state, &culprit), 1);
	assert_int_equal(culprit.pid, 0);
	assert_true(is_there());
	assert_int_equal(fence_poll(*state, &culprit), 0);
}

static void a_change_repairs_what_could_not_be_read(void **state)
{
	size_t n_steps = 0;

	edit_unread(*state);
	assert_int_equal(fence_apply(*state, sample_variant(PODFENCE_TABLE, 0), &n_steps), 0);
	assert_true(n_steps > 0);
	assert_true(is_there());
	assert_int_equal(fence_verify(*state), 0);
}

static void a_flush_is_answered_before_anything_is_read(void **state)
{
	struct pf_nft_culprit culprit;
	size_t n_steps;

	assert_int_equal(fence_apply(*state, sample_variant(PODFENCE_TABLE, 0), &n_steps), 0);
	for (unsigned i = 0; i < 2; i++) { /* made when it is needed, and before */
		assert_true(namespace_run("nft flush ruleset"));
		n_failures = 1;
		assert_int_equal(fence_heard(*state, &culprit), 1);
		assert_string_equal(culprit.process, "nft");
		assert_true(is_there());
		assert_int_equal(fence_poll(*state, &culprit), 0); /* it is what it was */
		assert_int_equal(fence_prepare(*state), 0);
	}
}

static void a_change_does_not_wait_for_a_read(void **state)
{
	struct pf_nft_culprit culprit;
	size_t n_steps = 0;

	assert_int_equal(fence_apply(*state, sample_variant(PODFENCE_TABLE, 0), &n_steps), 0);
	n_failures = 2;
	assert_int_equal(fence_verify(*state), -EAGAIN);
	assert_int_equal(fence_apply(*state, sample_variant(PODFENCE_TABLE, 1), &n_steps), 0);
	assert_true(n_steps > 0);
	assert_int_equal(fence_poll(*state, &culprit), 0);
}

/* As if the transaction were under way while the poll looks twice. */
static void who_is_told_of_late_is_named(void **state)
{
	struct pf_nft_culprit culprit;
	size_t n_steps;

	assert_int_equal(fence_apply(*state, sample_variant(PODFENCE_TABLE, 0), &n_steps), 0);
	assert_int_equal(fence_heard(*state, &culprit), 0);
	assert_true(namespace_run("nft flush chain inet " PODFENCE_TABLE " forward"));
	n_delays = 2;
	assert_int_equal(fence_poll(*state, &culprit), 1);
	assert_string_equal(culprit.process, "nft");
	assert_true(is_there());
	assert_int_equal(fence_poll(*state, &culprit), 0);
}

static int make_fence(void **state)
{
	struct fence *fence;
	int r = fence_open(&fence);

	*state = fence;
	return r;
}

static int free_fence(void **state)
{
	n_failures = n_delays = 0;
	fence_free(*state);
	return namespace_run("nft flush ruleset") ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fence, free_fence)

int main(void)
{
	namespace_enter_or_skip();
	const struct CMUnitTest tests[] = {
		TEST(a_poll_repairs_what_could_not_be_read),
		TEST(a_change_repairs_what_could_not_be_read),
		TEST(a_flush_is_answered_before_anything_is_read),
		TEST(a_change_does_not_wait_for_a_read),
		TEST(who_is_told_of_late_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
