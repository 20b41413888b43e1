/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/pod.h"

enum {
	POD_E_INVALID = 1, /* the report says what is wrong with it */
};

/* A Pod object to the plain value. Pure. `place` stands before every message ("pods.json:
 * items[3]"). A label or address that is wrong is named and left out; anything an endpoint's
 * identity hangs on refuses the pod. */
PF_MUST_CHECK int pod_parse(struct json_object *object, const char *place, struct report *report,
			    struct pod **ret_pod);
