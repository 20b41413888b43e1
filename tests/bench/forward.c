/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a forwarded packet of a registered pod costs: 10 endpoints, 10,000 endpoints, and the same
 * path with nothing but connection tracking in use, which every Kubernetes node pays already.
 *
 * Packets are made in the kernel (BPF_PROG_TEST_RUN with live frames, linux 5.18) as received on
 * the pod's link, so that no system call per packet dilutes the figure. They go to an internal
 * address, pass the forward hook and end in an ifb device, which drops them. CPU of the thread that
 * makes them: the receive path runs in it. Rounds are interleaved; ratios count, absolute figures
 * are this machine's. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compile/compile.h"
#include "lab.h"
#include "namespace.h"
#include "node.h"

#define ROUNDS	15
#define PACKETS 200000u

static int load_pass_program(void)
{
	/* r0 = XDP_PASS; exit */
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attributes = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)program,
		.insn_cnt = 2,
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

static size_t make_frame(uint8_t frame[static 64], const uint8_t mac[static 6])
{
	static const uint8_t rest[] = {
		0x08, 0x00,					    /* IPv4 */
		0x45, 0,    0,	  46,	0,  1,	0, 0, 64, 17, 0, 0, /* UDP, 46 bytes */
		10,   244,  0,	  0,	10, 99, 0, 1,		    /* 10.244.0.0 -> 10.99.0.1 */
		0x13, 0x88, 0x13, 0x89, 0,  26, 0, 0,		    /* 5000 -> 5001, no checksum */
	};

	memset(frame, 0, 64);
	memcpy(frame, mac, 6);
	memcpy(frame + 12, rest, sizeof(rest));
	uint16_t checksum = htons(ip_checksum(frame + 14));
	memcpy(frame + 24, &checksum, 2);
	return 60;
}

/* CPU nanoseconds a packet. */
static double send_packets(int program, uint32_t link, const uint8_t *frame, size_t length)
{
	struct xdp_md context = {.data_end = (uint32_t)length, .ingress_ifindex = link};
	union bpf_attr attributes = {};

	attributes.test.prog_fd = (uint32_t)program;
	attributes.test.data_in = (uintptr_t)frame;
	attributes.test.data_size_in = (uint32_t)length;
	attributes.test.ctx_in = (uintptr_t)&context;
	attributes.test.ctx_size_in = sizeof(context);
	attributes.test.repeat = PACKETS;
	attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	uint64_t begun = cpu_thread_nsec();
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof(attributes)) < 0) {
		fprintf(stderr, "BPF_PROG_TEST_RUN: %s\n", strerror(errno));
		exit(1);
	}
	return (double)(cpu_thread_nsec() - begun) / PACKETS;
}

/* An ifb device drops what was not redirected to it and counts that as received and dropped. */
static uint64_t sink_packets(void)
{
	unsigned long long dropped = 0;
	char line[512];
	FILE *file = fopen("/proc/self/net/dev", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " sink: %*u %*u %*u %llu", &dropped) == 1)
			break;
	if (file)
		fclose(file);
	return dropped;
}

static void make_lab(uint8_t mac[static 6], uint32_t *ret_link)
{
	/* The made-up node's first pod has link 1000: give the pod's veth that index. */
	if (!namespace_run(
		    "mount -t sysfs sysfs /sys; sysctl -qw net.ipv4.ip_forward=1;"
		    "ip link add pod0 index 1000 type veth peer name pod0p && ip link set pod0 up "
		    "&&"
		    "ip link set pod0p up && ip route add 10.244.0.0/32 dev pod0 &&"
		    "ip link add sink type ifb && ip link set sink up &&"
		    "ip addr add 10.99.0.254/24 dev sink &&"
		    "ip neigh add 10.99.0.1 lladdr 02:00:00:00:00:01 dev sink"))
		exit(1);
	*ret_link = if_nametoindex("pod0");
	FILE *file = fopen("/sys/class/net/pod0/address", "r");
	if (!file || fscanf(file, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2],
			    &mac[3], &mac[4], &mac[5]) != 6)
		exit(1);
	fclose(file);
}

enum { NOTHING, CONNTRACK, FEW, MANY, N_VARIANTS };

int main(void)
{
	static const char *const names[] = {"no rules", "conntrack only", "podfence, 10 endpoints",
					    "podfence, 10,000 endpoints"};
	double values[N_VARIANTS][ROUNDS];
	uint8_t mac[6], frame[64];
	struct pf_nft *nft;
	uint32_t link;

	namespace_enter_or_skip();
	make_lab(mac, &link);
	size_t length = make_frame(frame, mac);
	int program = load_pass_program();
	if (program < 0 || pf_nft_open(&nft) < 0) {
		fprintf(stderr, "bpf or nf_tables: %s\n", strerror(errno));
		return 1;
	}
	struct pf_ruleset *none = pf_ruleset_new(), *few = compiled_or_die(10, 2, 0),
			  *many = compiled_or_die(10000, 2, 0);
	if (pf_ruleset_seal(none) < 0)
		return 1;
	const struct pf_ruleset *rulesets[] = {none, none, few, many};
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < N_VARIANTS; i++) {
			unsigned variant = round % 2 ? N_VARIANTS - 1 - i : i;
			if (variant != NOTHING)
				namespace_run(
					"nft 'table inet ct { chain c { type filter hook forward "
					"priority 0; ct direction reply accept; }; }'");
			apply_or_die(nft, NULL, rulesets[variant]);
			send_packets(program, link, frame, length); /* warm */
			uint64_t before = sink_packets();
			values[variant][round] = send_packets(program, link, frame, length);
			if (sink_packets() - before < PACKETS * 99 / 100) {
				fprintf(stderr, "%s: packets did not arrive\n", names[variant]);
				return 1;
			}
			apply_or_die(nft, rulesets[variant], none);
			namespace_run("nft flush ruleset");
		}
	double conntrack = 0, few_median = 0;
	printf("a forwarded packet, CPU in nanoseconds, %u interleaved rounds of %u: median "
	       "[min-max]\n",
	       ROUNDS, PACKETS);
	for (unsigned i = 0; i < N_VARIANTS; i++) {
		struct statistics s = statistics_of(values[i], ROUNDS);
		conntrack = i == CONNTRACK ? s.median : conntrack;
		few_median = i == FEW ? s.median : few_median;
		printf("  %-28s %7.0f [%.0f-%.0f]", names[i], s.median, s.low, s.high);
		if (i >= FEW)
			printf("  %.2f of conntrack only", s.median / conntrack);
		if (i == MANY)
			printf(", %.2f of 10 endpoints", s.median / few_median);
		putchar('\n');
	}
	return 0;
}
