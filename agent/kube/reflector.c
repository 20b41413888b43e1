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
 * nothing but what it named. An object that is too large, nested too deep or no JSON inside a list
 * is refused alone. A line of a watch that is no JSON may have said anything, so it makes a list.
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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "kube/item_scanner.h"
#include "kube/object.h"

#define TREE_DEPTH_MAX	 64
#define VERSION_MAX	 128
#define CONTINUE_MAX	 2048
#define PROBLEM_MAX	 320
#define ERROR_BODY_MAX	 4096u
#define BACKOFF_USEC	 1000000u
#define BACKOFF_MAX_USEC 60000000u
#define ABSENT_USEC	 (5 * 60000000u)
#define HELD_USEC	 10000000u
#define SILENT_USEC	 150000000u
#define LIST_STALL	 30u
#define LIST_TOTAL	 300u
#define WATCH_GRACE	 30u

enum mode { MODE_LIST, MODE_WATCH };

struct reflector {
	char *name, *path, *query;
	struct reflector_options options;
	struct reflector_sink sink;
	struct report *report;
	struct json_tokener *tokener;

	enum mode mode;		      /* of the request that is under way or next */
	char version[VERSION_MAX];    /* resourceVersion heard last; "": none */
	char next_page[CONTINUE_MAX]; /* continue; "": first page */
	bool must_be_current;	      /* the next list names no version */
	bool is_synced, is_absent;
	unsigned n_failures;
	uint64_t due_usec, begun_usec;
	char problem[PROBLEM_MAX];
	struct reflector_counts counts;

	/* the reply under way */
	unsigned status, retry_after;
	bool has_failed, is_expired, has_said_something;
	char why[PROBLEM_MAX];
	struct item_scanner scanner; /* of a list */
	bool is_scanning, has_kind, has_version;
	struct buffer line; /* of a watch, or of an error's body */
	bool is_line_too_large;
};

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
	reflector->tokener = json_tokener_new_ex(TREE_DEPTH_MAX);
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

/* Hearing */

/* The first thing that is wrong with a reply is what is said of it. */
PF_PRINTF(2, 3)
static int fail(struct reflector *reflector, const char *format, ...)
{
	va_list arguments;

	if (!reflector->has_failed) {
		va_start(arguments, format);
		vsnprintf(reflector->why, sizeof(reflector->why), format, arguments);
		va_end(arguments);
	}
	reflector->has_failed = true;
	return REFLECTOR_E_ENOUGH;
}

PF_PRINTF(2, 3)
static void refuse(struct reflector *reflector, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reflector->counts.n_refused++;
	report_add(reflector->report, reflector->name, "%s", text);
}

void reflector_status(struct reflector *reflector, unsigned status, unsigned retry_after_seconds)
{
	reflector->status = status;
	reflector->retry_after = retry_after_seconds;
	if (status != 200 || reflector->mode != MODE_LIST)
		return;
	item_scanner_done(&reflector->scanner);
	item_scanner_init(&reflector->scanner, reflector->options.object_limit);
	reflector->is_scanning = true;
}

static struct json_object *parse(struct reflector *reflector, const char *bytes, size_t length,
				 enum json_tokener_error *ret_error)
{
	json_tokener_reset(reflector->tokener);
	struct json_object *object = json_tokener_parse_ex(reflector->tokener, bytes, (int)length);
	*ret_error = json_tokener_get_error(reflector->tokener);
	return object;
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static struct json_object *member_of(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &value);
	return value;
}

static int64_t number_of(struct json_object *object, const char *key)
{
	struct json_object *value = member_of(object, key);

	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

/* A version is opaque, but it comes back in a request: nothing that is no word is taken. */
static bool take_version(struct reflector *reflector, struct json_object *metadata)
{
	const char *version = text_of(metadata, "resourceVersion");
	size_t n = strlen(version);

	if (!n || n >= VERSION_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)version[i]) && !strchr("-._", version[i]))
			return false;
	memcpy(reflector->version, version, n + 1);
	return true;
}

/* A sink's error is the environment's; it is said and it ends the reply. */
static int told(struct reflector *reflector, int r)
{
	return r < 0 ? fail(reflector, "%s", strerrordesc_np(-r) ? strerrordesc_np(-r) : "failed")
		     : 0;
}

