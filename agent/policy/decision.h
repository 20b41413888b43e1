/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "config/config.h"
#include "inventory/snapshot.h"
#include "kube/namespace.h"
#include "kube/policy.h"

#define DECISION_DEFAULT  "default"
#define DECISION_NAME_MAX 20

/* What holds for one endpoint: the policies that select it and what meets it where they leave a
 * question open. Endpoints for which the same holds share one decision, as they share one chain in
 * the kernel. Never changed once it is made. */
struct decision {
	unsigned n_references;
	/* Of its chain: DECISION_DEFAULT where the agent's default is all there is, else "p-" and 16
	 * hexadecimal digits made of the names of the policies, not of what they say: an edited
	 * policy keeps its chain. */
	char name[DECISION_NAME_MAX];
	uint64_t number; /* the digits of its name; 0: the default */
	enum config_mode mode;
	enum config_action action;
	bool has_ceiling;	  /* a NetworkPolicy may narrow, not widen */
	bool has_audit;		  /* some of the policies are in audit */
	struct policy *own;	  /* the agent's allow list for it, all Accept; NULL: none */
	struct policy **policies; /* in the order of the list */
	size_t n_policies;
};

struct decision *decision_ref(struct decision *decision);
struct decision *decision_free(struct decision *decision);

/* The decisions of all endpoints of one snapshot. */
struct decisions {
	unsigned n_references;
	struct decision **distinct; /* the first is DECISION_DEFAULT */
	size_t n_distinct;
	uint32_t *of; /* place in distinct, by the endpoint's place in the snapshot */
	size_t n_endpoints;
	uint32_t *
		slots; /* places in distinct by their numbers, plus one; 0: free. Open addressing */
	size_t n_slots; /* a power of two */
	/* What they were made of, so that the next ones need not be made again. */
	struct pod **pods; /* by the endpoint's place; NULL for what is no pod */
	struct policy_list *policies;
	struct namespace_list *namespaces;
	uint64_t version;
};

struct decision_input {
	const struct config *config;
	struct policy_list *policies;	   /* NULL: none */
	struct namespace_list *namespaces; /* NULL: nothing is known of any */
	struct policy *own;		   /* default.allow as a policy; NULL: none */
	/* Of each entry of config->units its allow list and default.allow; NULL: `own` for all of them. */
	struct policy *const *unit_own;
	uint64_t version; /* another one where config or own are not what they were */
};

/* Pure. `before` (or NULL) is of an earlier snapshot: a decision that would come out the same is
 * shared with it, so that "nothing changed" is a comparison of pointers. 0 or -ENOMEM. */
PF_MUST_CHECK int decisions_new(const struct decision_input *input, const struct snapshot *snapshot,
				const struct decisions *before, struct decisions **ret_decisions);
struct decisions *decisions_ref(struct decisions *decisions);
struct decisions *decisions_free(struct decisions *decisions);

/* Of an endpoint of the snapshot they were made for. */
const struct decision *decisions_of(const struct decisions *decisions,
				    const struct snapshot *snapshot,
				    const struct endpoint *endpoint);
/* This very decision is one of them. decisions NULL: no. */
bool decisions_have(const struct decisions *decisions, const struct decision *decision);
/* The slot of the decision with this number, or where it belongs. */
uint32_t *decisions_slot(const struct decisions *decisions, uint64_t number);
