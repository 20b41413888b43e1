/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>

#define TIMESTAMP_LENGTH 27 /* "2026-11-23T15:53:17.131153Z" */

/* Microseconds since 1970 as ISO 8601 in UTC, TIMESTAMP_LENGTH characters and no NUL. What lies
 * beyond the year 9999 is written as its last second. */
void timestamp_text(uint64_t usec, char text[static TIMESTAMP_LENGTH]);
/* The way back: "2026-11-23T15:53:17Z", with a fraction or without. 0: it is none. */
uint64_t timestamp_parse(const char *text);
