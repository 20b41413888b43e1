/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"

/* YAML as Kubernetes writes it (JSON is YAML too) to json-c trees, document by document: mappings
 * with plain keys, lists, and scalars of the core schema. Refused with file and line: anchors,
 * aliases, tags, merge keys, a key that stands twice, nesting deeper than 64. Plain scalars are
 * null, true, false, whole numbers, other numbers or text; quoted ones are text. */

enum {
	YAML_JSON_E_INVALID = 1, /* the report says where and why; documents before it were told */
};

/* `document` is called for each one that is not empty, with the line it begins at, and does not
 * take the tree over; not 0 ends the reading and is returned. */
typedef int (*yaml_json_fn)(void *userdata, struct json_object *object, size_t line);
PF_MUST_CHECK int yaml_json_parse(const char *name, const char *text, size_t length,
				  struct report *report, yaml_json_fn document, void *userdata);
