/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What an API server says a Node is. A patch that is made of it is JSON, and takes away. */
#include "fuzz.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "ship/taint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer patch = BUFFER_INIT;

	if (taint_patch((const char *)data, size, "podfence.io/agent-not-ready", &patch) == 0) {
		buffer_add_char(&patch, '\0');
		struct json_object *operations = json_tokener_parse(patch.bytes);
		if (!json_object_is_type(operations, json_type_array) ||
		    json_object_array_length(operations) < 2)
			abort();
		json_object_put(operations);
	}
	buffer_done(&patch);
	return 0;
}
