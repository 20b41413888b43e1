/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Snapshot and policies to decisions. A policy is asked about a namespace once and then about the pods in it,
 * since a node has many pods in few namespaces; endpoints come sorted by namespace.
 *
 * Pods, policies and decisions are immutable and shared, so what would be made of the same values as before
 * is known by their pointers: a pod that is what it was keeps its decision without a look at any policy, and
 * equal lists of policies become one decision. */
#include "policy/decision.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "policy/select.h"

struct round {
	const struct decision_input *input;
	const struct snapshot *snapshot;
	const struct decisions *before; /* NULL: nothing of it can be used */
	struct decisions *made;
	struct candidates candidates; /* policies of the namespace at hand */
	struct decision draft;	      /* with room for all policies; borrowed pointers */
};

static uint64_t number_of(const struct siphash128 *hash)
{
	uint64_t number;

	memcpy(&number, hash->bytes, sizeof(number));
	return number;
}

/* Of what makes it different from the agent's default, by names. The key is public: a clash is
 * noticed, see find_slot(). */
static uint64_t draft_hash(const struct decision *draft)
{
	static const uint8_t key[16] = "podfence chain";
	uint64_t sum = (uint64_t)draft->mode << 8 | (uint64_t)draft->action << 4 |
		       draft->has_ceiling;

	for (size_t i = 0; i <= draft->n_policies; i++) {
		const struct policy *policy = i < draft->n_policies ? draft->policies[i]
								    : draft->own;
		char text[1024];
		if (!policy)
			continue;
		int n = snprintf(text, sizeof(text), "%llx %d %s/%s", (unsigned long long)sum,
				 (int)policy->tier, policy->namespace, policy->name);
		struct siphash128 hash = siphash128(
			key, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
		sum = number_of(&hash);
	}
	return sum;
}

/* The same policies, the same rest. */
static bool is_same(const struct decision *a, const struct decision *b)
{
	return a->mode == b->mode && a->action == b->action && a->has_ceiling == b->has_ceiling &&
	       a->own == b->own && a->n_policies == b->n_policies &&
	       !memcmp(a->policies, b->policies, a->n_policies * sizeof(*a->policies));
}

static bool is_default(const struct round *round, const struct decision *draft)
{
	return !draft->n_policies && draft->mode == round->input->config->fallback.mode &&
	       draft->action == round->input->config->fallback.action &&
	       draft->own == round->input->own;
}

/* Where a decision like the draft stands or belongs. Two that differ and whose numbers clash, which somebody
 * who may name policies could bring about, get numbers one after the other. */
static uint32_t *find_slot(const struct round *round, struct decision *draft)
{
	uint64_t number = is_default(round, draft) ? 0 : draft_hash(draft);

	for (;; number++) {
		uint32_t *slot = decisions_slot(round->made, number);
		draft->number = number;
		if (!*slot || is_same(round->made->distinct[*slot - 1], draft))
			return slot;
	}
}

static struct decision *find_before(const struct decisions *before, const struct decision *draft)
{
	uint32_t place = before ? *decisions_slot(before, draft->number) : 0;
	struct decision *decision = place ? before->distinct[place - 1] : NULL;

	return decision && is_same(decision, draft) ? decision : NULL;
}

static struct decision *decision_new(const struct decision *draft)
{
	struct decision *decision = malloc(sizeof(*decision));

	if (!decision)
		return NULL;
	*decision = *draft;
	decision->n_references = 1;
	if (draft->number)
		snprintf(decision->name, sizeof(decision->name), "p-%016llx",
			 (unsigned long long)draft->number);
	else
		strcpy(decision->name, DECISION_DEFAULT);
	decision->policies = calloc(draft->n_policies + 1, sizeof(*decision->policies));
	if (!decision->policies) {
		free(decision);
		return NULL;
	}
	for (size_t i = 0; i < draft->n_policies; i++)
		decision->policies[i] = policy_ref(draft->policies[i]);
	if (decision->own)
		policy_ref(decision->own);
	return decision;
}

/* Takes the reference over. */
static void put(struct round *round, uint32_t *slot, struct decision *decision)
{
	round->made->distinct[round->made->n_distinct++] = decision;
	*slot = (uint32_t)round->made->n_distinct;
}

/* The draft as a decision that others may have too. */
static int settle(struct round *round, struct decision *draft, uint32_t *ret_place)
{
	uint32_t *slot = find_slot(round, draft);

	if (!*slot) {
		struct decision *decision = find_before(round->before, draft);
		decision = decision ? decision_ref(decision) : decision_new(draft);
		if (!decision)
			return -ENOMEM;
		put(round, slot, decision);
	}
	*ret_place = *slot - 1;
	return 0;
}

/* One that was made before, as it is. */
static int settle_known(struct round *round, struct decision *known, uint32_t *ret_place)
{
	uint32_t *slot = decisions_slot(round->made, known->number);
	struct decision draft = *known;

	if (*slot && round->made->distinct[*slot - 1] != known)
		return settle(round, &draft, ret_place);
	if (!*slot)
		put(round, slot, decision_ref(known));
	*ret_place = *slot - 1;
	return 0;
}

static struct decision default_draft(const struct round *round)
{
	const struct config *config = round->input->config;

	return (struct decision){
		.mode = config->fallback.mode,
		.action = config->fallback.action,
		.has_ceiling = config->fallback.ceiling == CONFIG_ON,
		.own = round->input->own,
		.policies = round->draft.policies,
	};
}

/* The first exception from the default that fits the namespace. */
static void except(const struct round *round, struct decision *draft)
{
	const struct default_override_list *list = &round->input->config->fallback.overrides;

	for (size_t i = 0; i < list->n_overrides; i++) {
		const struct default_override *one = &list->overrides[i];
		if (!label_selector_matches(&one->namespaces, round->candidates.labels))
			continue;
		draft->mode = one->mode;
		draft->action = one->action;
		return;
	}
}

static int decide_pod(struct round *round, const struct pod *pod, uint32_t *ret_place)
{
	struct decision draft = default_draft(round);

	except(round, &draft);
	for (size_t i = 0; i < round->candidates.n; i++) {
		struct policy *policy = round->candidates.policies[i];
		if (!label_selector_matches(&policy->pods, &pod->labels))
			continue;
		draft.policies[draft.n_policies++] = policy;
		draft.has_audit |= policy->is_audit;
	}
	return settle(round, &draft, ret_place);
}

/* Policies select pods: for a unit what its entry of the configuration says is all there is. */
static int decide_unit(struct round *round, const struct endpoint *endpoint, uint32_t *ret_place)
{
	const struct unit_rule_list *rules = &round->input->config->units;
	struct decision draft = default_draft(round);

	if (endpoint->unit && endpoint->unit_rule < rules->n_rules) {
		draft.mode = rules->rules[endpoint->unit_rule].mode;
		draft.action = rules->rules[endpoint->unit_rule].action;
		if (round->input->unit_own)
			draft.own = round->input->unit_own[endpoint->unit_rule];
	}
	return settle(round, &draft, ret_place);
}

/* The same pod as before, whom the same policies were asked about. */
static struct decision *known_of(const struct round *round, const struct pod *pod, size_t *at)
{
	const struct decisions *before = round->before;

	if (!before || before->version != round->input->version ||
	    before->policies != round->input->policies ||
	    before->namespaces != round->input->namespaces)
		return NULL;
	/* Both are sorted by namespace and name. */
	for (; *at < before->n_endpoints; (*at)++) {
		const struct pod *other = before->pods[*at];
		if (other == pod)
			return before->distinct[before->of[*at]];
		int order = !other ? -1 : strcmp(other->namespace, pod->namespace);
		if (other && !order)
			order = strcmp(other->name, pod->name);
		if (order >= 0)
			return NULL;
	}
	return NULL;
}

static int decide_all(struct round *round)
{
	struct decisions *made = round->made;
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; i < round->snapshot->n_endpoints && r == 0; i++) {
		const struct endpoint *endpoint = &round->snapshot->endpoints[i];
		struct pod *pod = (struct pod *)endpoint->pod;
		made->n_endpoints = i + 1;
		made->pods[i] = pod ? pod_ref(pod) : NULL;
		struct decision *known = pod ? known_of(round, pod, &at) : NULL;
		if (known)
			r = settle_known(round, known, &made->of[i]);
		else if (!pod)
			r = decide_unit(round, endpoint, &made->of[i]);
		else if (candidates_select(&round->candidates, round->input, pod->namespace) < 0)
			r = -ENOMEM;
		else
			r = decide_pod(round, pod, &made->of[i]);
	}
	return r;
}

