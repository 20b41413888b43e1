/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Busy at once, when a window of a tenth of a second has BUSY messages before it is over; calm again when a
 * whole one had less than CALM. Between the two nothing changes, so that it does not swing. */
#include "event/tempo.h"

#define WINDOW_USEC 100000u
#define BUSY	    200u
#define CALM	    50u

bool tempo_count(struct tempo *tempo, uint64_t n, uint64_t now_usec)
{
	bool was_busy = tempo->is_busy;

	if (now_usec - tempo->window_usec >= WINDOW_USEC) {
		/* What came in a window that is long over came slowly. */
		if (tempo->n < CALM || now_usec - tempo->window_usec >= 10 * WINDOW_USEC)
			tempo->is_busy = false;
		tempo->window_usec = now_usec;
		tempo->n = 0;
	}
	tempo->n += n;
	if (tempo->n >= BUSY)
		tempo->is_busy = true;
	return tempo->is_busy != was_busy;
}
