/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "cli/table.h"

/* Its kind and columns. */
void pods_table(struct table *table);
/* Adds to each endpoint what is denied of it now: packets of its flows of ListFlows, since they began. */
void pods_count(struct json_object *items, struct json_object *flows);
