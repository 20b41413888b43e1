/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	list, page by page -> watch from the list's version -> watch again ... -> 410: list again
 *
 * The order is client-go's: the first list may come from the server's cache (resourceVersion=0),
 * later ones must not be older than what was seen, and only where the server does not know that
 * version any more they are read from its store. A watch goes on from the last version heard of,
 * bookmarks included.
 *
 * What is known is never given up before its successor is whole: a list that breaks off changes
 * nothing but what it named.
 *
 * Failures are retried with full jitter: a random time up to 1, 2, 4 ... 60 s. A watch that held
 * for ten seconds or said something clears the count; one that ends at once is a failure too, or
 * two that disagree would chase each other.
 *
 * A server whose data is of another life (a cluster made anew, a store from a backup) counts versions from
 * where ours are not yet, and a watch of a version to come is silent, bookmarks included. So one that has
 * said nothing for longer than bookmarks are apart is followed by a list. */
#include "kube/reflector.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/object.h"
#include "kube/reflector_internal.h"

#define BACKOFF_USEC	 1000000u
#define BACKOFF_MAX_USEC 60000000u
#define ABSENT_USEC	 (5 * 60000000u)
#define HELD_USEC	 10000000u
#define SILENT_USEC	 150000000u
#define LIST_STALL	 30u
#define LIST_TOTAL	 300u
#define WATCH_GRACE	 30u

struct reflector *reflector_free(struct reflector *reflector)
{
	if (!reflector)
		return NULL;
	item_scanner_done(&reflector->scanner);
	buffer_done(&reflector->line);
	if (reflector->tokener)
		json_tokener_free(reflector->tokener);
	free(reflector->name);
	free(reflector->path);
	free(reflector->query);
	free(reflector);
	return NULL;
}

int reflector_new(const struct reflector_options *options, const struct reflector_sink *sink,
		  struct report *report, struct reflector **ret_reflector)
{
	struct reflector *reflector = calloc(1, sizeof(*reflector));

	if (!reflector)
		return -ENOMEM;
	reflector->options = *options;
	reflector->sink = *sink;
	reflector->report = report;
	reflector->name = strdup(options->name);
	reflector->path = strdup(options->path);
	reflector->query = strdup(options->query);
	reflector->tokener = json_tokener_new_ex(REFLECTOR_DEPTH_MAX);
	item_scanner_init(&reflector->scanner, options->object_limit);
	if (!reflector->name || !reflector->path || !reflector->query || !reflector->tokener) {
		reflector_free(reflector);
		return -ENOMEM;
	}
	json_tokener_set_flags(reflector->tokener,
			       JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret_reflector = reflector;
	return 0;
}

uint64_t reflector_due(const struct reflector *reflector)
{
	return reflector->due_usec;
}

bool reflector_is_synced(const struct reflector *reflector)
{
	return reflector->is_synced;
}

bool reflector_is_absent(const struct reflector *reflector)
{
	return reflector->is_absent;
}

const char *reflector_problem(const struct reflector *reflector, unsigned *ret_n_failures)
{
	*ret_n_failures = reflector->n_failures;
	return reflector->problem;
}

struct reflector_counts reflector_counts(const struct reflector *reflector)
{
	return reflector->counts;
}

/* Asking */

struct target {
	char *text;
	size_t length;
	bool has_query;
};

static void target_add(struct target *target, const char *text)
{
	size_t n = strlen(text);

	if (n >= REFLECTOR_TARGET_MAX - target->length)
		n = REFLECTOR_TARGET_MAX - target->length - 1;
	memcpy(target->text + target->length, text, n);
	target->length += n;
	target->text[target->length] = '\0';
}

static void target_add_query(struct target *target, const char *text)
{
	target_add(target, target->has_query ? "&" : "?");
	target_add(target, text);
	target->has_query = true;
}

/* RFC 3986, section 2.3: what need not be escaped. */
static void target_add_value(struct target *target, const char *key, const char *value)
{
	char escaped[4];

	target_add_query(target, key);
	for (; *value; value++) {
		bool is_plain = isalnum((unsigned char)*value) || strchr("-._~", *value);
		snprintf(escaped, sizeof(escaped), is_plain ? "%c" : "%%%02X",
			 (unsigned char)*value);
		target_add(target, escaped);
	}
}

static void target_add_number(struct target *target, const char *key, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	target_add_value(target, key, text);
}

/* A page goes on with the version its first page had; the server refuses another. */
static void ask_list(struct reflector *reflector, struct target *target)
{
	target_add_number(target, "limit=", reflector->options.page_items);
	if (reflector->next_page[0])
		target_add_value(target, "continue=", reflector->next_page);
	else if (!reflector->must_be_current)
		target_add_value(target, "resourceVersion=",
				 reflector->version[0] ? reflector->version : "0");
}

static unsigned ask_watch(struct reflector *reflector, uint32_t random, struct target *target)
{
	unsigned seconds = reflector->options.watch_seconds;

	seconds += (unsigned)((uint64_t)random * (seconds / 4 + 1) >> 32);
	target_add_query(target, "watch=1");
	target_add_query(target, "allowWatchBookmarks=true");
	target_add_value(target, "resourceVersion=", reflector->version);
	target_add_number(target, "timeoutSeconds=", seconds);
	return seconds;
}

static void reset_reply(struct reflector *reflector)
{
	reflector->status = 0;
	reflector->retry_after = 0;
	reflector->has_failed = reflector->is_expired = reflector->has_said_something = false;
	reflector->is_scanning = reflector->has_kind = reflector->has_version = false;
	reflector->is_line_too_large = false;
	reflector->why[0] = '\0';
	buffer_clear(&reflector->line);
}

void reflector_begin(struct reflector *reflector, uint64_t now_usec, uint32_t random,
		     struct reflector_request *ret_request)
{
	struct target target = {.text = ret_request->target};

