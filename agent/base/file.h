/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

/* A whole file as text with a NUL behind it, to be freed. -EFBIG: it is larger than `maximum`. */
PF_MUST_CHECK int file_read(const char *path, size_t maximum, char **ret_text, size_t *ret_length);
