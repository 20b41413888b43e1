/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any text as a destination: what is read means the same once it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "base/destination.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct destination destination, again;
	char text[DESTINATION_TEXT], *copy = strndup((const char *)bytes, length);

	if (!copy)
		abort();
	int r = destination_parse(copy, &destination);
	free(copy);
	if (r < 0 || !destination_error(r))
		abort();
	if (r)
		return 0;
	if (destination.last < destination.first || (destination.protocol && !destination.first))
		abort();
	if (destination_parse(destination_format(&destination, text), &again) != 0 ||
	    memcmp(&destination, &again, sizeof(again)) != 0)
		abort();
	return 0;
}
