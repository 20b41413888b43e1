/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "cli/table.h"

/* Stored events as a table: its kind and columns. An item is an event line, parsed. */
void event_table(struct table *table);
