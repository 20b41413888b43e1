/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a denied packet costs its sender, by how its chain ends: podfence's rules with a plain `drop` in place of
 * the ledger, with a `drop` and a log of each packet that somebody reads, and with the ledger and a flow that is
 * known. Beside them one rule of nft that drops, behind connection tracking. Packets are made in the kernel as received
 * on the pod's link (generator.h); CPU of the thread that makes them. Rounds are interleaved; ratios count.
 *
 * The log is `log group N`, and its reader binds the group as ulogd2 does where its configuration says nothing:
 * whole packets, the kernel's buffer, threshold (100) and time. "logged at once" has ulogd2's netlink_qthreshold=1: its
 * reader hears of a packet when it is sent, as podfenced hears of a new flow. The reader has a processor of its own:
 * on the sender's it would wait until all packets are sent, and what it takes from the sender would not show. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <podfence/nflog.h>

#include "generator.h"
#include "lab.h"
#include "namespace.h"

#define ROUNDS 15

enum { BARE, PLAIN, LOGGED, AT_ONCE, LEDGER, N_VARIANTS };

static const char *const names[N_VARIANTS] = {"one rule", "plain drop", "drop with log",
					      "logged at once", "ledger"};

struct bench {
	struct pf_nft *nft;
	struct pf_ruleset *none, *ours;
	uint8_t frame[64];
	size_t length;
	int program;
	uint32_t link;
	double values[N_VARIANTS][ROUNDS];
};

struct reader {
	pthread_t thread;
	struct pf_nflog *nflog;
	atomic_bool is_over;
};

static struct pf_nflog_counts counts; /* of all readers */

static void pin(unsigned processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("a processor of its own");
		exit(1);
	}
}

static void pass_over(const struct pf_nflog_record *record, void *userdata)
{
}

/* A log without a reader costs nothing. */
static void *read_messages(void *userdata)
{
	struct reader *reader = userdata;
	struct pollfd ready = {.fd = pf_nflog_fd(reader->nflog), .events = POLLIN};

	pin(1);
	while (!atomic_load(&reader->is_over))
		if (poll(&ready, 1, 100) == 1 &&
		    pf_nflog_dispatch(reader->nflog, 10000, pass_over, NULL) < 0)
			break;
	return NULL;
}

static void reader_start(struct reader *reader, uint32_t threshold)
{
	const struct pf_nflog_options options = {
		.group = 1789,
		.copy_bytes = 0xffff,
		.kernel_buffer = 3776, /* NLMSG_GOODSIZE with pages of 4 KiB */
		.queue_threshold = threshold,
		.flush_centiseconds = 100,
		.socket_buffer = 64u << 20,
	};

	*reader = (struct reader){};
	if (pf_nflog_open(&options, &reader->nflog) < 0 ||
	    pthread_create(&reader->thread, NULL, read_messages, reader) != 0) {
		fprintf(stderr, "no reader of NFLOG\n");
		exit(1);
	}
}

static void reader_stop(struct reader *reader)
{
	atomic_store(&reader->is_over, true);
	pthread_join(reader->thread, NULL);
	counts.received += pf_nflog_counts(reader->nflog).received;
	counts.lost += pf_nflog_counts(reader->nflog).lost;
	pf_nflog_free(reader->nflog);
}

static void make_lab(uint8_t mac[static 6], uint32_t *ret_link)
{
	lab_add_pod(mac, ret_link);
	if (!namespace_run("ip route add 203.0.113.0/24 dev sink"))
		exit(1);
}

static uint64_t denied(struct bench *bench, const char *table)
{
	struct pf_counter_value *values;
	uint64_t packets = 0;
	size_t n;

	if (pf_nft_counters(bench->nft, table, &values, &n) < 0)
		exit(1);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(values[i].name, "denied"))
			packets += values[i].packets;
	free(values);
	return packets;
}

static void run_or_die(const char *command)
{
	if (!namespace_run("%s", command))
		exit(1);
}

static void load(struct bench *bench, unsigned variant)
{
	run_or_die("nft 'table inet plain { counter denied { }; chain c { type filter hook forward "
		   "priority 0; ct direction reply accept; }; }'");
	if (variant == BARE)
		run_or_die("nft add rule inet plain c ip daddr 203.0.113.0/24 counter name denied "
			   "drop");
	else
		apply_or_die(bench->nft, bench->none, bench->ours);
	if (variant == PLAIN)
		run_or_die("nft 'flush chain inet podfence deny; add rule inet podfence deny "
			   "counter name denied drop'");
	if (variant == LOGGED || variant == AT_ONCE)
		run_or_die("nft 'flush chain inet podfence deny; add rule inet podfence deny "
			   "counter name denied log group 1789 prefix denied drop'");
}

static void measure(struct bench *bench, unsigned variant, unsigned round)
{
	const char *table = variant == BARE ? "plain" : "podfence";
	struct reader reader;

	load(bench, variant);
	reader_start(&reader, variant == AT_ONCE ? 1 : 100);
	generator_send(bench->program, bench->link, bench->frame, bench->length); /* warm */
	uint64_t before = denied(bench, table);
	bench->values[variant][round] = generator_send(bench->program, bench->link, bench->frame,
						       bench->length);
	if (denied(bench, table) - before != GENERATOR_PACKETS) {
		fprintf(stderr, "%s: not all packets were denied\n", names[variant]);
		exit(1);
	}
	reader_stop(&reader);
	run_or_die("nft flush ruleset");
}

static void print(struct bench *bench)
{
	double medians[N_VARIANTS];

	printf("a denied packet, CPU of its sender in nanoseconds, %u interleaved rounds of %u: "
	       "median [min-max]\n",
	       ROUNDS, GENERATOR_PACKETS);
	for (unsigned i = 0; i < N_VARIANTS; i++) {
		struct statistics s = statistics_of(bench->values[i], ROUNDS);
		medians[i] = s.median;
		printf("  %-14s %7.0f [%.0f-%.0f]", names[i], s.median, s.low, s.high);
		if (i == LEDGER)
			printf("  %.2f of plain drop, %.2f of drop with log, %.2f logged at once",
			       s.median / medians[PLAIN], s.median / medians[LOGGED],
			       s.median / medians[AT_ONCE]);
		putchar('\n');
	}
}

static int prepare(struct bench *bench)
{
	uint8_t mac[6];

	make_lab(mac, &bench->link);
	bench->length = generator_frame(bench->frame, mac, (uint8_t[]){203, 0, 113, 9});
	bench->program = generator_load(bench->frame);
	bench->none = pf_ruleset_new();
	if (bench->program < 0 || pf_nft_open(&bench->nft) < 0 || !bench->none ||
	    pf_ruleset_seal(bench->none) < 0)
		return -1;
	bench->ours = compiled_or_die(10, 2, 0);
	return 0;
}

int main(void)
{
	static struct bench bench;

	namespace_enter_or_skip();
	pin(0);
	if (prepare(&bench) < 0) {
		fprintf(stderr, "bpf or nf_tables: %s\n", strerror(errno));
		return 1;
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < N_VARIANTS; i++)
			measure(&bench, round % 2 ? N_VARIANTS - 1 - i : i, round);
	print(&bench);
	printf("  of the messages that were logged %llu were read, %llu lost\n",
	       (unsigned long long)counts.received, (unsigned long long)counts.lost);
	return 0;
}
