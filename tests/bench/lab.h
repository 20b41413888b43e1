/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/nft.h>

/* What the benchmarks share: clocks of consumed CPU, statistics, loading rulesets. */

uint64_t cpu_thread_nsec(void);	  /* of this thread; softirq work done in it is charged to it */
uint64_t cpu_children_nsec(void); /* of waited-for children */

struct statistics {
	double median, low, high;
};
struct statistics statistics_of(double *values, size_t n); /* sorts */

/* pod0, the veth of the made-up node's first pod, with that pod's index and address, and an ifb `sink` for what is
 * forwarded. */
void lab_add_pod(uint8_t ret_mac[static 6], uint32_t *ret_link);
void apply_or_die(struct pf_nft *nft, const struct pf_ruleset *from, const struct pf_ruleset *to);
#define BACKSTOP_DEVICE "sink" /* where the backstop of MADE_BACKSTOP stands */
struct pf_ruleset *compiled_or_die(unsigned n_pods, unsigned n_host_pods, unsigned flags);
/* Ten pods that may reach that many networks, 100.64.0.0/24 and every second one after it. */
struct pf_ruleset *compiled_with_allowed_or_die(unsigned n_networks);
