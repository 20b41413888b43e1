/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

/* How a delivery ended: pure functions of what the receiver said. */

enum outcome_what {
	OUTCOME_OK,
	OUTCOME_RETRY, /* later: after wait_seconds, 0: by backoff */
	OUTCOME_DROP,  /* this will never be taken */
	OUTCOME_SPLIT, /* too much, or something in it is wrong: the half of it; one alone: drop */
	OUTCOME_ANEW,  /* what was to be changed is gone: it is made anew, at once */
};

struct outcome {
	enum outcome_what what;
	unsigned wait_seconds;
	char reason[96];
};

struct reply {
	const char *error; /* a sentence where there was no whole reply; else NULL */
	unsigned status;
	unsigned retry_after;
	const char *body; /* a NUL follows */
	size_t length;
	bool is_cut; /* it was too long */
};

struct outcome outcome_of_http(const struct reply *reply);
struct outcome outcome_of_elastic(const struct reply *reply, size_t n_items,
				  struct outcome *items); /* items only where it is OUTCOME_OK */
struct outcome outcome_of_dingtalk(const struct reply *reply);
struct outcome outcome_of_kubernetes(const struct reply *reply, bool is_patch);

/* Full jitter: a random time up to 1, 2, 4 ... 60 s, at least a tenth of a second. */
uint64_t outcome_backoff_usec(unsigned attempt, uint32_t random);
