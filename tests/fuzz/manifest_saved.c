/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as the file of policies that were good: used whole or refused with a reason; what is used is written as
 * something that reads the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kube/manifest_saved.h"

static void check_round(const struct manifest_set *set, struct report *report)
{
	struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
	struct manifest_set *again;

	manifest_saved_format("boot", "n1", set, &first);
	if (first.is_broken ||
	    manifest_saved_parse("again", first.bytes, first.length, "n1", report, &again) != 0)
		abort();
	manifest_saved_format("boot", "n1", again, &second);
	if (first.length != second.length || memcmp(first.bytes, second.bytes, first.length) != 0)
		abort();
	buffer_done(&first);
	buffer_done(&second);
	manifest_set_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct manifest_set *set;
	struct report report;

	report_init(&report);
	int r = manifest_saved_parse("fuzz", (const char *)bytes, length, "n1", &report, &set);
	if (r < 0 || (r > 0 && report_is_empty(&report)))
		abort();
	if (r == 0) {
		check_round(set, &report);
		manifest_set_free(set);
	}
	report_done(&report);
	return 0;
}