static int round_run(struct round *round)
{
	struct decision draft = default_draft(round);
	uint32_t place;
	int r = settle(round, &draft, &place); /* the first, also where nobody has it */

	return r == 0 ? decide_all(round) : r;
}

static int round_open(struct round *round)
{
	size_t n = round->snapshot->n_endpoints;
	struct decisions *made = round->made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->n_references = 1;
	made->version = round->input->version;
	made->policies = round->input->policies ? policy_list_ref(round->input->policies) : NULL;
	made->namespaces = round->input->namespaces ? namespace_list_ref(round->input->namespaces)
						    : NULL;
	made->distinct = calloc(n + 2, sizeof(*made->distinct));
	made->of = calloc(n + 1, sizeof(*made->of));
	made->pods = calloc(n + 1, sizeof(*made->pods));
	for (made->n_slots = 16; made->n_slots < 2 * (n + 2);)
		made->n_slots *= 2;
	made->slots = calloc(made->n_slots, sizeof(*made->slots));
	round->draft.policies =
		calloc((round->input->policies ? round->input->policies->n_policies : 0) + 1,
		       sizeof(*round->draft.policies));
	return made->distinct && made->of && made->pods && made->slots && round->draft.policies
		       ? 0
		       : -ENOMEM;
}

int decisions_new(const struct decision_input *input, const struct snapshot *snapshot,
		  const struct decisions *before, struct decisions **ret_decisions)
{
	struct round round = {.input = input, .snapshot = snapshot, .before = before};
	int r = round_open(&round);

	if (r == 0)
		r = round_run(&round);
	candidates_done(&round.candidates);
	free(round.draft.policies);
	if (r < 0)
		decisions_free(round.made);
	else
		*ret_decisions = round.made;
	return r;
}
