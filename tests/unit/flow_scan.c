/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <string.h>

#include "ledger/flow.h"

#include "test.h"

#define FLOWS 1000

static struct flow_key key_of(unsigned number)
{
	struct flow_key key = {.key = {.length = sizeof(number)}};

	memcpy(key.key.bytes, &number, sizeof(number));
	return key;
}

static void add(struct flow_table *table, unsigned number)
{
	struct flow_key key = key_of(number);

	assert_non_null(flow_table_add(table, &key, 1, "salt"));
}

static void meet(const struct flow *flow, void *userdata)
{
	unsigned char *met = userdata;
	unsigned number;

	memcpy(&number, flow->key.key.bytes, sizeof(number));
	met[number]++;
}

/* However the table grows and shrinks between two steps. */
static void who_stays_is_met_once(void **state)
{
	static const uint8_t secret[16] = "secret";

	for (unsigned pace = 1; pace <= 64; pace *= 2) {
		unsigned char met[20 * FLOWS] = {};
		unsigned n = FLOWS, gone = 0;
		uint64_t cursor = 0;
		struct flow_table *table;

		assert_int_equal(flow_table_new(secret, &table), 0);
		for (unsigned i = 0; i < FLOWS; i++)
			add(table, i);
		do {
			cursor = flow_table_scan(table, cursor, meet, met);
			for (unsigned i = 0; i < pace && n < 20 * FLOWS; i++)
				add(table, n++);
			struct flow_key key = key_of(FLOWS / 2 + gone);
			if (gone < FLOWS / 2)
				flow_table_remove(table, flow_table_find(table, &key));
			gone++;
		} while (cursor);
		for (unsigned i = 0; i < FLOWS / 2; i++)
			assert_int_equal(met[i], 1);
		for (unsigned i = FLOWS / 2; i < n; i++)
			assert_in_range(met[i], 0, 1);
		flow_table_free(table);
	}
}

static void an_empty_table_ends(void **state)
{
	static const uint8_t secret[16] = "secret";
	unsigned char met[1] = {};
	struct flow_table *table;
	uint64_t cursor = 0;
	unsigned n = 0;

	assert_int_equal(flow_table_new(secret, &table), 0);
	do
		cursor = flow_table_scan(table, cursor, meet, met);
	while (cursor && ++n < 1000);
	assert_in_range(n, 1, 999);
	flow_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stays_is_met_once),
		cmocka_unit_test(an_empty_table_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
