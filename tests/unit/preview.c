/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The sliding window against counting anew for every event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cli/preview.h"

#include "test.h"

#define ROWS	  3000
#define ENDPOINTS 4

static struct store_row rows[ROWS];
static const char *const names[ENDPOINTS] = {"a", "b", "c", "quiet"};

static void make_rows(unsigned seed, unsigned n_destinations)
{
	uint64_t usec = 1000000;

	srand(seed);
	for (size_t i = 0; i < ROWS; i++) {
		usec += (uint64_t)(rand() % 2000000);
		rows[i] = (struct store_row){
			.time_usec = usec,
			.kind = rand() % 10 ? SHIP_FLOW : SHIP_ALERT,
			.action = (enum ship_action)(rand() % SHIP_ACTIONS),
			.namespace = "shop",
			.name = names[rand() % (rand() % 8 ? ENDPOINTS - 1 : ENDPOINTS)],
			.endpoint_kind = "pod",
			.protocol = rand() % 2 ? 6 : 17,
			.port = (uint16_t)(rand() % 3),
		};
		rows[i].destination.family = AF_INET;
		rows[i].destination.bytes[3] = (uint8_t)((unsigned)rand() % n_destinations);
		rows[i].destination.bytes[15] = (uint8_t)rand(); /* no part of an IPv4 address */
	}
}

static bool counts(const struct store_row *row, const char *name)
{
	return row->kind == SHIP_FLOW && row->action <= SHIP_WOULD_DROP && row->name == name;
}

/* Index of the row that hits; ROWS: none. */
static size_t reference(const struct preview_rule *rule, const char *name)
{
	for (size_t i = 0; i < ROWS; i++) {
		bool flows[256][6] = {}, destinations[256] = {};
		size_t n_flows = 0, n_destinations = 0;
		if (!counts(&rows[i], name))
			continue;
		for (size_t k = 0; k <= i; k++) {
			if (!counts(&rows[k], name) ||
			    rows[k].time_usec + rule->usec < rows[i].time_usec)
				continue;
			uint8_t destination = rows[k].destination.bytes[3];
			bool *flow =
				&flows[destination][rows[k].port * 2 + (rows[k].protocol == 6)];
			n_flows += !*flow;
			n_destinations += !destinations[destination];
			*flow = destinations[destination] = true;
		}
		if (n_flows > rule->flows && n_destinations > rule->destinations)
			return i;
	}
	return ROWS;
}

static void check_rule(const struct preview_rule *rule)
{
	struct preview *preview;
	size_t n_hit = 0, told = 0;

	assert_int_equal(preview_new(rule, &preview), 0);
	for (size_t i = 0; i < ROWS; i++)
		assert_int_equal(preview_add(preview, &rows[i]), 0);
	struct json_object *items = preview_items(preview);
	assert_non_null(items);
	for (size_t i = 0; i < ENDPOINTS; i++)
		n_hit += reference(rule, names[i]) < ROWS;
	assert_int_equal(json_object_array_length(items), n_hit);
	for (; told < n_hit; told++) {
		struct json_object *item = json_object_array_get_idx(items, told), *value;
		assert_true(json_object_object_get_ex(item, "name", &value));
		const char *name = json_object_get_string(value);
		size_t at = ROWS;
		for (size_t k = 0; k < ENDPOINTS; k++)
			if (!strcmp(names[k], name))
				at = reference(rule, names[k]);
		assert_in_range(at, 0, ROWS - 1);
		char when[32];
		time_t seconds = (time_t)(rows[at].time_usec / 1000000);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime(&seconds));
		assert_true(json_object_object_get_ex(item, "at", &value));
		assert_memory_equal(json_object_get_string(value), when, strlen(when));
	}
	json_object_put(items);
	preview_free(preview);
}

static void the_window_slides(void **state)
{
	static const struct preview_rule rules[] = {
		{0, 0, 1},	   {3, 2, 10000000},	  {8, 5, 20000000},    {20, 3, 60000000},
		{3, 20, 60000000}, {100, 40, 3000000000}, {200, 60, 60000000},
	};

	for (unsigned seed = 1; seed <= 12; seed++) {
		make_rows(seed, seed % 3 ? 8 : 200);
		for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
			check_rule(&rules[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_window_slides)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
