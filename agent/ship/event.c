/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A line is foreign bytes: it has to be one JSON object in UTF-8, of bounded length and depth. What
 * it says is taken as far as it has the right type; nothing else of it is judged. */
#include "ship/event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"

#define DEPTH_MAX 24

struct ship_parser {
	struct json_tokener *tokener;
};

const char *const ship_action_names[SHIP_ACTIONS] = {
	[SHIP_DROPPED] = "dropped", [SHIP_REJECTED] = "rejected",  [SHIP_WOULD_DROP] = "would-drop",
	[SHIP_ALLOWED] = "allowed", [SHIP_OTHER_ACTION] = "other",
};

int ship_parser_new(struct ship_parser **ret_parser)
{
	struct ship_parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return -ENOMEM;
	parser->tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!parser->tokener) {
		free(parser);
		return -ENOMEM;
	}
	json_tokener_set_flags(parser->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret_parser = parser;
	return 0;
}

struct ship_parser *ship_parser_free(struct ship_parser *parser)
{
	if (!parser)
		return NULL;
	json_tokener_free(parser->tokener);
	free(parser);
	return NULL;
}

struct json_object *ship_find(struct json_object *tree, const char *path)
{
	char word[64];

	while (tree && *path) {
		size_t n = strcspn(path, ".");
		if (n >= sizeof(word) || !json_object_is_type(tree, json_type_object))
			return NULL;
		memcpy(word, path, n);
		word[n] = '\0';
		if (!json_object_object_get_ex(tree, word, &tree))
			return NULL;
		path += path[n] ? n + 1 : n;
	}
	return tree;
}

const char *ship_text(struct json_object *tree, const char *path)
{
	struct json_object *value = ship_find(tree, path);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

uint64_t ship_number(struct json_object *tree, const char *path)
{
	struct json_object *value = ship_find(tree, path);
	bool is_number = json_object_is_type(value, json_type_int);

	return is_number && json_object_get_int64(value) > 0 ? json_object_get_uint64(value) : 0;
}

static void parse_destination(const char *text, struct pf_address *address)
{
	*address = (struct pf_address){};
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		address->family = AF_INET;
	else if (inet_pton(AF_INET6, text, address->bytes) == 1)
		address->family = AF_INET6;
}

static enum ship_kind kind_of(struct json_object *tree)
{
	const char *dataset = ship_text(tree, "event.dataset");

	if (!strcmp(dataset, "podfence.flow"))
		return SHIP_FLOW;
	if (!strcmp(dataset, "podfence.alert"))
		return SHIP_ALERT;
	return !strcmp(dataset, "podfence.state") ? SHIP_STATE : SHIP_OTHER;
}

static enum ship_action action_of(const char *text)
{
	unsigned i = 0;

	while (i < SHIP_OTHER_ACTION && strcmp(ship_action_names[i], text) != 0)
		i++;
	return i;
}

static void take_fields(struct json_object *tree, struct ship_event *event)
{
	*event = (struct ship_event){
		.kind = kind_of(tree),
		.action = action_of(ship_text(tree, "event.action")),
		.time_usec = timestamp_parse(ship_text(tree, "@timestamp")),
		.is_midstream = json_object_get_boolean(ship_find(tree, "podfence.midstream")),
		.packets = ship_number(tree, "network.packets"),
		.bytes = ship_number(tree, "network.bytes"),
		.severity = (unsigned)ship_number(tree, "event.severity"),
		.protocol = (uint8_t)atoi(ship_text(tree, "network.iana_number")),
		.port = (uint16_t)ship_number(tree, "destination.port"),
		.id = ship_text(tree, "event.id"),
		.endpoint_kind = ship_text(tree, "podfence.endpoint.kind"),
		.namespace = ship_text(tree, "kubernetes.namespace"),
		.name = ship_text(tree, "kubernetes.pod.name"),
		.policy = ship_text(tree, "rule.name"),
	};
	event->is_end = !event->packets && !strcmp(ship_text(tree, "podfence.flow.state"), "end");
	parse_destination(ship_text(tree, "destination.ip"), &event->destination);
	if (!event->namespace[0] && !event->name[0])
		event->name = ship_text(tree, "podfence.endpoint.name");
}

/* json-c takes more than JSON is, even where told to be strict: keys in single quotes, bare control
 * characters in texts. Who gets the line after us may not. */
static bool is_plain(const char *line, size_t length)
{
	static const char outside[] = " \t\r{}[],:+-.0123456789eEtrufalsn";
	bool is_in_text = false;

	for (size_t i = 0; i < length; i++) {
		char c = line[i];
		if (c == '"')
			is_in_text = !is_in_text;
		else if (is_in_text && c == '\\')
			i++;
		else if (is_in_text ? (unsigned char)c < 0x20
				    : !memchr(outside, c, sizeof(outside) - 1))
			return false;
	}
	return !is_in_text;
}

int ship_parse(struct ship_parser *parser, const char *line, size_t length,
	       struct json_object **ret_tree, struct ship_event *ret_event)
{
	if (!length || length > SHIP_LINE_MAX || !is_plain(line, length))
		return SHIP_E_NO_OBJECT;
	json_tokener_reset(parser->tokener);
	struct json_object *tree = json_tokener_parse_ex(parser->tokener, line, (int)length);
	enum json_tokener_error error = json_tokener_get_error(parser->tokener);
	if (error != json_tokener_success || !json_object_is_type(tree, json_type_object) ||
	    json_tokener_get_parse_end(parser->tokener) != length) {
		json_object_put(tree);
		return SHIP_E_NO_OBJECT;
	}
	take_fields(tree, ret_event);
	*ret_tree = tree;
	return 0;
}
