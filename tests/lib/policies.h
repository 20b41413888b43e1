/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Policies for tests: from YAML, and as a text that can be read and compared. */
#pragma once

#include <stdbool.h>

#include "base/report.h"
#include "kube/policy.h"

/* Of one document, as a file ("f") or as the API would tell of it. What the parser returns. */
int policies_parse(const char *yaml, bool is_file, struct report *report,
		   struct policy **ret_policy);

/* What the parser returns, what is made of the document (as policies_describe() says; "": nothing) and what is said
 * about it (as policies_report() does). */
void policies_check(const char *yaml, bool is_file, int result, const char *expected,
		    const char *said);

/* To be freed:
 *
 *	NetworkPolicy payments/partner pods[app In (api)]
 *	Accept 198.51.100.0/24 -198.51.100.128/25 : tcp/443 tcp/8443-8450
 */
char *policies_describe(const struct policy *policy);
/* "PLACE: TEXT" a line; to be freed. */
char *policies_report(const struct report *report);
/* What policy.h promises of any policy, whoever made it; aborts where it is not so. */
void policies_verify(const struct policy *policy);
