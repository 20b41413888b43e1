/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/policy.h"

/* From the objects of Kubernetes to the plain value. Pure.
 *
 * What cannot be what its author meant refuses the object. What the API server has let in means what
 * Kubernetes says it means, however clumsy; of a file nobody has judged before, so there host bits,
 * entries that say the same twice and fields nobody knows are refused too.
 *
 * What is understood but not enforced (domainNames, a peer of a later version) is named and makes its
 * rule fail closed: has_unknown. */
struct policy_source {
	const char *place;  /* stands before every message */
	const char *origin; /* policy->origin */
	bool is_file;
	struct report *report;
};

enum {
	POLICY_E_REFUSED = 1, /* the report says what is wrong with it */
	POLICY_E_NOT_WANTED,  /* it says nothing about egress */
};

/* 0, POLICY_E_* or -ENOMEM. The report may have entries where 0 is returned. */
PF_MUST_CHECK int network_policy_parse(struct json_object *object,
				       const struct policy_source *source,
				       struct policy **ret_policy);
PF_MUST_CHECK int cluster_network_policy_parse(struct json_object *object,
					       const struct policy_source *source,
					       struct policy **ret_policy);
