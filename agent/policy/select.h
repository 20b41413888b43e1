/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "policy/decision.h"

/* The policies that can select pods of one namespace. */
struct candidates {
	char *namespace;		 /* NULL: none yet */
	const struct label_list *labels; /* of the namespace */
	struct namespace *unknown;	 /* whose labels these are, where nobody told of it */
	struct policy **policies;	 /* borrowed, in the order of the list */
	size_t n;
};

/* For that namespace; nothing to do where they are for it already. 0 or -ENOMEM. */
PF_MUST_CHECK int candidates_select(struct candidates *candidates,
				    const struct decision_input *input, const char *namespace);
void candidates_done(struct candidates *candidates);
