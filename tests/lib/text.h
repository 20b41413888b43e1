/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

/* `n` times `unit` between `head` and `tail`; to be freed. */
char *text_repeat(const char *head, const char *unit, size_t n, const char *tail);
