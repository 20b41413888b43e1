/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * For "did you mean": Levenshtein's distance, one row at a time. */
#include "base/near.h"

#include <ctype.h>
#include <string.h>

#define COMPARED_MAX 63

unsigned near_distance(const char *a, const char *b)
{
	unsigned row[COMPARED_MAX + 1];
	unsigned n = (unsigned)strnlen(a, COMPARED_MAX), m = (unsigned)strnlen(b, COMPARED_MAX);

	for (unsigned k = 0; k <= m; k++)
		row[k] = k;
	for (unsigned i = 1; i <= n; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (unsigned k = 1; k <= m; k++) {
			unsigned above = row[k];
			int is_other = tolower((unsigned char)a[i - 1]) !=
				       tolower((unsigned char)b[k - 1]);
			unsigned best = corner + (unsigned)is_other;
			if (above + 1 < best)
				best = above + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
			corner = above;
		}
	}
	return row[m];
}
