/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as the file of what was known last: used whole or refused with a reason; what is used
 * is written as something that reads the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kube/last_known.h"

static void check_round(const struct cluster *cluster, struct report *report)
{
	struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
	struct cluster *again;

	last_known_format("boot", cluster, &first);
	if (first.is_broken ||
	    last_known_parse("again", first.bytes, first.length, "n1", report, &again) != 0)
		abort();
	last_known_format("boot", again, &second);
	if (first.length != second.length || memcmp(first.bytes, second.bytes, first.length) != 0)
		abort();
	buffer_done(&first);
	buffer_done(&second);
	cluster_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct cluster *cluster;
	struct report report;

	report_init(&report);
	int r = last_known_parse("fuzz", (const char *)bytes, length, "n1", &report, &cluster);
	if (r < 0 || (r > 0 && report_is_empty(&report)))
		abort();
	if (r == 0) {
		check_round(cluster, &report);
		cluster_free(cluster);
	}
	report_done(&report);
	return 0;
}
