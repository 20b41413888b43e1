/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

/* A varlink call: {"method": "io.podfence.Agent.GetStatus", "parameters": {...}, "more": true} and a NUL,
 * which is not part of it here. */

#define CALL_DEPTH_MAX	16
#define CALL_METHOD_MAX 128 /* bytes of a method's name */

enum {
	CALL_E_INVALID = 1, /* no call; the reason says why */
};

struct call {
	struct json_object *tree; /* owns the rest */
	const char *method;
	struct json_object *parameters; /* NULL: none */
	bool wants_more, is_oneway, wants_upgrade;
};

/* Pure. 0; CALL_E_INVALID with a static sentence; -ENOMEM. */
PF_MUST_CHECK int call_parse(const char *text, size_t length, struct call *ret_call,
			     const char **ret_reason);
void call_done(struct call *call);

/* Parameters by a table: what is not in it, of another type or too long is refused by name. */
enum call_field_type {
	CALL_STRING, /* const char *, of the tree; NULL: not given */
	CALL_NUMBER, /* uint64_t */
	CALL_BOOL,   /* bool */
	CALL_STRINGS, /* struct json_object *: an array of at most `maximum` strings; NULL: not given */
};

struct call_field {
	const char *name;
	enum call_field_type type;
	bool is_required;
	size_t maximum; /* bytes of a string; items; the number itself */
	size_t offset;	/* in the structure that is filled */
};

#define CALL_STRING_MAX 253 /* bytes of each string of a list */

/* 0, or CALL_E_INVALID with the parameter's name, which is good as long as the call is. */
PF_MUST_CHECK int call_parameters(struct json_object *parameters, const struct call_field *fields,
				  size_t n_fields, void *into, const char **ret_bad);
