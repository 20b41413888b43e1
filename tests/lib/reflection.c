/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "reflection.h"

#include <stdlib.h>
#include <string.h>

#include "kube/object.h"

#define CHANCE 0x80000000u /* half of whatever is random */

static void on_begin(void *userdata)
{
	fprintf(userdata, "begin\n");
}

static void tell(FILE *stream, const char *what, struct json_object *object, const char *place)
{
	const char *name = object_peek(object, "name");

	fprintf(stream, "%s %s (%s)\n", what, name ? name : "?", place);
}

static int on_put(void *userdata, struct json_object *object, const char *place)
{
	tell(userdata, "put", object, place);
	return 0;
}

static int on_remove(void *userdata, struct json_object *object, const char *place)
{
	tell(userdata, "remove", object, place);
	return 0;
}

static int on_end(void *userdata)
{
	fprintf(userdata, "end\n");
	return 0;
}

static void feed(struct reflector *reflector, const struct reply *reply, size_t chunk)
{
	size_t length = reply->length || !reply->body ? reply->length : strlen(reply->body);
	int r = 0;

	for (size_t at = 0; at < length && r == 0; at += chunk) {
		size_t n = length - at < chunk ? length - at : chunk;
		char *exact = malloc(n);
		if (!exact)
			abort();
		memcpy(exact, reply->body + at, n);
		r = reflector_feed(reflector, exact, n);
		free(exact);
	}
	if (r < 0)
		abort(); /* nothing of the sink's fails */
}

static void answer(struct reflector *reflector, const struct reply *reply, size_t chunk,
		   uint64_t *now, FILE *stream)
{
	struct reflector_request request;
	unsigned n_failures;

	if (reflector_due(reflector) > *now) {
		fprintf(stream,
			"after %.1f s: ", (double)(reflector_due(reflector) - *now) / 1000000);
		*now = reflector_due(reflector);
	}
	reflector_begin(reflector, *now, CHANCE, &request);
	fprintf(stream, "%s %s\n", request.is_watch ? "WATCH" : "LIST", request.target);
	if (reply->status) {
		reflector_status(reflector, reply->status, reply->retry_after);
		feed(reflector, reply, chunk);
	}
	*now += reply->seconds * 1000000u;
	reflector_end(reflector, reply->error, *now, CHANCE);
	const char *problem = reflector_problem(reflector, &n_failures);
	if (problem[0])
		fprintf(stream, "problem %u: %s\n", n_failures, problem);
}

char *reflect(const struct reflector_options *options, const struct reply *replies, size_t n,
	      size_t chunk)
{
	struct reflector *reflector;
	struct report report;
	uint64_t now = 1000000;
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	const struct reflector_sink sink = {stream, on_begin, on_put, on_remove, on_end};

	report_init(&report);
	if (!stream || reflector_new(options, &sink, &report, &reflector) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		answer(reflector, &replies[i], chunk, &now, stream);
	fprintf(stream, "%s%s\n", reflector_is_synced(reflector) ? "synced" : "not synced",
		reflector_is_absent(reflector) ? ", absent" : "");
	report_print(&report, stream);
	report_done(&report);
	reflector_free(reflector);
	fclose(stream);
	return text;
}
