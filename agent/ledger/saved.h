/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "ledger/flow.h"

/* What of the ledger outlives the agent, as the body of a state file: the kernel keeps the counts, the file what
 * was told of them. It holds ids of the kernel and therefore means nothing after a reboot. */
struct saved_ledger {
	char boot[40];
	unsigned n_classes; /* that the one who wrote it knew: the first of them */
	/* Named counters when it was written, and packets of elements that were removed: in the ledger, and
	 * counted by sender. */
	uint64_t counted[LEDGER_CLASS_N], removed[LEDGER_CLASS_N], removed_over[LEDGER_CLASS_N];
};

/* One flow: all but what its element says now. */
typedef int (*saved_flow_fn)(const struct flow *flow, void *userdata);

void saved_head_write(const struct saved_ledger *ledger, struct buffer *buffer);
void saved_flow_write(const struct flow *flow, struct buffer *buffer);

enum { SAVED_E_INVALID = 1 };

/* fn is called once for each flow, with a value of the call's own; not before the head is good. 0,
 * SAVED_E_INVALID with the number of the bad line, or what fn said. Pure. */
PF_MUST_CHECK int saved_read(const char *text, size_t length, struct saved_ledger *ret_ledger,
			     saved_flow_fn fn, void *userdata, unsigned *ret_line);
