/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether messages are many. While they are few each one is worth being woken for; when they are many, that would
 * cost more than the messages. */
struct tempo {
	bool is_busy;
	uint64_t window_usec; /* when it began */
	uint64_t n;	      /* messages in it */
};

/* So many more by now (0 is news too). True where is_busy has changed. Pure. */
bool tempo_count(struct tempo *tempo, uint64_t n, uint64_t now_usec);
