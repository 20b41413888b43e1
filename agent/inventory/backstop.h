/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "inventory/detours.h"
#include "inventory/snapshot.h"

/* A device that leads out, and whether frames that were never routed can be told there from those that
 * were. */
struct backstop_device {
	uint32_t link;
	char *reason; /* why not; NULL: they can */
};

/* After the endpoints were resolved: uplinks, what they stand on (the card of a VLAN) and what stands in them (ports of bond and bridge). Pure.
 * detours: NULL where they are not known. 0 or -ENOMEM. */
PF_MUST_CHECK int backstops_find(struct snapshot *snapshot, const struct detours *detours);
void backstops_free(struct snapshot *snapshot);
