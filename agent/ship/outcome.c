/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What is the receiver's fault or the way's is tried again, without end: the store bounds it. What
 * is an operator's to mend (a wrong key, a redirect) is tried again slowly. Only what is wrong with
 * one event itself is given up, and then it is that event alone. */
#include "ship/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ship/event.h"

#define SLOW_SECONDS	60
#define DINGTALK_PAUSE	600 /* it refuses a robot for ten minutes */
#define RETRY_AFTER_MAX 3600u

PF_PRINTF(3, 4)
static struct outcome make(enum outcome_what what, unsigned wait, const char *format, ...)
{
	struct outcome outcome = {.what = what, .wait_seconds = wait};
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(outcome.reason, sizeof(outcome.reason), format, arguments);
	va_end(arguments);
	for (char *c = outcome.reason; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	return outcome;
}

struct outcome outcome_of_http(const struct reply *reply)
{
	unsigned status = reply->status;
	unsigned after = reply->retry_after < RETRY_AFTER_MAX ? reply->retry_after
							      : RETRY_AFTER_MAX;

	if (reply->error)
		return make(OUTCOME_RETRY, 0, "%s", reply->error);
	if (status >= 200 && status < 300)
		return make(OUTCOME_OK, 0, "HTTP %u", status);
	if (status == 408 || status == 425 || status == 429 || status >= 500)
		return make(OUTCOME_RETRY, after, "HTTP %u", status);
	if (status == 400 || status == 413)
		return make(OUTCOME_SPLIT, 0, "HTTP %u: %.60s", status, reply->body);
	if (status < 400 || status == 401 || status == 403 || status == 404 || status == 407)
		return make(OUTCOME_RETRY, SLOW_SECONDS, "HTTP %u", status);
	return make(OUTCOME_DROP, 0, "HTTP %u: %.60s", status, reply->body);
}

static struct outcome judge_item(struct json_object *item)
{
	struct json_object *result = ship_find(item, "create");
	unsigned status = (unsigned)ship_number(result, "status");
	const char *type = ship_text(result, "error.type"),
		   *why = ship_text(result, "error.reason");

	if ((status >= 200 && status < 300) || status == 409)
		return make(OUTCOME_OK, 0, "%u", status);
	if (status == 429 || status >= 500)
		return make(OUTCOME_RETRY, 0, "item %u %.40s", status, type);
	if (status == 403 || status == 404 || status == 401)
		return make(OUTCOME_RETRY, SLOW_SECONDS, "item %u %.40s", status, type);
	if (status >= 400)
		return make(OUTCOME_DROP, 0, "item %u %.30s: %.45s", status, type, why);
	return make(OUTCOME_RETRY, 0, "item without status");
}

/* An answer that does not tell of every item tells of none: all are sent again, and what was taken
 * already answers 409. */
struct outcome outcome_of_elastic(const struct reply *reply, size_t n_items, struct outcome *items)
{
	struct outcome outcome = outcome_of_http(reply);

	if (outcome.what != OUTCOME_OK)
		return outcome;
	if (reply->is_cut)
		return make(OUTCOME_RETRY, 0, "the reply is too long");
	struct json_object *tree = json_tokener_parse(reply->body);
	struct json_object *list = ship_find(tree, "items");
	struct json_object *errors = ship_find(tree, "errors");
	if (json_object_is_type(errors, json_type_boolean) && !json_object_get_boolean(errors)) {
		for (size_t i = 0; i < n_items; i++)
			items[i] = outcome;
	} else if (!json_object_is_type(list, json_type_array) ||
		   json_object_array_length(list) != n_items) {
		outcome = make(OUTCOME_RETRY, 0, "the reply does not tell of all items");
	} else {
		for (size_t i = 0; i < n_items; i++)
			items[i] = judge_item(json_object_array_get_idx(list, i));
	}
	json_object_put(tree);
	return outcome;
}

/* What DingTalk says of the robot and not of the message: waits, in seconds; 0: by backoff. */
static const struct {
	int64_t code;
	unsigned wait_seconds;
} dingtalk_codes[] = {
	{-1, 0},		  /* busy */
	{130101, DINGTALK_PAUSE}, /* too many messages */
	{410100, DINGTALK_PAUSE},
	{300001, SLOW_SECONDS}, /* no such token */
	{310000, SLOW_SECONDS}, /* keyword, signature or address are not as the robot wants */
	{400101, SLOW_SECONDS}, /* the token is none */
	{400102, SLOW_SECONDS}, /* the robot is stopped */
	{400106, SLOW_SECONDS}, /* the robot is gone */
};

static struct outcome judge_errcode(int64_t code, const char *message)
{
	if (code == 0)
		return make(OUTCOME_OK, 0, "errcode 0");
	for (size_t i = 0; i < sizeof(dingtalk_codes) / sizeof(dingtalk_codes[0]); i++)
		if (dingtalk_codes[i].code == code)
			return make(OUTCOME_RETRY, dingtalk_codes[i].wait_seconds,
				    "errcode %lld: %.60s", (long long)code, message);
	return make(OUTCOME_DROP, 0, "errcode %lld: %.60s", (long long)code, message);
}

struct outcome outcome_of_dingtalk(const struct reply *reply)
{
	struct outcome outcome = outcome_of_http(reply);

	if (outcome.what != OUTCOME_OK)
		return outcome;
	struct json_object *tree = json_tokener_parse(reply->body);
	struct json_object *code = ship_find(tree, "errcode");
	if (!json_object_is_type(code, json_type_int))
		outcome = make(OUTCOME_RETRY, 0, "the reply has no errcode");
	else
		outcome = judge_errcode(json_object_get_int64(code), ship_text(tree, "errmsg"));
	json_object_put(tree);
	return outcome;
}

struct outcome outcome_of_kubernetes(const struct reply *reply, bool is_patch)
{
	struct outcome outcome = outcome_of_http(reply);

	if (reply->error)
		return outcome;
	if (is_patch && reply->status == 404) /* the API server keeps Events for an hour */
		return make(OUTCOME_ANEW, 0, "HTTP 404");
	if (!is_patch && reply->status == 409) /* it is there already */
		return make(OUTCOME_OK, 0, "HTTP 409");
	if (reply->status == 404 || outcome.what == OUTCOME_SPLIT)
		return make(OUTCOME_DROP, 0, "HTTP %u: %.60s", reply->status, reply->body);
	if (reply->status == 403 && strstr(reply->body, "being terminated"))
		return make(OUTCOME_DROP, 0, "the namespace is being terminated");
	return outcome;
}

uint64_t outcome_backoff_usec(unsigned attempt, uint32_t random)
{
	unsigned ceiling = attempt >= 6 ? 60 : 1u << attempt;
	uint64_t usec = (uint64_t)ceiling * 1000000u * random / UINT32_MAX;

	return usec < 100000 ? 100000 : usec;
}
