/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a reply means, row by row. "again" is not settled, "dead" is given up, "half" is tried in
 * parts. */
#include <stdio.h>

#include "ship/outcome.h"

#include "test.h"

#define SLOW 60

struct row {
	unsigned status, retry_after;
	const char *body;
	enum outcome_what what;
	unsigned wait;
	const char *reason;
};

static struct reply reply_of(const struct row *row)
{
	return (struct reply){
		.status = row->status,
		.retry_after = row->retry_after,
		.body = row->body,
		.length = strlen(row->body),
	};
}

static void assert_outcome(const struct outcome *outcome, const struct row *row)
{
	if (outcome->what != row->what || outcome->wait_seconds != row->wait ||
	    strcmp(outcome->reason, row->reason) != 0)
		fail_msg("HTTP %u %s: %d, %u s, \"%s\"", row->status, row->body, outcome->what,
			 outcome->wait_seconds, outcome->reason);
}

static void any_receiver(void **state)
{
	static const struct row rows[] = {
		{200, 0, "", OUTCOME_OK, 0, "HTTP 200"},
		{204, 0, "", OUTCOME_OK, 0, "HTTP 204"},
		{299, 7, "", OUTCOME_OK, 0, "HTTP 299"},
		{302, 0, "", OUTCOME_RETRY, SLOW, "HTTP 302"}, /* not followed */
		{307, 0, "", OUTCOME_RETRY, SLOW, "HTTP 307"},
		{400, 0, "no", OUTCOME_SPLIT, 0, "HTTP 400: no"},
		{413, 0, "", OUTCOME_SPLIT, 0, "HTTP 413: "},
		{401, 0, "", OUTCOME_RETRY, SLOW, "HTTP 401"}, /* a wrong key is mended */
		{403, 0, "", OUTCOME_RETRY, SLOW, "HTTP 403"},
		{404, 0, "", OUTCOME_RETRY, SLOW, "HTTP 404"},
		{407, 0, "", OUTCOME_RETRY, SLOW, "HTTP 407"},
		{408, 0, "", OUTCOME_RETRY, 0, "HTTP 408"},
		{425, 0, "", OUTCOME_RETRY, 0, "HTTP 425"},
		{429, 0, "", OUTCOME_RETRY, 0, "HTTP 429"},
		{429, 17, "", OUTCOME_RETRY, 17, "HTTP 429"},
		{429, 86400, "", OUTCOME_RETRY, 3600, "HTTP 429"}, /* no receiver says "never" */
		{500, 0, "", OUTCOME_RETRY, 0, "HTTP 500"},
		{503, 3, "", OUTCOME_RETRY, 3, "HTTP 503"},
		{599, 0, "", OUTCOME_RETRY, 0, "HTTP 599"},
		{405, 0, "no such\nmethod\x1b[31m", OUTCOME_DROP, 0,
		 "HTTP 405: no such?method?[31m"},
		{410, 0, "channel_is_archived", OUTCOME_DROP, 0, "HTTP 410: channel_is_archived"},
		{422, 0, "\xff", OUTCOME_DROP, 0, "HTTP 422: ?"},
		{0, 0, "", OUTCOME_RETRY, SLOW, "HTTP 0"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = reply_of(&rows[i]);
		struct outcome outcome = outcome_of_http(&reply);
		assert_outcome(&outcome, &rows[i]);
	}
	/* A status that came before the way broke is none. */
	struct reply broken = {.error = "timed out", .status = 200, .body = ""};
	struct outcome outcome = outcome_of_http(&broken);
	assert_outcome(&outcome, &(struct row){0, 0, "", OUTCOME_RETRY, 0, "timed out"});
}

static void elasticsearch_says_of_each(void **state)
{
	static const struct row rows[] = {
		{0, 0, "{\"create\":{\"status\":201}}", OUTCOME_OK, 0, "201"},
		{0, 0, "{\"create\":{\"status\":409,\"error\":{\"type\":\"x\"}}}", OUTCOME_OK, 0,
		 "409"},
		{0, 0,
		 "{\"create\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution\"}}}",
		 OUTCOME_RETRY, 0, "item 429 es_rejected_execution"},
		{0, 0, "{\"create\":{\"status\":503}}", OUTCOME_RETRY, 0, "item 503 "},
		{0, 0,
		 "{\"create\":{\"status\":400,\"error\":{\"type\":\"mapper_parsing\",\"reason\":"
		 "\"of [a]\"}}}",
		 OUTCOME_DROP, 0, "item 400 mapper_parsing: of [a]"},
		{0, 0, "{\"create\":{\"status\":403,\"error\":{\"type\":\"block\"}}}",
		 OUTCOME_RETRY, SLOW, "item 403 block"},
		{0, 0, "{\"create\":{\"status\":404}}", OUTCOME_RETRY, SLOW, "item 404 "},
		{0, 0, "{\"create\":{}}", OUTCOME_RETRY, 0, "item without status"},
		{0, 0, "{\"create\":{\"status\":\"201\"}}", OUTCOME_RETRY, 0,
		 "item without status"},
		{0, 0, "{\"index\":{\"status\":201}}", OUTCOME_RETRY, 0, "item without status"},
		{0, 0, "7", OUTCOME_RETRY, 0, "item without status"},
		{0, 0, "null", OUTCOME_RETRY, 0, "item without status"},
	};
	enum { N = sizeof(rows) / sizeof(rows[0]) };
	struct outcome items[N];
	char body[4096] = "{\"errors\":true,\"items\":[";

	for (size_t i = 0; i < N; i++) {
		strcat(body, i ? "," : "");
		strcat(body, rows[i].body);
	}
	strcat(body, "]}");
	struct reply reply = {.status = 200, .body = body, .length = strlen(body)};
	struct outcome outcome = outcome_of_elastic(&reply, N, items);
	assert_int_equal(outcome.what, OUTCOME_OK);
	for (size_t i = 0; i < N; i++)
		assert_outcome(&items[i], &rows[i]);
	/* Not of all, or of more than were sent: of none. */
	assert_int_equal(outcome_of_elastic(&reply, N + 1, items).what, OUTCOME_RETRY);
	assert_int_equal(outcome_of_elastic(&reply, N - 1, items).what, OUTCOME_RETRY);
}

static void elasticsearch_says_of_all(void **state)
{
	static const char unclear[] = "the reply does not tell of all items";
	static const struct row rows[] = {
		{200, 0, "{\"errors\":false}", OUTCOME_OK, 0, "HTTP 200"},
		{200, 0, "{\"errors\":true}", OUTCOME_RETRY, 0, unclear},
		{200, 0, "{\"errors\":\"false\"}", OUTCOME_RETRY, 0, unclear},
		{200, 0, "{\"errors\":0,\"items\":{}}", OUTCOME_RETRY, 0, unclear},
		{200, 0, "", OUTCOME_RETRY, 0, unclear},
		{200, 0, "<html>", OUTCOME_RETRY, 0, unclear},
		{200, 0, "{\"errors\":fal", OUTCOME_RETRY, 0, unclear},
		{200, 0, "[[[[", OUTCOME_RETRY, 0, unclear},
		{413, 0, "", OUTCOME_SPLIT, 0, "HTTP 413: "},
		{400, 0, "{}", OUTCOME_SPLIT, 0, "HTTP 400: {}"},
		{429, 9, "", OUTCOME_RETRY, 9, "HTTP 429"},
	};
	struct outcome items[3];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = reply_of(&rows[i]);
		memset(items, 0xff, sizeof(items));
		struct outcome outcome = outcome_of_elastic(&reply, 3, items);
		assert_outcome(&outcome, &rows[i]);
		for (int k = 0; outcome.what == OUTCOME_OK && k < 3; k++)
			assert_int_equal(items[k].what, OUTCOME_OK);
	}
	struct reply cut = {.status = 200, .body = "{\"errors\":false}", .is_cut = true};
	assert_int_equal(outcome_of_elastic(&cut, 3, items).what, OUTCOME_RETRY);
}

