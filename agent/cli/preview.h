/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "ship/store.h"

/* Whom a rule "more than so many denied flows, to so many destinations, in such a time" would have isolated.
 * A flow is (endpoint, destination, protocol, port): what is tried again and again is one. Nothing is done
 * about it. */

struct preview_rule {
	uint64_t flows, destinations; /* more than so many of both */
	uint64_t usec;		      /* within such a time */
};

struct preview;

PF_MUST_CHECK int preview_new(const struct preview_rule *rule, struct preview **ret_preview);
struct preview *preview_free(struct preview *preview);
/* Events of denied flows, in the order of the store. 0 or -ENOMEM. Pure. */
PF_MUST_CHECK int preview_add(struct preview *preview, const struct store_row *row);
/* An array of those that the rule hits, the earliest first: each once, with the moment it did. NULL: out
 * of memory. */
struct json_object *preview_items(const struct preview *preview);

void preview_table(struct table *table);
int cli_preview(const struct cli *cli); /* podfence quarantine preview */
