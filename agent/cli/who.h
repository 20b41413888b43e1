/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include "cli/table.h"
#include "ship/store.h"

/* The answer to "who sent there": one item for each endpoint, container, process, action, protocol and port,
 * the latest first. Pure but for streams. */

struct who; /* what is being added up */

PF_MUST_CHECK int who_new(struct who **ret_who);
struct who *who_free(struct who *who);
/* An event and its line as a tree. 0 or -ENOMEM. */
PF_MUST_CHECK int who_add(struct who *who, const struct store_row *row, struct json_object *tree);
/* An array of items, to be put by the caller; NULL: out of memory. */
struct json_object *who_items(struct who *who);

/* Says of each item whether its endpoint is still on the node ("here"), by uid where there is one. `endpoints`:
 * what the agent lists. 0 or -ENOMEM. */
PF_MUST_CHECK int who_mark(struct json_object *items, struct json_object *endpoints);

/* Adds what the kernel counts now (flows of ListFlows to this destination): packets of such an item's flows as
 * "live", and items of those that no event tells of. 0 or -ENOMEM. */
PF_MUST_CHECK int who_live(struct json_object *items, struct json_object *flows);

/* Its kind and columns. */
void who_table(struct table *table);

/* What to do next, for each endpoint among the items: look at it, stop what is behind it, cut it off. */
void who_advise(struct json_object *items, FILE *stream);
