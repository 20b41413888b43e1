/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a call: one with a plain method, whose parameters are stored or refused by name; or none, and
 * why. */
#include <stdlib.h>
#include <string.h>

#include "control/call.h"

#include "fuzz.h"

struct wishes {
	const char *name;
	uint64_t number;
	bool flag;
	struct json_object *list;
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const struct call_field fields[] = {
		{"name", CALL_STRING, true, 253, offsetof(struct wishes, name)},
		{"number", CALL_NUMBER, false, 1000, offsetof(struct wishes, number)},
		{"flag", CALL_BOOL, false, 0, offsetof(struct wishes, flag)},
		{"list", CALL_STRINGS, false, 8, offsetof(struct wishes, list)},
	};
	const char *reason = NULL, *bad = NULL;
	struct wishes wishes = {};
	struct call call = {};
	int r = call_parse((const char *)bytes, length, &call, &reason);

	if (r != 0) {
		if (r != CALL_E_INVALID || !reason || call.tree)
			abort();
		return 0;
	}
	if (!call.method || strlen(call.method) > CALL_METHOD_MAX || !strchr(call.method, '.') ||
	    (call.wants_more && call.is_oneway))
		abort();
	r = call_parameters(call.parameters, fields, sizeof(fields) / sizeof(fields[0]), &wishes,
			    &bad);
	if (r == 0 && (!wishes.name || strlen(wishes.name) > 253 || wishes.number > 1000))
		abort();
	if (r != 0 && !bad)
		abort();
	call_done(&call);
	return 0;
}
