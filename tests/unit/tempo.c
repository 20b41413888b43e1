/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "event/tempo.h"

#include "test.h"

#define MS 1000u

static void few_are_calm(void **state)
{
	struct tempo tempo = {};

	for (uint64_t now = 1; now < 5000 * MS; now += 5 * MS) /* 200 a second */
		assert_false(tempo_count(&tempo, 1, now));
	assert_false(tempo.is_busy);
}

static void many_are_busy_at_once(void **state)
{
	struct tempo tempo = {};
	uint64_t now = 7000 * MS;

	assert_false(tempo_count(&tempo, 199, now));
	assert_true(tempo_count(&tempo, 1, now + MS));
	assert_true(tempo.is_busy);
	assert_false(tempo_count(&tempo, 100000, now + 2 * MS));
}

static void it_does_not_swing(void **state)
{
	struct tempo tempo = {};
	uint64_t now = 7000 * MS;
	unsigned n_changes = 0;

	n_changes += tempo_count(&tempo, 500, now);
	for (unsigned i = 0; i < 1000; i++) /* 100 in a window: between calm and busy */
		n_changes += tempo_count(&tempo, 10, now += 10 * MS);
	assert_int_equal(n_changes, 1);
	assert_true(tempo.is_busy);
}

static void quiet_ends_it(void **state)
{
	struct tempo tempo = {};
	uint64_t now = 7000 * MS;

	assert_true(tempo_count(&tempo, 500, now));
	assert_true(tempo_count(&tempo, 0, now + 1000 * MS)); /* long over */
	assert_false(tempo.is_busy);
	assert_true(tempo_count(&tempo, 500, now + 2000 * MS));
	assert_false(tempo_count(&tempo, 10, now + 2100 * MS)); /* the first window had 500 */
	assert_true(tempo_count(&tempo, 1, now + 2200 * MS));
	assert_false(tempo.is_busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_are_calm),
		cmocka_unit_test(many_are_busy_at_once),
		cmocka_unit_test(it_does_not_swing),
		cmocka_unit_test(quiet_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
