/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "lab.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "compile/compile.h"
#include "policy/own.h"
#include "namespace.h"
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

void lab_add_pod(uint8_t ret_mac[static 6], uint32_t *ret_link)
{
	if (!namespace_run("mount -t sysfs sysfs /sys; sysctl -qw net.ipv4.ip_forward=1;"
			   "ip link add pod0 index 1000 type veth peer name pod0p && "
			   "ip link set pod0 up && ip link set pod0p up && "
			   "ip route add 10.244.0.0/32 dev pod0 && "
			   "ip link add sink type ifb && ip link set sink up"))
		exit(1);
	*ret_link = if_nametoindex("pod0");
	FILE *file = fopen("/sys/class/net/pod0/address", "r");
	if (!file || fscanf(file, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ret_mac[0], &ret_mac[1],
			    &ret_mac[2], &ret_mac[3], &ret_mac[4], &ret_mac[5]) != 6)
		exit(1);
	fclose(file);
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

	if (flags & MADE_BACKSTOP)
		strcpy(made->snapshot.view->links[0].name, BACKSTOP_DEVICE);
	if (compile(&input, &ruleset, reason) != 0) {
		fprintf(stderr, "cannot compile: %s\n", reason);
		exit(1);
	}
	made_node_free(made);
	return ruleset;
}

struct pf_ruleset *compiled_with_allowed_or_die(unsigned n_networks)
{
	struct made_node *made = made_node_new(10, 2, 0);
	struct destination_list list = {calloc(n_networks, sizeof(struct destination)), n_networks};
	struct decision_input input = {.config = &made->config};
	struct compile_input compiling = {&made->config, &made->snapshot, NULL};
	struct decisions *decisions = NULL;
	struct pf_ruleset *ruleset;
	char reason[160] = "no memory";

	for (unsigned i = 0; i < n_networks; i++)
		list.destinations[i].prefix = (struct pf_prefix){
			.address = {2, {100, (uint8_t)(64 + (i >> 7)), (uint8_t)(i << 1), 0}},
			.length = 24,
		};
	int r = own_policy_new("default.allow", &list, NULL, &input.own);
	if (r == 0)
		r = decisions_new(&input, &made->snapshot, NULL, &decisions);
	compiling.decisions = decisions;
	if (r < 0 || compile(&compiling, &ruleset, reason) != 0) {
		fprintf(stderr, "cannot compile: %s\n", reason);
		exit(1);
	}
	decisions_free(decisions);
	policy_free(input.own);
	free(list.destinations);
	made_node_free(made);
	return ruleset;
}
