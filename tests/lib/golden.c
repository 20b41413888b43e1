/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "golden.h"

#include <stdio.h>

#include "test.h"

void assert_golden(const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_GOLDEN"), name);

	if (getenv("UPDATE_GOLDEN")) {
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fputs(text, file);
		fclose(file);
		return;
	}
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("no %s", path);
	char *golden = NULL;
	size_t size = 0;
	if (getdelim(&golden, &size, '\0', file) < 0)
		golden = strdup("");
	fclose(file);
	assert_string_equal(text, golden);
	free(golden);
}
