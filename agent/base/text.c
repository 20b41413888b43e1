/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

size_t text_digits(uint64_t value, char digits[static TEXT_DIGITS_MAX])
{
	size_t n = TEXT_DIGITS_MAX;

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return n;
}

/* Bytes of the UTF-8 character at `at`, with its code; 0 where there is none. A NUL ends it. */
static size_t character_read(const unsigned char *at, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	uint32_t code = n > 1 ? at[0] & (0x7fu >> n) : at[0];

	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (!n || at[0] > 0xf4 || code < smallest[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return n;
}

static bool is_harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0)) /* C0, DEL, C1 */
		return false;
	if (code >= 0x200b && code <= 0x200f) /* no width, direction marks */
		return false;
	if (code >= 0x2028 && code <= 0x202e) /* line separators, direction overrides */
		return false;
	return !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff;
}

void text_clean(char *text)
{
	const unsigned char *from = (const unsigned char *)text;
	char *to = text;

	while (*from) {
		uint32_t code = 0;
		size_t n = character_read(from, &code);
		if (n && is_harmless(code)) {
			memmove(to, from, n);
			to += n;
		} else {
			*to++ = '?';
		}
		from += n ? n : 1;
	}
	*to = '\0';
}
