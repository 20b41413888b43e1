/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TEXT_DIGITS_MAX 20 /* of 2^64 - 1 */
/* In decimal, at the end of the bytes; where it begins. */
size_t text_digits(uint64_t value, char digits[static TEXT_DIGITS_MAX]);

/* Makes a foreign text fit to be shown: no control character (a second log line, a terminal sequence),
 * no byte that is not UTF-8, no character that changes the direction or the line of what stands around
 * it. Each such character becomes one question mark. */
void text_clean(char *text);
