/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

/* One line of the seam, as far as the shipper asks about it. The line itself is what is stored and
 * delivered: a field that is not known here is neither lost nor refused. */

#define SHIP_LINE_MAX (256u << 10)

enum ship_kind { SHIP_FLOW, SHIP_ALERT, SHIP_STATE, SHIP_OTHER };
enum ship_action {
	SHIP_DROPPED,
	SHIP_REJECTED,
	SHIP_WOULD_DROP,
	SHIP_ALLOWED,
	SHIP_OTHER_ACTION,
	SHIP_ACTIONS, /* how many */
};

struct ship_event {
	enum ship_kind kind;
	enum ship_action action;
	uint64_t time_usec;
	bool is_end;	   /* of a flow, and all its packets were told before */
	bool is_midstream; /* late packets: they accuse nobody */
	uint64_t packets, bytes;
	unsigned severity;
	struct pf_address destination; /* family 0: none */
	uint8_t protocol;
	uint16_t port;
	/* Of the tree; "" where there is none. */
	const char *id, *endpoint_kind, *namespace, *name, *policy;
};

struct ship_parser; /* keeps its memory from line to line */

PF_MUST_CHECK int ship_parser_new(struct ship_parser **ret_parser);
struct ship_parser *ship_parser_free(struct ship_parser *parser);

enum {
	SHIP_E_NO_OBJECT = 1, /* the line is not one JSON object of at most SHIP_LINE_MAX bytes */
};

/* 0, SHIP_E_NO_OBJECT or -ENOMEM. The tree is to be put (json_object_put) after the event's texts
 * were used. */
PF_MUST_CHECK int ship_parse(struct ship_parser *parser, const char *line, size_t length,
			     struct json_object **ret_tree, struct ship_event *ret_event);

extern const char *const ship_action_names[SHIP_ACTIONS];

/* "podfence.seam.lines" of a tree; NULL where there is none. */
struct json_object *ship_find(struct json_object *tree, const char *path);
const char *ship_text(struct json_object *tree, const char *path); /* "" */
uint64_t ship_number(struct json_object *tree, const char *path);  /* 0 */
