/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What /metrics says: bounded however many namespaces and policies there are, with nothing left out of
 * the sums, and foreign names as text. */
#include <stdio.h>

#include "ship/ship.h"

#include "test.h"

static struct own_author author;
static struct ship_config config = {.seam_socket = (char *)"/run/x.sock"};

static struct ship *ship_make(void)
{
	const struct alert_options options = {16, 1, 1, &author, {}};
	struct ship *ship = calloc(1, sizeof(*ship));

	assert_non_null(ship);
	ship->config = &config;
	ship->intake.fd = -1;
	assert_int_equal(alerts_new(&options, &ship->alerts), 0);
	return ship;
}

static void ship_drop(struct ship *ship)
{
	alerts_free(ship->alerts);
	json_object_put(ship->status);
	free(ship);
}

static void count(struct ship *ship, const char *namespace, const char *policy)
{
	const struct ship_event event = {
		.kind = SHIP_FLOW,
		.action = SHIP_DROPPED,
		.packets = 3,
		.namespace = namespace,
		.policy = policy,
		.endpoint_kind = "pod",
		.name = "",
		.id = "",
	};

	metrics_count(ship, &event);
}

static char *written(const struct ship *ship)
{
	struct buffer text = BUFFER_INIT;

	metrics_write(ship, &text);
	buffer_add_char(&text, '\0');
	assert_false(text.is_broken);
	return text.bytes;
}

/* Lines that begin so, and the sum of their values. */
static size_t lines_of(const char *text, const char *prefix, uint64_t *ret_sum)
{
	size_t n = 0;

	*ret_sum = 0;
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += !!line) {
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		const char *end = strchr(line, '\n');
		while (end[-1] != ' ')
			end--;
		*ret_sum += strtoull(end, NULL, 10);
		n++;
	}
	return n;
}

static void series_are_bounded(void **state)
{
	struct ship *ship = ship_make();
	char namespace[32], policy[32];
	uint64_t sum;

	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < 1000; i++) {
			snprintf(namespace, sizeof(namespace), "namespace-%u", i / 2);
			snprintf(policy, sizeof(policy), "policy-%u", i % 7);
			count(ship, namespace, policy);
		}
	char *text = written(ship);
	assert_int_equal(lines_of(text, "podfence_flow_events_total{", &sum), SHIP_SERIES_MAX + 1);
	assert_int_equal(sum, 3000);
	assert_int_equal(lines_of(text, "podfence_flow_packets_total{", &sum), SHIP_SERIES_MAX + 1);
	assert_int_equal(sum, 9000);
	assert_int_equal(
		lines_of(text,
			 "podfence_flow_events_total{action=\"other\",namespace=\"__overflow__\"",
			 &sum),
		1);
	assert_int_equal(sum, 3 * (1000 - SHIP_SERIES_MAX));
	free(text);
	ship_drop(ship);
}

/* Names that are the same as far as they are kept are one series. */
static void names_are_cut(void **state)
{
	struct ship *ship = ship_make();
	char name[400];
	uint64_t sum;

	memset(name, 'n', sizeof(name));
	for (size_t length = 200; length < 300; length++) {
		name[length] = '\0';
		count(ship, name, name);
		name[length] = 'n';
	}
	char *text = written(ship);
	assert_int_equal(lines_of(text, "podfence_flow_events_total{", &sum), 1);
	assert_int_equal(sum, 100);
	free(text);
	ship_drop(ship);
}

static void foreign_names_are_text(void **state)
{
	struct ship *ship = ship_make();
	uint64_t sum;

	count(ship, "a\"} 1\nb", "c\\d");
	char *text = written(ship);
	assert_int_equal(lines_of(text,
				  "podfence_flow_events_total{action=\"dropped\","
				  "namespace=\"a\\\"} 1\\nb\",policy=\"c\\\\d\",kind=\"pod\"} 1",
				  &sum),
			 1);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "# ", 2) != 0 && strncmp(line, "podfence_", 9) != 0)
			fail_msg("a line of its own: %.40s", line);
	free(text);
	ship_drop(ship);
}

/* Of an agent that has not told of itself for long there are no numbers. */
static void old_numbers_are_none(void **state)
{
	struct ship *ship = ship_make();
	uint64_t sum;

	ship->status = json_tokener_parse("{\"enforcing\":true,\"endpoints\":{\"enforced\":3}}");
	char *text = written(ship);
	assert_int_equal(lines_of(text, "podfence_agent_up ", &sum), 1);
	assert_int_equal(sum, 0);
	assert_int_equal(lines_of(text, "podfence_enforcing ", &sum), 0);
	free(text);
	ship_drop(ship);
}

static void every_metric_has_help_once(void **state)
{
	struct ship *ship = ship_make();
	uint64_t sum;

	count(ship, "a", "b");
	char *text = written(ship);
	size_t n_help = lines_of(text, "# HELP podfence_", &sum);
	assert_true(n_help > 10);
	assert_int_equal(lines_of(text, "# TYPE podfence_", &sum), n_help);
	for (char *line = text; (line = strstr(line, "# HELP ")); line++) {
		char head[128];
		snprintf(head, sizeof(head), "%.*s ", (int)strcspn(line + 7, " ") + 7, line);
		if (lines_of(text, head, &sum) != 1)
			fail_msg("%s stands twice", head);
	}
	free(text);
	ship_drop(ship);
}

static void why_it_is_not_ready(void **state)
{
	struct ship *ship = ship_make();
	struct buffer text = BUFFER_INIT;

	strcpy(ship->store_problem, "disk full");
	metrics_unready(ship, &text);
	buffer_add_char(&text, '\0');
	assert_string_equal(text.bytes, "the store cannot be opened: disk full\n");
	buffer_clear(&text);
	metrics_problems(ship, &text);
	buffer_add_char(&text, '\0');
	assert_string_equal(text.bytes, "the store cannot be opened: disk full\n"
					"not connected to podfenced (/run/x.sock)\n");
	buffer_done(&text);
	ship_drop(ship);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series_are_bounded),
		cmocka_unit_test(names_are_cut),
		cmocka_unit_test(foreign_names_are_text),
		cmocka_unit_test(old_numbers_are_none),
		cmocka_unit_test(every_metric_has_help_once),
		cmocka_unit_test(why_it_is_not_ready),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
