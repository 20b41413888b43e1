/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "text.h"

#include <stdio.h>

#include "test.h"

char *text_repeat(const char *head, const char *unit, size_t n, const char *tail)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	fputs(head, stream);
	while (n--)
		fputs(unit, stream);
	fputs(tail, stream);
	fclose(stream);
	return text;
}
