/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <podfence/ruleset.h>

/* A ruleset that uses every field, expression and kind of set the builder has, in both families.
 * Its element lists grow with `n_elements`. Sealed; NULL with the reason on stderr where that
 * fails. */
struct pf_ruleset *sample_ruleset(const char *table, unsigned n_elements);

/* A small one whose parts can be varied: variant 0 to 3 differ in rules, elements, chains and sets.
 */
struct pf_ruleset *sample_variant(const char *table, unsigned variant);
