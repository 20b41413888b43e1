/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a forwarded packet of a registered pod costs: 10 endpoints, 10,000 endpoints, and the same
 * path with nothing but connection tracking in use, which every Kubernetes node pays already.
 *
 * Packets are made in the kernel as received on the pod's link (generator.h). They go to an internal
 * address, pass the forward hook and end in an ifb device, which drops them. CPU of the thread that
 * makes them: the receive path runs in it. Rounds are interleaved; ratios count, absolute figures
 * are this machine's. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compile/compile.h"
#include "generator.h"
#include "lab.h"
#include "namespace.h"
#include "node.h"

#define ROUNDS	15
#define PACKETS GENERATOR_PACKETS

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
	lab_add_pod(mac, ret_link);
	if (!namespace_run(
		    "ip addr add 10.99.0.254/24 dev sink && ip route add 100.64.0.0/10 dev sink &&"
		    "ip neigh add 10.99.0.1 lladdr 02:00:00:00:00:01 dev sink &&"
		    "ip neigh add 100.64.0.1 lladdr 02:00:00:00:00:01 dev sink"))
		exit(1);
}

/* "internal": a network that is internal as a whole, so nobody asks who sends. "judged": one that
 * holds a metadata address, so the sender is looked up among all endpoints and his policy asked. "external":
 * the same address where no network that holds it is internal, and the policy allows it. */
enum {
	NOTHING,
	CONNTRACK,
	FEW,
	MANY,
	FEW_JUDGED,
	MANY_JUDGED,
	FEW_ALLOWED,
	MANY_ALLOWED,
	FEW_BACKSTOP,
	N_VARIANTS
};

static const struct {
	const char *name;
	unsigned n_pods;
	bool is_judged;
} variants[N_VARIANTS] = {
	[NOTHING] = {"no rules", 0, false},
	[CONNTRACK] = {"conntrack only", 0, false},
	[FEW] = {"internal, 10 endpoints", 10, false},
	[MANY] = {"internal, 10,000 endpoints", 10000, false},
	[FEW_JUDGED] = {"judged, 10 endpoints", 10, true},
	[MANY_JUDGED] = {"judged, 10,000 endpoints", 10000, true},
	[FEW_ALLOWED] = {"external, 10 allowed networks", 10, true},
	[MANY_ALLOWED] = {"external, 1,000 of them", 10, true},
	[FEW_BACKSTOP] = {"internal, with the backstop", 10, false},
};

struct bench {
	struct pf_nft *nft;
	struct pf_ruleset *rulesets[N_VARIANTS], *none;
	uint8_t frames[2][64];
	size_t length;
	int programs[2];
	uint32_t link;
	double values[N_VARIANTS][ROUNDS];
};

static void measure(struct bench *bench, unsigned variant, unsigned round)
{
	const uint8_t *frame = bench->frames[variants[variant].is_judged];

	if (variant != NOTHING &&
	    !namespace_run("nft 'table inet plain { chain c { type filter hook forward priority 0; "
			   "ct direction reply accept; }; }'"))
		exit(1);
	apply_or_die(bench->nft, bench->none, bench->rulesets[variant]);
	generator_send(bench->programs[variants[variant].is_judged], bench->link, frame,
		       bench->length); /* warm */
	uint64_t before = sink_packets();
	bench->values[variant][round] = generator_send(bench->programs[variants[variant].is_judged],
						       bench->link, frame, bench->length);
	if (sink_packets() - before < PACKETS * 99 / 100) {
		fprintf(stderr, "%s: packets did not arrive\n", variants[variant].name);
		exit(1);
	}
	apply_or_die(bench->nft, bench->rulesets[variant], bench->none);
	if (!namespace_run("nft flush ruleset"))
		exit(1);
}

static void print(struct bench *bench)
{
	double medians[N_VARIANTS];

	printf("a forwarded packet, CPU in nanoseconds, %u interleaved rounds of %u: median "
	       "[min-max]\n",
	       ROUNDS, PACKETS);
	for (unsigned i = 0; i < N_VARIANTS; i++) {
		struct statistics s = statistics_of(bench->values[i], ROUNDS);
		medians[i] = s.median;
		printf("  %-29s %7.0f [%.0f-%.0f]", variants[i].name, s.median, s.low, s.high);
		if (i >= FEW)
			printf("  %.2f of conntrack only", s.median / medians[CONNTRACK]);
		if (i == MANY || i == MANY_JUDGED || i == MANY_ALLOWED)
			printf(", %.2f of the one above", s.median / medians[i - 1]);
		putchar('\n');
	}
}

static int prepare(struct bench *bench)
{
	uint8_t mac[6];

	make_lab(mac, &bench->link);
	generator_frame(bench->frames[0], mac, (uint8_t[]){10, 99, 0, 1});
	bench->length = generator_frame(bench->frames[1], mac, (uint8_t[]){100, 64, 0, 1});
	for (unsigned i = 0; i < 2; i++)
		bench->programs[i] = generator_load(bench->frames[i]);
	if (bench->programs[0] < 0 || bench->programs[1] < 0 || pf_nft_open(&bench->nft) < 0)
		return -1;
	bench->none = pf_ruleset_new();
	if (!bench->none || pf_ruleset_seal(bench->none) < 0)
		return -1;
	for (unsigned i = 0; i < FEW_ALLOWED; i++)
		bench->rulesets[i] =
			i < FEW ? bench->none
				: compiled_or_die(variants[i].n_pods, 2,
						  variants[i].is_judged ? MADE_SHARED_NETWORK : 0);
	bench->rulesets[FEW_BACKSTOP] = compiled_or_die(10, 2, MADE_BACKSTOP);
	bench->rulesets[FEW_ALLOWED] = compiled_with_allowed_or_die(10);
	bench->rulesets[MANY_ALLOWED] = compiled_with_allowed_or_die(1000);
	return 0;
}

int main(void)
{
	static struct bench bench;

	namespace_enter_or_skip();
	if (prepare(&bench) < 0) {
		fprintf(stderr, "bpf or nf_tables: %s\n", strerror(errno));
		return 1;
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < N_VARIANTS; i++)
			measure(&bench, round % 2 ? N_VARIANTS - 1 - i : i, round);
	print(&bench);
	return 0;
}
