/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The time of day for the age of events, by a clock that somebody may set: a jump is believed when it
 * has lasted for an hour, until then time goes on as before. Otherwise one wrong answer of a time
 * server would make all that is stored too old at once. Pure; zeroes are a new one. */
struct steady {
	bool is_set, is_doubted;
	uint64_t offset, doubted_offset; /* of the real-time clock to the monotonic one */
	uint64_t doubted_since_usec;	 /* monotonic */
};

uint64_t steady_now(struct steady *steady, uint64_t real_usec, uint64_t monotonic_usec);
