/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as YAML: each document is a tree of bounded depth, without a NUL character, and tells a
 * line of the text; what is refused has one message, with a line of the text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_json.h"

#include "fuzz.h"

#define DEPTH_MAX 64

struct hearing {
	size_t line, n_lines;
};

static void check_tree(struct json_object *value, unsigned depth)
{
	if (depth > DEPTH_MAX + 1)
		abort();
	switch (json_object_get_type(value)) {
	case json_type_object: {
		json_object_object_foreach(value, key, member)
		{
			if (!key)
				abort();
			check_tree(member, depth + 1);
		}
		break;
	}
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(value); i++)
			check_tree(json_object_array_get_idx(value, i), depth + 1);
		break;
	case json_type_string: /* no NUL inside */
		if (strlen(json_object_get_string(value)) !=
		    (size_t)json_object_get_string_len(value))
			abort();
		break;
	default: break;
	}
}

static int hear(void *userdata, struct json_object *object, size_t line)
{
	struct hearing *hearing = userdata;

	if (!object || !line || line < hearing->line || line > hearing->n_lines)
		abort();
	hearing->line = line;
	check_tree(object, 1);
	return 0;
}

/* libyaml counts CR, LF, CRLF and the three of Unicode, and the end of a line that has none. */
static size_t count_lines(const uint8_t *bytes, size_t length)
{
	size_t n = 2;

	for (size_t i = 0; i < length; i++)
		n += bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == 0x85 || bytes[i] == 0xa8 ||
		     bytes[i] == 0xa9;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct hearing hearing = {.n_lines = count_lines(bytes, length)};
	struct report report;
	size_t line;
	int end = 0;

	report_init(&report);
	int r = yaml_json_parse("fuzz.yaml", (const char *)bytes, length, &report, hear, &hearing);
	if ((r != 0 && r != YAML_JSON_E_INVALID) || report.n_entries != (size_t)r)
		abort();
	if (r && (sscanf(report.entries[0].place, "fuzz.yaml:%zu%n", &line, &end) != 1 ||
		  report.entries[0].place[end] || !line || line > hearing.n_lines))
		abort();
	report_done(&report);
	return 0;
}
