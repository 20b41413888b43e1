/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * gmtime_r() and strftime() cost ten times what this does, and a cached second would be state in a
 * pure function. The calendar is Howard Hinnant's days-to-civil arithmetic ("chrono-Compatible
 * Low-Level Date Algorithms"): years begin in March, so that the leap day is a year's last. */
#include "event/timestamp.h"

#include <string.h>
#include <time.h>

#define SECOND_LAST 253402300799ull /* 9999-12-31T23:59:59Z */

static char *digits_put(char *at, unsigned value, int n)
{
	for (int i = n; i--; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + n;
}

static char *date_put(char *at, uint64_t day_since_1970)
{
	uint64_t day = day_since_1970 + 719468; /* since 0000-03-01 */
	unsigned era = (unsigned)(day / 146097), day_of_era = (unsigned)(day % 146097);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year = day_of_era -
			       (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned march_month = (5 * day_of_year + 2) / 153;
	unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
	unsigned year = year_of_era + era * 400 + (month <= 2);

	at = digits_put(at, year, 4);
	*at++ = '-';
	at = digits_put(at, month, 2);
	*at++ = '-';
	return digits_put(at, day_of_year - (153 * march_month + 2) / 5 + 1, 2);
}

void timestamp_text(uint64_t usec, char text[static TIMESTAMP_LENGTH])
{
	uint64_t seconds = usec / 1000000;
	if (seconds > SECOND_LAST)
		seconds = SECOND_LAST;
	unsigned second_of_day = (unsigned)(seconds % 86400);

	char *at = date_put(text, seconds / 86400);
	*at++ = 'T';
	at = digits_put(at, second_of_day / 3600, 2);
	*at++ = ':';
	at = digits_put(at, second_of_day / 60 % 60, 2);
	*at++ = ':';
	at = digits_put(at, second_of_day % 60, 2);
	*at++ = '.';
	at = digits_put(at, (unsigned)(usec % 1000000), 6);
	*at = 'Z';
}

uint64_t timestamp_parse(const char *text)
{
	struct tm tm = {};
	unsigned usec = 0, scale = 100000;
	char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest)
		return 0;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			usec += (unsigned)(*rest - '0') * scale;
	time_t seconds = timegm(&tm);
	return strcmp(rest, "Z") != 0 || seconds < 0 ? 0 : (uint64_t)seconds * 1000000u + usec;
}
