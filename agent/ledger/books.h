/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "compile/ledger_set.h"

/* One class of packets, denied or audited: what the rules counted as a whole, and where it went. */
struct class_books {
	uint64_t counted_before,
		counted;   /* named counters, before and after the elements were read */
	uint64_t ledger;   /* elements, with those that were removed */
	uint64_t overflow; /* packets of flows that were not taken in, by sender */
	uint64_t unkept;   /* of senders that could not be either */
};

struct books {
	struct class_books classes[LEDGER_CLASS_N];
	uint64_t logged;	 /* NFLOG messages sent, since the group was bound */
	uint64_t received, lost; /* of them */
	uint64_t late;		 /* messages that came after their flow was told without them */
	uint64_t repeated;	 /* messages of a flow that was logged twice: two packets at once */
	uint64_t forgotten;	 /* elements that were gone with what they had counted last */
	uint64_t readings;
	uint64_t read_usec; /* when the last was over, CLOCK_REALTIME; 0: there was none */
};

/* Between the first and the last counter read packets go on; what they explain is no difference. */
int64_t class_books_difference(const struct class_books *books);
int64_t books_difference(const struct books *books); /* of all classes, absolute */
/* Messages neither received nor known as lost: on the way, or lost behind the last that came. */
int64_t books_unheard(const struct books *books);
bool books_balance(const struct books *books);
