/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Entries are kept as finished text. What they quote is foreign, so they are cleaned before they
 * are kept: no control character (a second log line, a terminal sequence), no byte that is not
 * UTF-8, no character that changes the direction or the line of what stands around it. Each such
 * character becomes one question mark. Texts are cut at TEXT_MAX bytes, places are not: they are
 * made of a path and of keys whose length their maker bounds. */
#include "base/report.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512

void report_init(struct report *report)
{
	*report = (struct report){};
}

void report_done(struct report *report)
{
	for (size_t i = 0; i < report->n_entries; i++) {
		free(report->entries[i].place);
		free(report->entries[i].text);
	}
	free(report->entries);
	*report = (struct report){};
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

static void text_clean(char *text)
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

void report_add(struct report *report, const char *place, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	if (report->n_entries == REPORT_MAX) {
		report->n_left_out++;
		return;
	}
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	struct report_entry *entries = reallocarray(report->entries, report->n_entries + 1,
						    sizeof(*entries));
	if (!entries) {
		report->is_incomplete = true;
		return;
	}
	report->entries = entries;
	struct report_entry *entry = &entries[report->n_entries];
	entry->place = strdup(place);
	entry->text = strdup(text);
	if (!entry->place || !entry->text) {
		free(entry->place);
		free(entry->text);
		report->is_incomplete = true;
		return;
	}
	text_clean(entry->place);
	text_clean(entry->text);
	report->n_entries++;
}

bool report_is_empty(const struct report *report)
{
	return !report->n_entries && !report->is_incomplete;
}

void report_print(const struct report *report, FILE *stream)
{
	for (size_t i = 0; i < report->n_entries; i++)
		fprintf(stream, "%s: %s\n", report->entries[i].place, report->entries[i].text);
	if (report->n_left_out)
		fprintf(stream, "and %zu more\n", report->n_left_out);
	if (report->is_incomplete)
		fputs("some messages were lost for want of memory\n", stream);
}
