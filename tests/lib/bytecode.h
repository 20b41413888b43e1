/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include <podfence/ruleset.h>

/* Fails the test where the rules of two rulesets are not the same bytes, chain by chain, in order.
 */
void assert_same_bytecode(const struct pf_ruleset *ruleset, const struct pf_ruleset *other);

/* Gives the ruleset's text to `nft -f`; false where nft refuses it (its words are on stderr). */
bool nft_loads(const struct pf_ruleset *ruleset);
