/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

/* "30s", "15m", "2h", "1h30m", "7d"; no number without its unit. 0, or -EINVAL. At most 10 years. */
PF_MUST_CHECK int duration_parse(const char *text, uint64_t *ret_seconds);

#define DURATION_TEXT 32
/* The two largest units: "3d4h", "5m12s", "0s". */
const char *duration_text(uint64_t seconds, char text[static DURATION_TEXT]);
