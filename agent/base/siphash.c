/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * SipHash-2-4-128: short inputs, no table, no library. With a secret key it stands against chosen
 * input; with a public one, as event ids use it, it is a good checksum of 128 bits and no more. */
#include "base/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void rounds(struct state *s, unsigned n)
{
	while (n--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

static uint64_t word_read(const uint8_t *bytes, size_t length)
{
	uint64_t word = 0;

	memcpy(&word, bytes, length);
	return le64toh(word);
}

static void word_add(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

static uint64_t half_finish(struct state *s)
{
	rounds(s, 4);
	return htole64(s->v0 ^ s->v1 ^ s->v2 ^ s->v3);
}

struct siphash128 siphash128(const uint8_t key[static 16], const void *bytes, size_t length)
{
	uint64_t k0 = word_read(key, 8), k1 = word_read(key + 8, 8);
	struct state s = {
		.v0 = k0 ^ 0x736f6d6570736575,
		.v1 = k1 ^ 0x646f72616e646f6d ^ 0xee,
		.v2 = k0 ^ 0x6c7967656e657261,
		.v3 = k1 ^ 0x7465646279746573,
	};
	const uint8_t *at = bytes;
	size_t left = length;

	for (; left >= 8; at += 8, left -= 8)
		word_add(&s, word_read(at, 8));
	word_add(&s, (uint64_t)length << 56 | (left ? word_read(at, left) : 0));

	struct siphash128 hash;
	s.v2 ^= 0xee;
	uint64_t half = half_finish(&s);
	memcpy(hash.bytes, &half, 8);
	s.v1 ^= 0xdd;
	half = half_finish(&s);
	memcpy(hash.bytes + 8, &half, 8);
	return hash;
}