static int take_item(struct reflector *reflector)
{
	const struct buffer *value = &reflector->scanner.value;
	size_t index = reflector->scanner.n_items - 1;
	enum json_tokener_error error;
	struct json_object *object = parse(reflector, value->bytes, value->length, &error);
	char place[128];
	int r = 0;

	snprintf(place, sizeof(place), "%s: items[%zu]", reflector->name, index);
	if (error == json_tokener_success)
		r = told(reflector, reflector->sink.put(reflector->sink.userdata, object, place));
	else if (error == json_tokener_error_depth)
		refuse(reflector, "items[%zu] is nested deeper than %d levels", index,
		       TREE_DEPTH_MAX);
	else
		refuse(reflector, "items[%zu] is no JSON: %s", index,
		       json_tokener_error_desc(error));
	json_object_put(object);
	return r;
}

static int take_kind(struct reflector *reflector, struct json_object *value)
{
	const char *kind = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : "";
	size_t n = strlen(kind);

	reflector->has_kind = true;
	if (n < 4 || strcmp(kind + n - 4, "List") != 0)
		return fail(reflector, "the reply is of kind \"%.64s\", not a list", kind);
	return 0;
}

static int take_list_metadata(struct reflector *reflector, struct json_object *value)
{
	const char *next = text_of(value, "continue");

	if (!take_version(reflector, value))
		return fail(reflector, "the list has no usable metadata.resourceVersion");
	reflector->has_version = true;
	if (strlen(next) >= CONTINUE_MAX)
		return fail(reflector, "metadata.continue of the list is too long");
	memcpy(reflector->next_page, next, strlen(next) + 1);
	return 0;
}

static int take_member(struct reflector *reflector)
{
	const struct item_scanner *scanner = &reflector->scanner;
	enum json_tokener_error error;
	struct json_object *value = parse(reflector, scanner->value.bytes, scanner->value.length,
					  &error);
	int r = 0;

	if (error != json_tokener_success)
		r = fail(reflector, "the list is no JSON: %s: %s", scanner->key,
			 json_tokener_error_desc(error));
	else if (!strcmp(scanner->key, "kind"))
		r = take_kind(reflector, value);
	else if (!strcmp(scanner->key, "metadata"))
		r = take_list_metadata(reflector, value);
	json_object_put(value);
	return r;
}

static int feed_list(struct reflector *reflector, const char *bytes, size_t length)
{
	struct item_scanner *scanner = &reflector->scanner;
	int r = 0;

	while (!r && length) {
		r = item_scanner_feed(scanner, &bytes, &length);
		switch (r) {
		case ITEM_SCANNER_MORE: break;
		case ITEM_SCANNER_ITEM: r = take_item(reflector); break;
		case ITEM_SCANNER_MEMBER: r = take_member(reflector); break;
		case ITEM_SCANNER_TOO_LARGE:
			refuse(reflector, "items[%zu] is larger than %zu bytes",
			       scanner->n_items - 1, reflector->options.object_limit);
			r = 0;
			break;
		case ITEM_SCANNER_MALFORMED:
			r = fail(reflector, "the list is no JSON: %s (byte %zu)", scanner->problem,
				 scanner->offset + 1);
			break;
		default: break;
		}
	}
	return r;
}

/* {"type":"ERROR","object":{"kind":"Status","code":410,...}} */
static int take_error(struct reflector *reflector, struct json_object *status)
{
	reflector->is_expired = number_of(status, "code") == 410;
	return fail(reflector, "the server ended the watch: %.200s", text_of(status, "message"));
}

