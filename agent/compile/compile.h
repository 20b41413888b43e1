/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <podfence/attributes.h>
#include <podfence/ruleset.h>

#include "config/config.h"
#include "inventory/quarantine.h"
#include "inventory/snapshot.h"
#include "policy/decision.h"

#define PODFENCE_TABLE "podfence"
#define PODFENCE_LOCK  "podfence-agent" /* the table that says that an agent runs */

enum {
	COMPILE_E_REFUSED = 1, /* no ruleset can be made of this; the text says why */
};

/* What a ruleset is made of. snapshot and decisions (which belongs to it) may be NULL: the rules without any
 * endpoint, uplink or pod root (`render`). */
struct compile_input {
	const struct config *config;
	const struct snapshot *snapshot;
	const struct decisions *decisions; /* NULL: the agent's default for everybody */
	/* A ruleset that was made of these decisions and the same config: its chains are taken over where
	 * the decision is the same. NULL: nothing is. */
	const struct pf_ruleset *before;
	const struct decisions *before_decisions;
	const struct quarantine_list *quarantines; /* set by hand; NULL: none, but labels count */
	bool has_no_egress; /* the kernel has no egress hook, or refuses to have it here: no backstop */
	/* These tables are there. They stay, without chains if need be: their counts are the ledger's. */
	bool keeps_bridge, keeps_netdev;
};

/* Whether there is somebody on the node for whom the backstop is (backstop.c), and whether it drops. */
bool compile_backstop_is_needed(const struct config *config, const struct snapshot *snapshot);
bool compile_backstop_denies(const struct config *config);

/* To the whole ruleset. Pure: the same input gives the same value. 0; COMPILE_E_REFUSED with a sentence in
 * ret_reason; -ENOMEM. */
PF_MUST_CHECK int compile(const struct compile_input *input, struct pf_ruleset **ret_ruleset,
			  char ret_reason[static 160]);
