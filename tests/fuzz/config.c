/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a configuration: either a configuration and nothing said, or something said and no
 * configuration. */
#include <stdlib.h>

#include "config/config.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct config *config = NULL;
	struct report report;

	report_init(&report);
	int r = config_parse("fuzz.yaml", (const char *)bytes, length, &report, &config);
	if (r < 0 || !r != !!config || !r != report_is_empty(&report))
		abort();
	config_free(config);
	report_done(&report);
	return 0;
}
