/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a reply says: objects of a list one by one, lines of a watch, the body of an error. An object that is too large,
 * nested too deep or no JSON inside a list is refused alone. A line of a watch that is no JSON may have said anything,
 * so it makes a list. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kube/object.h"
#include "kube/reflector_internal.h"

#define ERROR_BODY_MAX 4096u

/* The first thing that is wrong with a reply is what is said of it. */
PF_PRINTF(2, 3)
int reflector_fail(struct reflector *reflector, const char *format, ...)
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

struct json_object *reflector_parse(struct reflector *reflector, const char *bytes, size_t length,
				    enum json_tokener_error *ret_error)
{
	json_tokener_reset(reflector->tokener);
	struct json_object *object = json_tokener_parse_ex(reflector->tokener, bytes, (int)length);
	*ret_error = json_tokener_get_error(reflector->tokener);
	return object;
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
	const char *version = object_find_text(metadata, "resourceVersion");
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
	return r < 0 ? reflector_fail(reflector, "%s",
				      strerrordesc_np(-r) ? strerrordesc_np(-r) : "failed")
		     : 0;
}

static int take_item(struct reflector *reflector)
{
	const struct buffer *value = &reflector->scanner.value;
	size_t index = reflector->scanner.n_items - 1;
	enum json_tokener_error error;
	struct json_object *object = reflector_parse(reflector, value->bytes, value->length,
						     &error);
	char place[128];
	int r = 0;

	snprintf(place, sizeof(place), "%s: items[%zu]", reflector->name, index);
	if (error == json_tokener_success)
		r = told(reflector, reflector->sink.put(reflector->sink.userdata, object, place));
	else if (error == json_tokener_error_depth)
		refuse(reflector, "items[%zu] is nested deeper than %d levels", index,
		       REFLECTOR_DEPTH_MAX);
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
		return reflector_fail(reflector, "the reply is of kind \"%.64s\", not a list",
				      kind);
	return 0;
}

static int take_list_metadata(struct reflector *reflector, struct json_object *value)
{
	const char *next = object_find_text(value, "continue");

	if (!take_version(reflector, value))
		return reflector_fail(reflector, "the list has no usable metadata.resourceVersion");
	reflector->has_version = true;
	if (strlen(next) >= CONTINUE_MAX)
		return reflector_fail(reflector, "metadata.continue of the list is too long");
	memcpy(reflector->next_page, next, strlen(next) + 1);
	return 0;
}

static int take_member(struct reflector *reflector)
{
	const struct item_scanner *scanner = &reflector->scanner;
	enum json_tokener_error error;
	struct json_object *value = reflector_parse(reflector, scanner->value.bytes,
						    scanner->value.length, &error);
	int r = 0;

	if (error != json_tokener_success)
		r = reflector_fail(reflector, "the list is no JSON: %s: %s", scanner->key,
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
			r = reflector_fail(reflector, "the list is no JSON: %s (byte %zu)",
					   scanner->problem, scanner->offset + 1);
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
	return reflector_fail(reflector, "the server ended the watch: %.200s",
			      object_find_text(status, "message"));
}

static int take_event(struct reflector *reflector, struct json_object *event)
{
	const char *type = object_find_text(event, "type");
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
		return reflector_fail(reflector, "the watch has an event of type \"%.32s\"", type);
	if (r < 0)
		return told(reflector, r);
	if (!take_version(reflector, member_of(object, "metadata")))
		return reflector_fail(reflector,
				      "an object of the watch has no usable resourceVersion");
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
	struct json_object *event = reflector_parse(reflector, line->bytes, line->length, &error);
	if (error == json_tokener_error_depth)
		refuse(reflector, "an object of the watch is nested deeper than %d levels",
		       REFLECTOR_DEPTH_MAX);
	else if (error != json_tokener_success)
		r = reflector_fail(reflector, "the watch is no JSON: %s",
				   json_tokener_error_desc(error));
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
