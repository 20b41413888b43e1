/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Random nodes with random policies, and packets near what the policies speak of. The same seed gives the same. */
#pragma once

#include "node.h"
#include "policy/decision.h"
#include "policy/verdict.h"

struct random_state {
	uint64_t state;
};

/* $PODFENCE_SEED, else by chance. */
uint64_t random_seed(void);
uint32_t random_below(struct random_state *random, uint32_t bound);

struct random_world {
	struct made_node *made;
	struct namespace_list *namespaces;
	struct policy_list *policies;
	struct policy *own;
	struct decisions *decisions;
};

/* A node with these pods and host pods. */
struct random_world *random_world_new(struct random_state *random, unsigned n_pods,
				      unsigned n_host_pods);
struct random_world *random_world_free(struct random_world *world);

/* To an external destination, a metadata address or into a NAT64 prefix. */
struct policy_packet random_packet(struct random_state *random);
