/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One pod comes to a node of 110: what the agent spends against one `nft -f` of the same element.
 *
 *	transaction	difference of the two rulesets and commit over the open socket
 *	with compiling	the same, and compiling the whole snapshot first, as the agent does it
 *	nft -f		a process that adds the same element; CPU of the child
 *
 * CPU time, because the machine is shared. Rounds are interleaved. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"
#include "namespace.h"
#include "node.h"

#define ROUNDS	  11
#define PER_ROUND 100
#define PODS	  110

static double ours(struct pf_nft *nft, const struct pf_ruleset *few, const struct pf_ruleset *more,
		   bool compiles)
{
	uint64_t spent = 0;

	for (unsigned i = 0; i < PER_ROUND; i++) {
		uint64_t begun = cpu_thread_nsec();
		if (compiles) {
			struct pf_ruleset *fresh = compiled_or_die(PODS + 1, 0, 0);
			apply_or_die(nft, few, fresh);
			pf_ruleset_free(fresh);
		} else {
			apply_or_die(nft, few, more);
		}
		spent += cpu_thread_nsec() - begun;
		apply_or_die(nft, more, few); /* the way back is not counted */
	}
	return (double)spent / PER_ROUND / 1000;
}

static double theirs(const char *path)
{
	enum { RUNS = 5 };
	uint64_t begun = cpu_children_nsec();

	for (unsigned i = 0; i < RUNS; i++) {
		pid_t pid = fork();
		if (!pid) {
			execlp("nft", "nft", "-f", path, (char *)NULL);
			_exit(127);
		}
		int status;
		if (waitpid(pid, &status, 0) < 0 || status != 0) {
			fputs("nft -f failed\n", stderr);
			exit(1);
		}
	}
	uint64_t spent = cpu_children_nsec() - begun;
	namespace_run("nft delete element inet podfence links_v1 '{ %u }'", 1000 + PODS);
	return (double)spent / RUNS / 1000;
}

int main(void)
{
	double a[ROUNDS], b[ROUNDS], c[ROUNDS];
	char path[] = "/tmp/podfence-bench-XXXXXX";
	struct pf_nft *nft;

	namespace_enter_or_skip();
	FILE *stream = fdopen(mkstemp(path), "w");
	fprintf(stream, "add element inet podfence links_v1 { %u }\n", 1000 + PODS);
	fclose(stream);
	if (pf_nft_open(&nft) < 0)
		return 1;
	struct pf_ruleset *few = compiled_or_die(PODS, 0, 0),
			  *more = compiled_or_die(PODS + 1, 0, 0);
	apply_or_die(nft, NULL, few);
	for (unsigned i = 0; i < ROUNDS; i++) {
		a[i] = ours(nft, few, more, false);
		b[i] = ours(nft, few, more, true);
		c[i] = theirs(path);
	}
	unlink(path);
	struct statistics x = statistics_of(a, ROUNDS), y = statistics_of(b, ROUNDS),
			  z = statistics_of(c, ROUNDS);
	printf("add one pod to %u, CPU in microseconds, %u interleaved rounds: median [min-max]\n",
	       PODS, ROUNDS);
	printf("  transaction     %8.1f [%.1f-%.1f]  1/%.0f of nft -f\n", x.median, x.low, x.high,
	       z.median / x.median);
	printf("  with compiling  %8.1f [%.1f-%.1f]  1/%.0f of nft -f\n", y.median, y.low, y.high,
	       z.median / y.median);
	printf("  nft -f          %8.1f [%.1f-%.1f]\n", z.median, z.low, z.high);
	pf_ruleset_free(few);
	pf_ruleset_free(more);
	pf_nft_free(nft);
	return 0;
}
