/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The kernel collects NFLOG messages for some milliseconds before it sends them, and a pod can be gone in less.
 * What was logged before another snapshot came belongs to the one before, so those that somebody has left are
 * kept for two seconds. The time in the record decides: the address of a pod that has gone may be another's by
 * now, and a packet of later is not its. */
#include "daemon/history.h"

#include <linux/netfilter.h>
#include <string.h>

static bool is_gone(const struct snapshot_link *link, const struct snapshot *next)
{
	const struct endpoint *now = snapshot_find_link(next, link->link, &link->address);

	return !now || now->index != link->endpoint->index;
}

static bool names_others(const struct snapshot *snapshot, const struct snapshot *next)
{
	for (size_t i = 0; i < snapshot->n_by_link; i++)
		if (is_gone(&snapshot->by_link[i], next))
			return true;
	for (size_t i = 0; i < snapshot->n_by_index; i++)
		if (!snapshot_find_index(next, snapshot->by_index[i]->index))
			return true;
	return false;
}

static void drop_oldest(struct history *history)
{
	snapshot_free(history->formers[0].snapshot);
	decisions_free(history->formers[0].decisions);
	history->n--;
	memmove(&history->formers[0], &history->formers[1],
		history->n * sizeof(history->formers[0]));
}

void history_keep(struct history *history, struct snapshot *snapshot, struct decisions *decisions,
		  uint64_t generation, const struct snapshot *next, uint64_t now_usec)
{
	history_forget(history, now_usec);
	if (!snapshot || !names_others(snapshot, next)) {
		snapshot_free(snapshot);
		return;
	}
	if (history->n == HISTORY_MAX)
		drop_oldest(history);
	history->formers[history->n++] = (struct former){
		.snapshot = snapshot,
		.decisions = decisions ? decisions_ref(decisions) : NULL,
		.generation = generation,
		.until_usec = now_usec,
	};
}

/* Whether the packet was logged before this one was replaced. At the output hook nobody tells when. */
static bool is_possible(const struct former *former, const struct pf_nflog_record *record,
			bool is_named)
{
	if (record->has_timestamp)
		return record->timestamp_usec < former->until_usec;
	return record->hook == NF_INET_LOCAL_OUT && !is_named;
}

const struct snapshot *history_attribute(const struct history *history,
					 const struct pf_nflog_record *record,
					 const struct prefix_list *nat64, struct event *event)
{
	for (size_t i = 0; i < history->n; i++) {
		const struct former *former = &history->formers[i];
		const struct rulebook rulebook = {former->decisions, nat64, former->generation};
		struct event then;
		if (!is_possible(former, record, event->endpoint))
			continue;
		if (event_attribute(record, former->snapshot, &rulebook, &then) != 0 ||
		    !then.endpoint)
			continue;
		if (event->endpoint && event->endpoint->index == then.endpoint->index)
			return NULL; /* the same, then and now */
		*event = then;
		return former->snapshot;
	}
	return NULL;
}

/* The clock may have been set back: that is long ago too. */
void history_forget(struct history *history, uint64_t now_usec)
{
	while (history->n && now_usec - history->formers[0].until_usec > HISTORY_KEEP_USEC)
		drop_oldest(history);
}

void history_done(struct history *history)
{
	while (history->n)
		drop_oldest(history);
}
