/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The buffer doubles, so that a line of n bytes costs O(log n) allocations once and none
 * afterwards: writers clear and reuse it. After a failed allocation the content is a torso that
 * nobody may use; is_broken says so until buffer_clear(). */
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define BUFFER_FIRST 512

void buffer_done(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = BUFFER_INIT;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->is_broken = false;
}

static bool buffer_grow(struct buffer *buffer, size_t length)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST;
	char *bytes = NULL;

	while (capacity - buffer->length < length && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	if (capacity - buffer->length >= length)
		bytes = realloc(buffer->bytes, capacity);
	if (!bytes) {
		buffer->is_broken = true;
		return false;
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

char *buffer_extend(struct buffer *buffer, size_t length)
{
	if (buffer->is_broken)
		return NULL;
	bool has_room = buffer->bytes && buffer->capacity - buffer->length >= length;
	if (!has_room && !buffer_grow(buffer, length))
		return NULL;
	char *at = buffer->bytes + buffer->length;
	buffer->length += length;
	return at;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
	char *at = length ? buffer_extend(buffer, length) : NULL;

	if (at)
		memcpy(at, bytes, length);
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void buffer_add_char(struct buffer *buffer, char c)
{
	char *at = buffer_extend(buffer, 1);

	if (at)
		*at = c;
}

void buffer_add_uint(struct buffer *buffer, uint64_t value)
{
	char digits[TEXT_DIGITS_MAX];
	size_t n = text_digits(value, digits);

	buffer_add(buffer, digits + n, sizeof(digits) - n);
}
