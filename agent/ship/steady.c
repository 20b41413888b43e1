/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "ship/steady.h"

#define JUMP_USEC     60000000ull /* less than that is a clock that is put right */
#define PATIENCE_USEC 3600000000ull

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= JUMP_USEC;
}

uint64_t steady_now(struct steady *steady, uint64_t real_usec, uint64_t monotonic_usec)
{
	/* May wrap around where the clock is before 1970 and the uptime; the sum wraps back. */
	uint64_t offset = real_usec - monotonic_usec;

	if (!steady->is_set || is_near(offset, steady->offset)) {
		*steady = (struct steady){.is_set = true, .offset = offset};
		return real_usec;
	}
	if (!steady->is_doubted || !is_near(offset, steady->doubted_offset)) {
		steady->is_doubted = true;
		steady->doubted_offset = offset;
		steady->doubted_since_usec = monotonic_usec;
	}
	if (monotonic_usec - steady->doubted_since_usec >= PATIENCE_USEC)
		*steady = (struct steady){.is_set = true, .offset = offset};
	return monotonic_usec + steady->offset;
}
