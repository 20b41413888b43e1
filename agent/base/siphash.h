/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash128 {
	uint8_t bytes[16];
};

/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, reference implementation). */
struct siphash128 siphash128(const uint8_t key[static 16], const void *bytes, size_t length);
