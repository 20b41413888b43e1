/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lab.h"

/* The kernel uses the same pages again and again, and forwarding writes into them: the program puts
 * the destination MAC, the hop limit and the header checksum back before it lets the frame pass. */
int generator_load(const uint8_t frame[static 64])
{
	int32_t mac_low, hop_and_checksum;
	int16_t mac_high;

	memcpy(&mac_low, frame, 4);
	memcpy(&mac_high, frame + 4, 2);
	memcpy(&hop_and_checksum, frame + 22, 4);
	const struct bpf_insn program[] = {
		/* r2 = data, r3 = data_end, r4 = r2 + 34; if r4 > r3 goto end */
		{BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0},
		{BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, 4, 0},
		{BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0},
		{BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, 34},
		{BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 3, 0},
		{BPF_ST | BPF_MEM | BPF_W, BPF_REG_2, 0, 0, mac_low},
		{BPF_ST | BPF_MEM | BPF_H, BPF_REG_2, 0, 4, mac_high},
		{BPF_ST | BPF_MEM | BPF_W, BPF_REG_2, 0, 22, hop_and_checksum},
		{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
		{BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	union bpf_attr attributes = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(program[0]),
		.license = (uintptr_t) "GPL",
	};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static uint16_t ip_checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t generator_frame(uint8_t frame[static 64], const uint8_t mac[static 6],
		       const uint8_t destination[static 4])
{
	static const uint8_t rest[] = {
		0x08, 0x00,					    /* IPv4 */
		0x45, 0,    0,	  46,	0,  1,	0, 0, 64, 17, 0, 0, /* UDP, 46 bytes */
		10,   244,  0,	  0,	10, 99, 0, 1,		    /* from 10.244.0.0 */
		0x13, 0x88, 0x13, 0x89, 0,  26, 0, 0,		    /* 5000 -> 5001, no checksum */
	};

	memset(frame, 0, 64);
	memcpy(frame, mac, 6);
	memcpy(frame + 12, rest, sizeof(rest));
	memcpy(frame + 30, destination, 4);
	uint16_t checksum = htons(ip_checksum(frame + 14));
	memcpy(frame + 24, &checksum, 2);
	return 60;
}

double generator_send(int program, uint32_t link, const uint8_t *frame, size_t length)
{
	struct xdp_md context = {.data_end = (uint32_t)length, .ingress_ifindex = link};
	union bpf_attr attributes = {};

	attributes.test.prog_fd = (uint32_t)program;
	attributes.test.data_in = (uintptr_t)frame;
	attributes.test.data_size_in = (uint32_t)length;
	attributes.test.ctx_in = (uintptr_t)&context;
	attributes.test.ctx_size_in = sizeof(context);
	attributes.test.repeat = GENERATOR_PACKETS;
	attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	uint64_t begun = cpu_thread_nsec();
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof(attributes)) < 0) {
		fprintf(stderr, "BPF_PROG_TEST_RUN: %s\n", strerror(errno));
		exit(1);
	}
	return (double)(cpu_thread_nsec() - begun) / GENERATOR_PACKETS;
}
