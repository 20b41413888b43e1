/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "cli/table.h"

/* Flows of io.podfence.Agent: kind and columns. */
void flows_table(struct table *table);
/* Those with most packets first. */
void flows_sort(struct json_object *items);
