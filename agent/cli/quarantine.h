/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "cli/table.h"

/* Its kind and columns. */
void quarantine_table(struct table *table);
