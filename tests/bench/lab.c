/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "compile/compile.h"
#include "node.h"

uint64_t cpu_thread_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t cpu_children_nsec(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000u;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct statistics statistics_of(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return (struct statistics){values[n / 2], values[0], values[n - 1]};
}

void apply_or_die(struct pf_nft *nft, const struct pf_ruleset *from, const struct pf_ruleset *to)
{
	struct pf_nft_errors errors;
	struct pf_plan *plan;

	if (pf_plan_new(from, to, &plan, NULL) != 0 || pf_nft_commit(nft, plan, &errors) < 0) {
		fprintf(stderr, "cannot apply: %s\n",
			errors.n_errors ? errors.errors[0].object : "plan or socket");
		exit(1);
	}
	pf_plan_free(plan);
}

struct pf_ruleset *compiled_or_die(unsigned n_pods, unsigned n_host_pods, unsigned flags)
{
	struct made_node *made = made_node_new(n_pods, n_host_pods, flags);
	const struct compile_input input = {&made->config, &made->snapshot, NULL};
	struct pf_ruleset *ruleset;
	char reason[160] = "no memory";

	if (compile(&input, &ruleset, reason) != 0) {
		fprintf(stderr, "cannot compile: %s\n", reason);
		exit(1);
	}
	made_node_free(made);
	return ruleset;
}
