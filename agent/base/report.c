/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Entries are kept as finished text. What they quote is foreign, so they are cleaned before they
 * are kept. Texts are cut at TEXT_MAX bytes, places are not: they are made of a path and of keys
 * whose length their maker bounds. */
#include "base/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

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
