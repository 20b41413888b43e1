/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Packets made in the kernel (BPF_PROG_TEST_RUN with live frames, linux 5.18) as received on a link, so that no
 * system call per packet dilutes the figure. */
#define GENERATOR_PACKETS 200000u

/* From 10.244.0.0, UDP, the dearer transport: its destination port is looked at. Returns the length. */
size_t generator_frame(uint8_t frame[static 64], const uint8_t mac[static 6],
		       const uint8_t destination[static 4]);
/* The program that lets such frames pass; negative: errno. */
int generator_load(const uint8_t frame[static 64]);
/* CPU nanoseconds a packet, of the thread that makes them: the receive path runs in it. */
double generator_send(int program, uint32_t link, const uint8_t *frame, size_t length);
