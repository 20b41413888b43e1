/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>
#include <podfence/nft.h>
#include <podfence/ruleset.h>

#include "compile/ledger_set.h"

/* The rules in the kernel, as this agent believes them to be, and the way to change them. */
struct fence;

/* Reads what an earlier agent left, so that the first change is a difference like any other. */
PF_MUST_CHECK int fence_open(struct fence **ret_fence);
/* Where the kernel has it, the tables are nobody else's to change while we live; where it has not, or they
 * were made without an owner, that is said, and 0 all the same. A negative errno after the reason was
 * said: they are somebody else's. */
PF_MUST_CHECK int fence_own(struct fence *fence);
bool fence_is_owned(const struct fence *fence);
/* The bridge table is there, with or without rules. */
bool fence_has_table(const struct fence *fence, enum pf_family family);
struct fence *fence_free(struct fence *fence); /* the rules stay */

/* Makes the kernel hold `ruleset` and takes it over (also when it fails). If the kernel refuses,
 * which happens when somebody else changed our tables, the state is read again and the change tried
 * once more. Number of steps, or a negative errno after the reason was said (diag.h): then the old
 * rules stay. */
PF_MUST_CHECK int fence_apply(struct fence *fence, struct pf_ruleset *ruleset, size_t *ret_n_steps);

/* What was applied last, or read; the fence's, until the next change. */
const struct pf_ruleset *fence_current(const struct fence *fence);

/* Reads all back and repairs what differs from what was last applied. 1: something was, 0, or
 * errno. Where it could not be read, the next fence_apply() or fence_poll() tries again. */
PF_MUST_CHECK int fence_verify(struct fence *fence);

/* Counts of the kernel (podfence/nft.h). Elements of tables that have an owner only he can remove. */
PF_MUST_CHECK int fence_counters(struct fence *fence, struct pf_counter_value **ret_values,
				 size_t *ret_n_values);
PF_MUST_CHECK int fence_counts(struct fence *fence, const struct ledger_set *set, pf_count_fn fn,
			       void *userdata);
PF_MUST_CHECK int fence_remove_counted(struct fence *fence, const struct ledger_set *set,
				       const struct pf_key *keys, size_t n_keys, pf_count_fn fn,
				       void *userdata);

/* Makes what a flush of all tables by somebody else is answered with, where it is not made yet; for calm times. */
PF_MUST_CHECK int fence_prepare(struct fence *fence);

/* Readable when somebody changed nftables; fence_heard() then repairs at once what was done to our tables and
 * says who did it. 1: something was, and who; 0: not, or errno. */
int fence_fd(const struct fence *fence);
PF_MUST_CHECK int fence_heard(struct fence *fence, struct pf_nft_culprit *ret_culprit);
/* Asks the kernel whether something happened that was not told, and then does as fence_heard(): cheap. */
PF_MUST_CHECK int fence_poll(struct fence *fence, struct pf_nft_culprit *ret_culprit);
