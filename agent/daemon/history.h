/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdint.h>

#include "event/event.h"
#include "inventory/snapshot.h"
#include "policy/decision.h"

/* Snapshots that were in force until just now: for messages that were on their way when their pod went. */

#define HISTORY_MAX	  16
#define HISTORY_KEEP_USEC 2000000u

struct history {
	struct former {
		struct snapshot *snapshot;
		struct decisions *decisions; /* NULL: none */
		uint64_t generation;
		uint64_t until_usec; /* CLOCK_REALTIME when another took its place */
	} formers[HISTORY_MAX];	     /* the oldest first */
	size_t n;
};

/* Takes a snapshot over that `next` replaces: kept where it names somebody by what `next` does not. */
void history_keep(struct history *history, struct snapshot *snapshot, struct decisions *decisions,
		  uint64_t generation, const struct snapshot *next, uint64_t now_usec);

/* Who sent it, by the snapshot of its time: the event, which was made with the present one, is made anew, and that snapshot
 * returned. NULL: it is as the present one says, or nobody knows better. Records of the output hook have no time of their
 * own: asked is only where nobody is named now, for a cgroup's index is nobody else's so soon. */
const struct snapshot *history_attribute(const struct history *history,
					 const struct pf_nflog_record *record,
					 const struct prefix_list *nat64, struct event *event);

void history_forget(struct history *history, uint64_t now_usec); /* those of too long ago */
void history_done(struct history *history);
