/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <podfence/attributes.h>

/* Judgements about what a person or another program gave us: each names its place and what is
 * wrong. Parsers fill a report and return 0 or a positive outcome; only the top prints it. */
struct report_entry {
	char *place; /* "podfence.yaml:12: network.internal[2]" or "pods.json:
			items[3].metadata.uid" */
	char *text;  /* one line, without control characters */
};

struct report {
	struct report_entry *entries;
	size_t n_entries;
	size_t n_left_out;  /* entries beyond REPORT_MAX, counted only */
	bool is_incomplete; /* an entry was lost for want of memory */
};

#define REPORT_MAX 256

void report_init(struct report *report);
void report_done(struct report *report);

/* Adds an entry; control characters in what the format makes are replaced. Never fails: out of
 * memory and overflow are recorded in the report itself. */
PF_PRINTF(3, 4) void report_add(struct report *report, const char *place, const char *format, ...);

bool report_is_empty(const struct report *report);

/* One line "place: text" an entry, and a last line for what was left out. */
void report_print(const struct report *report, FILE *stream);
