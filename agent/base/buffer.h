/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing byte buffer. A failed allocation is remembered (is_broken) and every later write is a
 * no-op, so that a writer checks once, at the end. */
struct buffer {
	char *bytes;
	size_t length, capacity;
	bool is_broken;
};

#define BUFFER_INIT ((struct buffer){})

void buffer_done(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* length 0, memory kept, is_broken cleared */
/* Room for `length` bytes that the caller fills in at once; NULL where the buffer is broken. */
char *buffer_extend(struct buffer *buffer, size_t length);
void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_char(struct buffer *buffer, char c);
void buffer_add_uint(struct buffer *buffer, uint64_t value);
