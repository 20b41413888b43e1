/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whatever stands on a line of the seam: the alert made of it, and the bodies for every receiver,
 * are one JSON value in UTF-8 without a line break.
 *
 * Input: the line. */
#include <stdlib.h>
#include <string.h>

#include "ship/alert.h"
#include "ship/note.h"

#include "fuzz.h"

static struct json_object *check_json(const struct buffer *text)
{
	struct json_tokener *tokener = json_tokener_new_ex(64);

	if (!tokener || text->is_broken || memchr(text->bytes, '\n', text->length))
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *tree = json_tokener_parse_ex(tokener, text->bytes, (int)text->length);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != text->length)
		abort();
	json_tokener_free(tokener);
	return tree;
}

static void check_body(struct buffer *body)
{
	json_object_put(check_json(body));
	buffer_clear(body);
}

static void check_notes(struct json_object *tree)
{
	struct json_object *trees[2] = {tree, tree};
	struct buffer body = BUFFER_INIT;
	struct note_kubernetes note;

	note_slack(trees, 2, &body);
	check_body(&body);
	note_dingtalk(trees, 2, "keyword", &body);
	check_body(&body);
	note_alertmanager(trees, 2, "cluster", 1000000, &body);
	check_body(&body);
	for (int is_anew = 0; is_anew <= 1; is_anew++) {
		if (note_kubernetes(tree, is_anew, &note, &body) != 0)
			continue;
		if (strpbrk(note.path, " ?#%\r\n") || strstr(note.path, "//"))
			abort();
		check_body(&body);
	}
	buffer_done(&body);
}

static void check_alerts(const struct ship_event *event, struct json_object *tree)
{
	static struct own_author author = {.node = "n", .version = "0"};
	const struct alert_options options = {4, 1000, 2000, &author, {}};
	struct buffer line = BUFFER_INIT;
	struct alerts *alerts;

	if (alerts_new(&options, &alerts) < 0)
		return;
	for (uint64_t t = 0; t < 3; t++) {
		const struct alert_now now = {t * 1000, t * 1000};
		int r = alerts_see(alerts, event, tree, &now, &line);
		if (r < 0)
			abort();
		while (r == 1) {
			struct json_object *alert = check_json(&line);
			check_notes(alert);
			json_object_put(alert);
			r = alerts_due(alerts, &now, &line);
		}
	}
	alerts_free(alerts);
	buffer_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct ship_parser *parser;
	struct json_object *tree;
	struct ship_event event;

	if (ship_parser_new(&parser) < 0)
		return 0;
	if (ship_parse(parser, (const char *)bytes, length, &tree, &event) == 0) {
		check_alerts(&event, tree);
		check_notes(tree);
		json_object_put(tree);
	}
	ship_parser_free(parser);
	return 0;
}
