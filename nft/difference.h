/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "internal.h"

/* What differs between two tables: sets and chains by their names, those that are the very same object left out.
 * Of a pair either side may be NULL. */
struct set_pair {
	const struct pf_set *from, *to;
};
struct chain_pair {
	const struct pf_chain *from, *to;
	bool is_same; /* their rules are */
};
struct table_pair {
	const struct pf_table *from, *to;
	struct set_pair *sets; /* first those that are wanted, then those that go away */
	size_t n_sets;
	struct chain_pair *chains;
	size_t n_chains;
};
struct difference {
	struct table_pair *tables;
	size_t n_tables;
};

/* 0 or -ENOMEM; difference_done() either way. `from` may be NULL. */
PF_MUST_CHECK int difference_find(const struct pf_ruleset *from, const struct pf_ruleset *to,
				  struct difference *difference);
void difference_done(struct difference *difference);
