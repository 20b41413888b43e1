/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/object.h"
#include "kube/pod.h"

#define POD_CREATED_MAX 21 /* "2026-11-23T16:19:32Z" with its NUL */

enum {
	POD_E_REFUSED = 1, /* the report says what is wrong with it */
	POD_E_NOT_WANTED,  /* of another node, or finished */
};

struct pod_source {
	const char *place; /* stands before every message: "pods.json: items[3]" */
	const char *node;  /* only pods of this node; NULL: all */
	struct report *report;
};

/* A Pod object to the plain value. Pure. 0, POD_E_* or -ENOMEM. What an endpoint's identity hangs
 * on has to be right, or the pod is refused; anything else that is wrong is named and left out.
 * ret_created: metadata.creationTimestamp, "" where there is none. */
PF_MUST_CHECK int pod_parse(struct json_object *object, const struct pod_source *source,
			    struct pod **ret_pod, char ret_created[static POD_CREATED_MAX]);

/* The names of what may be a Pod object, for finding what is known of it; false where it has none a
 * pod can have. They live as long as the object. */
bool pod_peek_name(struct json_object *object, const char **ret_namespace, const char **ret_name);

/* The parts of it that are left out piece by piece (pod_parts.c). A reader's error says whether
 * there was memory. */
bool pod_text_is_uid(const char *text);
/* After the labels: they tell the Deployment. */
void pod_parse_owner(struct object_reader *reader, struct json_object *metadata, struct pod *pod);
void pod_parse_addresses(struct object_reader *reader, struct json_object *status, struct pod *pod);
void pod_parse_containers(struct object_reader *reader, struct json_object *spec,
			  struct json_object *status, struct pod *pod);
