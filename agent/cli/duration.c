/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Lengths of time as kubectl and systemd users write them. */
#include "cli/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_MAX (10ull * 365 * 86400)

static const struct {
	char letter;
	uint64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

int duration_parse(const char *text, uint64_t *ret_seconds)
{
	uint64_t total = 0;
	size_t unit = 0; /* from the largest to the smallest */

	if (!*text)
		return -EINVAL;
	while (*text) {
		uint64_t number = 0;
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text); text++) {
			number = number * 10 + (uint64_t)(*text - '0');
			if (number > SECONDS_MAX)
				return -EINVAL;
		}
		while (unit < N_UNITS && units[unit].letter != *text)
			unit++;
		if (unit == N_UNITS)
			return -EINVAL;
		total += number * units[unit++].seconds;
		text++;
		if (total > SECONDS_MAX)
			return -EINVAL;
	}
	*ret_seconds = total;
	return 0;
}

const char *duration_text(uint64_t seconds, char text[static DURATION_TEXT])
{
	size_t first = 0;

	while (first < N_UNITS - 1 && seconds < units[first].seconds)
		first++;
	int n = snprintf(text, DURATION_TEXT, "%llu%c",
			 (unsigned long long)(seconds / units[first].seconds), units[first].letter);
	uint64_t rest = seconds % units[first].seconds;
	if (first < N_UNITS - 1 && rest / units[first + 1].seconds)
		snprintf(text + n, DURATION_TEXT - (size_t)n, "%llu%c",
			 (unsigned long long)(rest / units[first + 1].seconds),
			 units[first + 1].letter);
	return text;
}