static int take_event(struct reflector *reflector, struct json_object *event)
{
	const char *type = text_of(event, "type");
	struct json_object *object = member_of(event, "object");
	struct reflector_sink *sink = &reflector->sink;
	char place[128];
	int r;

	snprintf(place, sizeof(place), "%s: watch", reflector->name);
	if (!strcmp(type, "ERROR"))
		return take_error(reflector, object);
	if (!strcmp(type, "BOOKMARK"))
		r = 0;
	else if (!strcmp(type, "DELETED"))
		r = sink->remove(sink->userdata, object, place);
	else if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"))
		r = sink->put(sink->userdata, object, place);
	else
		return fail(reflector, "the watch has an event of type \"%.32s\"", type);
	if (r < 0)
		return told(reflector, r);
	if (!take_version(reflector, member_of(object, "metadata")))
		return fail(reflector, "an object of the watch has no usable resourceVersion");
	reflector->has_said_something = true;
	if (type[0] == 'B')
		reflector->counts.n_bookmarks++;
	else
		reflector->counts.n_events++;
	return 0;
}

/* An object that cannot be read is left as it was known; its version is the next one's to tell. */
static int take_line(struct reflector *reflector)
{
	struct buffer *line = &reflector->line;
	enum json_tokener_error error;
	int r = 0;

	if (!line->length && !reflector->is_line_too_large)
		return 0;
	if (reflector->is_line_too_large) {
		refuse(reflector,
		       "an object of the watch is larger than %zu bytes; what was known "
		       "of it stays",
		       reflector->options.object_limit);
		reflector->is_line_too_large = false;
		return 0;
	}
	buffer_add_char(line, '\0');
	if (line->is_broken)
		return -ENOMEM;
	struct json_object *event = parse(reflector, line->bytes, line->length, &error);
	if (error == json_tokener_error_depth)
		refuse(reflector, "an object of the watch is nested deeper than %d levels",
		       TREE_DEPTH_MAX);
	else if (error != json_tokener_success)
		r = fail(reflector, "the watch is no JSON: %s", json_tokener_error_desc(error));
	else
		r = take_event(reflector, event);
	json_object_put(event);
	buffer_clear(line);
	return r;
}

static void collect(struct reflector *reflector, const char *bytes, size_t length)
{
	struct buffer *line = &reflector->line;
	/* beside the object itself there is only its type */
	size_t limit = reflector->options.object_limit + 64;

	if (reflector->is_line_too_large || line->length + length > limit) {
		reflector->is_line_too_large = true;
		buffer_clear(line);
		return;
	}
	buffer_add(line, bytes, length);
}

static int feed_watch(struct reflector *reflector, const char *bytes, size_t length)
{
	while (length) {
		const char *end = memchr(bytes, '\n', length);
		size_t n = end ? (size_t)(end - bytes) : length;
		collect(reflector, bytes, n);
		if (!end)
			return reflector->line.is_broken ? -ENOMEM : 0;
		int r = take_line(reflector);
		if (r)
			return r;
		bytes += n + 1;
		length -= n + 1;
	}
	return 0;
}

static int feed_error(struct reflector *reflector, const char *bytes, size_t length)
{
	size_t room = ERROR_BODY_MAX - reflector->line.length;

	buffer_add(&reflector->line, bytes, length < room ? length : room);
	return reflector->line.is_broken		 ? -ENOMEM
	       : reflector->line.length < ERROR_BODY_MAX ? 0
							 : REFLECTOR_E_ENOUGH;
}

int reflector_feed(struct reflector *reflector, const char *bytes, size_t length)
{
	if (reflector->has_failed)
		return REFLECTOR_E_ENOUGH;
	if (reflector->status != 200)
		return feed_error(reflector, bytes, length);
	return reflector->mode == MODE_LIST ? feed_list(reflector, bytes, length)
					    : feed_watch(reflector, bytes, length);
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
		status = parse(reflector, body->bytes, body->length, &error);
	const char *message = text_of(status, "message");
	fail(reflector, message[0] ? "HTTP status %u: %.240s" : "HTTP status %u%s",
	     reflector->status, message);
	json_object_put(status);
}

static void check_list_end(struct reflector *reflector)
{
	const struct item_scanner *scanner = &reflector->scanner;

	if (!item_scanner_is_complete(scanner))
		fail(reflector, "the list ends in the middle");
	else if (!reflector->has_kind || !scanner->has_items)
		fail(reflector, "the reply is no list: it has no kind or no items");
	else if (!reflector->has_version)
		fail(reflector, "the list has no metadata.resourceVersion");
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
			fail(reflector, "out of memory");
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
