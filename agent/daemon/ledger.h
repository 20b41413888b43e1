/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "daemon/daemon.h"
#include "ledger/saved.h"

/* Between the files of the ledger: ledger.c says when, ledger_kernel.c reads the kernel's counts, ledger_tell.c makes
 * events of them, ledger_state.c keeps what was told. */

/* ledger_kernel.c. Each 0 or negative errno. */
/* What was counted of each class, by named counters, in all. */
PF_MUST_CHECK int ledger_read_counted(struct daemon *daemon,
				      uint64_t ret_counted[static LEDGER_CLASS_N]);
/* What was counted since, into the flows and the books. */
PF_MUST_CHECK int ledger_read_kernel(struct daemon *daemon, uint64_t now_usec);
/* Their elements, at most PF_COUNTS_REMOVE_MAX of one set, with a last count. 0, or the last failure; what could not
 * be removed for another reason than that it is gone is set to NULL. */
PF_MUST_CHECK int ledger_remove(struct daemon *daemon, struct flow **flows, size_t n,
				uint64_t now_usec);
/* Messages that were sent, of a table that was there before: read before the group is bound, so that what was sent to
 * nobody is not missed by us. */
PF_MUST_CHECK int ledger_read_logged(uint64_t *ret_logged);

/* ledger_tell.c */
/* Which endpoint of the snapshot the key names; NULL: nobody. */
const struct endpoint *ledger_owner(const struct snapshot *snapshot,
				    const struct flow_facts *facts);
uint64_t ledger_owner_id(const struct snapshot *snapshot, const struct flow_key *key);
/* The rule that stops its packets; where no message told, the one that does for such a sender. */
enum rule_id ledger_rule(const struct daemon *daemon, const struct flow *flow,
			 const struct endpoint *owner);
/* One event of the flow, with all that is not told yet, named by what is in force now. */
void ledger_tell(struct daemon *daemon, struct flow *flow, enum event_flow_state state,
		 uint64_t now_usec);

/* ledger_state.c */
void ledger_save(struct daemon *daemon);
/* Flows as they were saved, and what was removed. `counted`: the named counters now. Returns of how many classes
 * that was known; 0 where there is nothing that belongs to these tables. */
unsigned ledger_restore(struct daemon *daemon, const uint64_t counted[static LEDGER_CLASS_N]);