static void dingtalk_says_it_in_the_body(void **state)
{
	static const struct row rows[] = {
		{200, 0, "{\"errcode\":0,\"errmsg\":\"ok\"}", OUTCOME_OK, 0, "errcode 0"},
		{200, 0, "{\"errcode\":-1,\"errmsg\":\"busy\"}", OUTCOME_RETRY, 0,
		 "errcode -1: busy"},
		{200, 0, "{\"errcode\":130101,\"errmsg\":\"too fast\"}", OUTCOME_RETRY, 600,
		 "errcode 130101: too fast"},
		{200, 0, "{\"errcode\":410100,\"errmsg\":\"\"}", OUTCOME_RETRY, 600,
		 "errcode 410100: "},
		{200, 0, "{\"errcode\":310000,\"errmsg\":\"sign not match\"}", OUTCOME_RETRY, SLOW,
		 "errcode 310000: sign not match"},
		{200, 0, "{\"errcode\":300001,\"errmsg\":\"token is not exist\"}", OUTCOME_RETRY,
		 SLOW, "errcode 300001: token is not exist"},
		{200, 0, "{\"errcode\":40035,\"errmsg\":\"missing parameter\"}", OUTCOME_DROP, 0,
		 "errcode 40035: missing parameter"},
		{200, 0, "{\"errcode\":\"0\"}", OUTCOME_RETRY, 0, "the reply has no errcode"},
		{200, 0, "{}", OUTCOME_RETRY, 0, "the reply has no errcode"},
		{200, 0, "ok", OUTCOME_RETRY, 0, "the reply has no errcode"},
		{502, 0, "{\"errcode\":0}", OUTCOME_RETRY, 0, "HTTP 502"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = reply_of(&rows[i]);
		struct outcome outcome = outcome_of_dingtalk(&reply);
		assert_outcome(&outcome, &rows[i]);
	}
}

static void kubernetes_events_come_and_go(void **state)
{
	static const struct {
		bool is_patch;
		struct row row;
	} cases[] = {
		{false, {201, 0, "", OUTCOME_OK, 0, "HTTP 201"}},
		{false, {409, 0, "", OUTCOME_OK, 0, "HTTP 409"}},
		{false, {404, 0, "no namespace", OUTCOME_DROP, 0, "HTTP 404: no namespace"}},
		{false, {422, 0, "invalid", OUTCOME_DROP, 0, "HTTP 422: invalid"}},
		{false,
		 {403, 0, "because it is being terminated", OUTCOME_DROP, 0,
		  "the namespace is being terminated"}},
		{false, {403, 0, "forbidden", OUTCOME_RETRY, SLOW, "HTTP 403"}},
		{false, {401, 0, "", OUTCOME_RETRY, SLOW, "HTTP 401"}},
		{true, {200, 0, "", OUTCOME_OK, 0, "HTTP 200"}},
		{true, {404, 0, "", OUTCOME_ANEW, 0, "HTTP 404"}},
		{true, {409, 0, "", OUTCOME_DROP, 0, "HTTP 409: "}},
		{true, {429, 2, "", OUTCOME_RETRY, 2, "HTTP 429"}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply reply = reply_of(&cases[i].row);
		struct outcome outcome = outcome_of_kubernetes(&reply, cases[i].is_patch);
		assert_outcome(&outcome, &cases[i].row);
	}
	struct reply gone = {.error = "connection refused", .status = 404, .body = ""};
	assert_int_equal(outcome_of_kubernetes(&gone, true).what, OUTCOME_RETRY);
}

static void backoff_grows_to_a_minute(void **state)
{
	static const uint64_t ceilings[] = {1, 2, 4, 8, 16, 32, 60, 60};

	for (unsigned attempt = 0; attempt < 8; attempt++) {
		uint64_t most = outcome_backoff_usec(attempt, UINT32_MAX);
		assert_int_equal(most, ceilings[attempt] * 1000000);
		assert_int_equal(outcome_backoff_usec(attempt, 0), 100000);
		uint64_t half = outcome_backoff_usec(attempt, UINT32_MAX / 2);
		assert_true(half >= most / 2 - 1000 && half <= most / 2);
	}
	assert_int_equal(outcome_backoff_usec(UINT32_MAX, UINT32_MAX), 60000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_receiver),
		cmocka_unit_test(elasticsearch_says_of_each),
		cmocka_unit_test(elasticsearch_says_of_all),
		cmocka_unit_test(dingtalk_says_it_in_the_body),
		cmocka_unit_test(kubernetes_events_come_and_go),
		cmocka_unit_test(backoff_grows_to_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
