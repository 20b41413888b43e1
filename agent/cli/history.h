/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "cli/cli.h"
#include "ship/store.h"

/* Looking back: the events that podfence-ship keeps, opened beside it and only to read. Neither it nor the
 * agent is asked. */

/* --store, else what podfence-ship's configuration says, else the usual place. 0, or the exit status after
 * a message. */
PF_MUST_CHECK int history_open(const struct cli *cli, struct store **ret_store);
/* Whether there is a store to read, without a word. */
bool history_is_there(const struct cli *cli);
/* What a question to the store failed for; returns 1. */
int history_fail(const struct store *store);

/* --since and --until into the query. 0, or 2 after a message. */
PF_MUST_CHECK int history_times(const struct cli *cli, uint64_t now_usec,
				struct store_query *query);
/* A point in time: "2h" before now, or "2026-11-23T15:53:17Z". 0: it is neither. */
uint64_t history_time(const char *text, uint64_t now_usec);
/* The addresses of a network, as the query's bounds. */
void history_network(const struct pf_prefix *prefix, struct store_query *query);