	reset_reply(reflector);
	reflector->begun_usec = now_usec;
	target_add(&target, reflector->path);
	if (reflector->query[0])
		target_add_query(&target, reflector->query);
	ret_request->is_watch = reflector->mode == MODE_WATCH;
	if (reflector->mode == MODE_WATCH) {
		unsigned seconds = ask_watch(reflector, random, &target);
		/* No byte may come for as long as the whole takes. */
		ret_request->stall_seconds = 0;
		ret_request->total_seconds = seconds + WATCH_GRACE;
		reflector->counts.n_watches++;
		return;
	}
	ask_list(reflector, &target);
	ret_request->stall_seconds = LIST_STALL;
	ret_request->total_seconds = LIST_TOTAL;
	if (!reflector->next_page[0]) {
		reflector->counts.n_lists++;
		reflector->sink.begin(reflector->sink.userdata);
	}
}

/* Ending */

/* Between nothing and 1, 2, 4 ... 60 s. */
static uint64_t backoff(const struct reflector *reflector, uint32_t random)
{
	unsigned doublings = reflector->n_failures < 7 ? reflector->n_failures : 7;
	uint64_t most = (uint64_t)BACKOFF_USEC << (doublings ? doublings - 1 : 0);

	if (most > BACKOFF_MAX_USEC)
		most = BACKOFF_MAX_USEC;
	uint64_t delay = most * random >> 32;
	uint64_t least = (uint64_t)reflector->retry_after * 1000000u;
	return delay > least ? delay : least;
}

/* A Status object says it best. */
static void say_status(struct reflector *reflector)
{
	enum json_tokener_error error;
	struct buffer *body = &reflector->line;
	struct json_object *status = NULL;

	buffer_add_char(body, '\0');
	if (!body->is_broken && body->length > 1)
		status = reflector_parse(reflector, body->bytes, body->length, &error);
	const char *message = object_find_text(status, "message");
	reflector_fail(reflector, message[0] ? "HTTP status %u: %.240s" : "HTTP status %u%s",
		       reflector->status, message);
	json_object_put(status);
}

static void check_list_end(struct reflector *reflector)
{
	const struct item_scanner *scanner = &reflector->scanner;

	if (!item_scanner_is_complete(scanner))
		reflector_fail(reflector, "the list ends in the middle");
	else if (!reflector->has_kind || !scanner->has_items)
		reflector_fail(reflector, "the reply is no list: it has no kind or no items");
	else if (!reflector->has_version)
		reflector_fail(reflector, "the list has no metadata.resourceVersion");
}

static bool was_silent(const struct reflector *reflector, uint64_t now_usec)
{
	return reflector->mode == MODE_WATCH && reflector->status == 200 &&
	       !reflector->has_said_something && now_usec - reflector->begun_usec >= SILENT_USEC;
}

/* Nothing failed: what comes next. */
static void go_on(struct reflector *reflector, uint64_t now_usec)
{
	reflector->due_usec = now_usec;
	reflector->problem[0] = '\0';
	if (reflector->mode == MODE_WATCH || reflector->next_page[0])
		return;
	reflector->mode = MODE_WATCH;
	reflector->must_be_current = false;
	reflector->is_synced = true;
	reflector->is_absent = false;
}

static void list_again(struct reflector *reflector, bool must_be_current)
{
	reflector->mode = MODE_LIST;
	reflector->next_page[0] = '\0';
	reflector->must_be_current = must_be_current;
}

/* Who asks and how often is what such a status is about, not what was asked for. */
static bool is_about_us(unsigned status)
{
	return status == 401 || status == 403 || status == 429;
}

static void begin_anew(struct reflector *reflector, uint64_t now_usec, uint32_t random)
{
	bool is_refused = reflector->status >= 400;

	reflector->n_failures++;
	snprintf(reflector->problem, sizeof(reflector->problem), "%s", reflector->why);
	reflector->due_usec = now_usec + backoff(reflector, random);
	if (reflector->is_expired || reflector->status == 410) {
		/* Once is ordinary: a server forgets after minutes. */
		if (reflector->n_failures == 1)
			reflector->due_usec = now_usec;
		list_again(reflector, true);
	} else if (reflector->mode == MODE_LIST) {
		/* Perhaps it is the version that the server does not like. */
		list_again(reflector, reflector->must_be_current ||
					      (is_refused && !is_about_us(reflector->status)));
	} else if ((reflector->status == 200 && reflector->has_failed) ||
		   (is_refused && !is_about_us(reflector->status))) {
		list_again(reflector, false);
	}
	if (reflector->status == 404 && reflector->options.may_be_absent) {
		reflector->is_absent = true;
		reflector->due_usec = now_usec + ABSENT_USEC / 2 +
				      (ABSENT_USEC / 2 * (uint64_t)random >> 32);
		reflector->problem[0] = '\0';
		reflector->n_failures = 0;
		list_again(reflector, true);
	}
}

/* How a watch ends tells nothing; how long it held does. */
static bool has_held_long(const struct reflector *reflector, uint64_t now_usec)
{
	return reflector->mode == MODE_WATCH && reflector->status == 200 &&
	       now_usec - reflector->begun_usec >= HELD_USEC;
}

static bool has_held(const struct reflector *reflector, uint64_t now_usec)
{
	return has_held_long(reflector, now_usec) ||
	       (reflector->mode == MODE_WATCH && reflector->status == 200 &&
		reflector->has_said_something);
}

void reflector_end(struct reflector *reflector, const char *error, uint64_t now_usec,
		   uint32_t random)
{
	bool was_watch = reflector->mode == MODE_WATCH, is_broken_off = false,
	     was_mute = was_silent(reflector, now_usec);

	if (has_held_long(reflector, now_usec) ||
	    (has_held(reflector, now_usec) && !reflector->has_failed))
		reflector->n_failures = 0;
	if (reflector->status && reflector->status != 200) {
		say_status(reflector);
	} else if (error && !reflector->has_failed) {
		/* A watch that broke off goes on where it was; has_failed would make a list. */
		is_broken_off = was_watch && reflector->status == 200;
		snprintf(reflector->why, sizeof(reflector->why), "%s", error);
		reflector->has_failed = !is_broken_off;
	} else if (!error && !reflector->has_failed && !was_watch) {
		check_list_end(reflector);
		if (!reflector->has_failed && !reflector->next_page[0] &&
		    reflector->sink.end(reflector->sink.userdata) < 0)
			reflector_fail(reflector, "out of memory");
	} else if (!error && !reflector->has_failed && !has_held(reflector, now_usec)) {
		is_broken_off = true;
		snprintf(reflector->why, sizeof(reflector->why), "the watch ended at once");
	}
	if (reflector->has_failed || is_broken_off)
		begin_anew(reflector, now_usec, random);
	else
		go_on(reflector, now_usec);
	if (was_mute && reflector->mode == MODE_WATCH)
		list_again(reflector, false);
	buffer_clear(&reflector->line);
}
