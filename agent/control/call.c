/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Calls come from whoever may open the socket, so they are read strictly: one object of bounded depth, in
 * UTF-8, with the members that varlink knows and no others. */
#include "control/call.h"

#include <errno.h>
#include <string.h>

static int refuse(struct call *call, const char **ret_reason, const char *reason)
{
	call_done(call);
	*ret_reason = reason;
	return CALL_E_INVALID;
}

/* "interface.Method": at least one dot, and nothing that a log or a terminal would stumble over. */
static bool is_method(const char *name, size_t length)
{
	const char *dot = strrchr(name, '.');

	if (!dot || dot == name || !dot[1] || length > CALL_METHOD_MAX)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
	       length;
}

static bool take_member(struct call *call, const char *key, struct json_object *value)
{
	enum json_type type = json_object_get_type(value);
	bool *flag = !strcmp(key, "more")      ? &call->wants_more
		     : !strcmp(key, "oneway")  ? &call->is_oneway
		     : !strcmp(key, "upgrade") ? &call->wants_upgrade
					       : NULL;

	if (flag) {
		*flag = json_object_get_boolean(value);
		return type == json_type_boolean;
	}
	if (!strcmp(key, "parameters")) {
		call->parameters = value;
		return type == json_type_object || type == json_type_null;
	}
	if (strcmp(key, "method") != 0 || type != json_type_string)
		return false;
	call->method = json_object_get_string(value);
	return is_method(call->method, (size_t)json_object_get_string_len(value));
}

static int parse_tree(const char *text, size_t length, struct json_object **ret_tree)
{
	struct json_tokener *tokener = json_tokener_new_ex(CALL_DEPTH_MAX);

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret_tree = json_tokener_parse_ex(tokener, text, (int)length);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	bool is_whole = error == json_tokener_success &&
			json_tokener_get_parse_end(tokener) == length;
	json_tokener_free(tokener);
	return is_whole ? 0 : CALL_E_INVALID;
}

int call_parse(const char *text, size_t length, struct call *ret_call, const char **ret_reason)
{
	struct call call = {};
	int r = length > INT32_MAX ? CALL_E_INVALID : parse_tree(text, length, &call.tree);

	if (r < 0)
		return r;
	if (r > 0 || json_object_get_type(call.tree) != json_type_object)
		return refuse(&call, ret_reason, "the message is not one JSON object");
	json_object_object_foreach(call.tree, key, value)
	{
		if (!take_member(&call, key, value))
			return refuse(&call, ret_reason,
				      "a member of the call is unknown or has another type");
	}
	if (!call.method)
		return refuse(&call, ret_reason, "the call names no method");
	if (call.wants_more && call.is_oneway)
		return refuse(&call, ret_reason, "a call cannot be \"oneway\" and want \"more\"");
	*ret_call = call;
	return 0;
}

void call_done(struct call *call)
{
	json_object_put(call->tree);
	*call = (struct call){};
}

static bool is_plain(struct json_object *value, size_t maximum)
{
	size_t length = (size_t)json_object_get_string_len(value);

	return json_object_get_type(value) == json_type_string && length <= maximum &&
	       strlen(json_object_get_string(value)) == length;
}

static bool is_list(struct json_object *value, size_t maximum)
{
	if (json_object_get_type(value) != json_type_array ||
	    json_object_array_length(value) > maximum)
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!is_plain(json_object_array_get_idx(value, i), CALL_STRING_MAX))
			return false;
	return true;
}

static bool store(const struct call_field *field, struct json_object *value, void *into)
{
	void *at = (char *)into + field->offset;
	int64_t number;

	switch (field->type) {
	case CALL_STRING:
		*(const char **)at = json_object_get_string(value);
		return is_plain(value, field->maximum);
	case CALL_NUMBER:
		number = json_object_get_int64(value);
		*(uint64_t *)at = (uint64_t)number;
		return json_object_get_type(value) == json_type_int && number >= 0 &&
		       (uint64_t)number <= field->maximum;
	case CALL_BOOL:
		*(bool *)at = json_object_get_boolean(value);
		return json_object_get_type(value) == json_type_boolean;
	case CALL_STRINGS:
		*(struct json_object **)at = value;
		return is_list(value, field->maximum);
	}
	return false;
}

static const struct call_field *find_field(const struct call_field *fields, size_t n_fields,
					   const char *name)
{
	for (size_t i = 0; i < n_fields; i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

static int store_all(struct json_object *parameters, const struct call_field *fields,
		     size_t n_fields, void *into, const char **ret_bad)
{
	json_object_object_foreach(parameters, key, value)
	{
		const struct call_field *field = find_field(fields, n_fields, key);
		*ret_bad = key;
		if (!field || (value && !store(field, value, into)))
			return CALL_E_INVALID;
	}
	return 0;
}

int call_parameters(struct json_object *parameters, const struct call_field *fields,
		    size_t n_fields, void *into, const char **ret_bad)
{
	int r = parameters ? store_all(parameters, fields, n_fields, into, ret_bad) : 0;

	for (size_t i = 0; r == 0 && i < n_fields; i++) {
		struct json_object *value = NULL;
		if (parameters)
			json_object_object_get_ex(parameters, fields[i].name, &value);
		*ret_bad = fields[i].name;
		if (fields[i].is_required && !value)
			r = CALL_E_INVALID;
	}
	return r;
}
