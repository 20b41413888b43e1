/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "inventory/snapshot.h"

/* What view and uplinks of the snapshot say about endpoint->pod: fills everything of the endpoint
 * but its event members. `covered` is the coverage of an endpoint that was found. Pure. 0 or
 * -ENOMEM; the endpoint is to be freed with endpoint_done() either way. */
PF_MUST_CHECK int endpoint_resolve(struct endpoint *endpoint, const struct snapshot *snapshot,
				   enum coverage covered);

/* Takes back what was resolved: pending, with a reason that is made of the format. 0 or -ENOMEM. */
PF_MUST_CHECK PF_PRINTF(2, 3) int endpoint_unresolve(struct endpoint *endpoint, const char *format,
						     ...);

/* Says that it is not covered, and why; what was resolved stays. 0 or -ENOMEM. */
PF_MUST_CHECK PF_PRINTF(2, 3) int endpoint_uncover(struct endpoint *endpoint, const char *format,
						   ...);

void endpoint_done(struct endpoint *endpoint);
