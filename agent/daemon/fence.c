/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Between two changes `current` is what the kernel was told last. Comparing against it instead of
 * against the kernel makes the usual change a few microseconds; that it is still true is checked at
 * start, after every refusal, whenever somebody else changed our tables, and every few minutes. */
#include "daemon/fence.h"

#include <errno.h>
#include <stdlib.h>

#include <podfence/nft.h>

#include "base/diag.h"
#include "compile/compile.h"
#include "node/socket_owner.h"

struct fence {
	struct pf_nft *nft;
	struct pf_nft_monitor *monitor;
	struct pf_ruleset *current;
	struct pf_nft_ready *whole[2]; /* all of `current`, onto nothing; NULL: not made */
	uint32_t looked_at;	       /* generation of the last look without a notification */
	bool is_owned;
	bool is_doubtful; /* the kernel may hold something else: it could not be read */
};

static void forget_whole(struct fence *fence)
{
	for (size_t i = 0; i < 2; i++)
		fence->whole[i] = pf_nft_ready_free(fence->whole[i]);
}

static void set_current(struct fence *fence, struct pf_ruleset *ruleset)
{
	forget_whole(fence);
	pf_ruleset_free(fence->current);
	fence->current = ruleset;
}

int fence_open(struct fence **ret_fence)
{
	struct fence *fence = calloc(1, sizeof(*fence));
	int r = fence ? pf_nft_open(&fence->nft) : -ENOMEM;

	if (!r) /* before the first look, so that no change falls between */
		r = pf_nft_monitor_open(fence->nft, PODFENCE_TABLE, &fence->monitor);
	if (!r)
		r = pf_nft_read(fence->nft, PODFENCE_TABLE, &fence->current);
	if (r < 0) {
		fence_free(fence);
		return r;
	}
	*ret_fence = fence;
	return 0;
}

int fence_own(struct fence *fence)
{
	uint32_t port;
	int r = pf_nft_own(fence->nft, PODFENCE_TABLE, &port);

	if (r == PF_NFT_OWN_UNSUPPORTED)
		diag_tables_not_owned("this kernel has no owner that rules outlive (6.9 has)");
	else if (r == PF_NFT_OWN_PLAIN)
		diag_tables_not_owned("they were made without one (podfence uninstall, then a "
				      "start, makes them anew)");
	else if (r == -EBUSY)
		diag_tables_held(port, socket_owner_find(port));
	else if (r < 0)
		diag_cannot("own the nftables tables", r);
	fence->is_owned = r == 0;
	return r < 0 ? r : 0;
}

bool fence_has_table(const struct fence *fence, enum pf_family family)
{
	return pf_ruleset_has_table(fence->current, family, PODFENCE_TABLE);
}

bool fence_is_owned(const struct fence *fence)
{
	return fence->is_owned;
}

struct fence *fence_free(struct fence *fence)
{
	if (!fence)
		return NULL;
	set_current(fence, NULL);
	pf_nft_monitor_free(fence->monitor);
	pf_nft_free(fence->nft);
	free(fence);
	return NULL;
}

static int read_again(struct fence *fence)
{
	struct pf_ruleset *read;
	int r = pf_nft_read(fence->nft, PODFENCE_TABLE, &read);

	if (r < 0)
		return r;
	set_current(fence, read);
	fence->is_doubtful = false;
	return 0;
}

static int commit(struct fence *fence, const struct pf_ruleset *ruleset,
		  struct pf_nft_errors *errors, size_t *ret_n_steps)
{
	struct pf_plan *plans[2];
	const char *object = "";
	int r = pf_plan_split(fence->current, ruleset, plans, &object);

	errors->n_errors = 0;
	if (r == PF_PLAN_E_INCOMPATIBLE) {
		diag_set_incompatible(object);
		return -EEXIST;
	}
	if (r < 0)
		return r;
	*ret_n_steps = pf_plan_n_steps(plans[0]) + pf_plan_n_steps(plans[1]);
	for (size_t i = 0; i < 2; i++) {
		if (r == 0)
			r = pf_nft_commit(fence->nft, plans[i], errors);
		pf_plan_free(plans[i]);
	}
	return r;
}

static void say_failure(int error, const struct pf_nft_errors *errors)
{
	if (error == -EREMOTEIO && errors->n_errors)
		diag_rules_refused(errors->errors[0].object, errors->errors[0].error,
				   errors->n_errors - 1);
	else
		diag_cannot("change the rules", error);
}

int fence_apply(struct fence *fence, struct pf_ruleset *ruleset, size_t *ret_n_steps)
{
	struct pf_nft_errors errors;
	int r = fence->is_doubtful ? read_again(fence) : 0;

	if (r < 0) /* a change must not wait for that */
		diag_cannot("read the rules back", r);
	r = commit(fence, ruleset, &errors, ret_n_steps);
	if (r < 0 && r != -EEXIST) {
		say_failure(r, &errors);
		r = read_again(fence);
		if (!r)
			r = commit(fence, ruleset, &errors, ret_n_steps);
		if (r < 0)
			say_failure(r, &errors);
	}
	if (r < 0) {
		pf_ruleset_free(ruleset);
		return r;
	}
	set_current(fence, ruleset);
	return 0;
}

const struct pf_ruleset *fence_current(const struct fence *fence)
{
	return fence->current;
}

int fence_verify(struct fence *fence)
{
	struct pf_ruleset *wanted = fence->current, *read;
	size_t n_steps;
	int r = pf_nft_read(fence->nft, PODFENCE_TABLE, &read);

	if (r < 0) {
		diag_cannot("read the rules back", r);
		fence->is_doubtful = true;
		return r;
	}
	forget_whole(fence);
	fence->current = read;
	fence->is_doubtful = false;
	r = fence_apply(fence, wanted, &n_steps);
	if (r < 0)
		return r;
	if (n_steps)
		diag_rules_differ(n_steps);
	return n_steps > 0;
}

int fence_counters(struct fence *fence, struct pf_counter_value **ret_values, size_t *ret_n_values)
{
	return pf_nft_counters(fence->nft, PODFENCE_TABLE, ret_values, ret_n_values);
}

static struct pf_set_name name_of(const struct ledger_set *set)
{
	return (struct pf_set_name){ledger_set_family(set), PODFENCE_TABLE, set->name};
}

int fence_counts(struct fence *fence, const struct ledger_set *set, pf_count_fn fn, void *userdata)
{
	const struct pf_set_name name = name_of(set);

	return pf_nft_counts(fence->nft, &name, fn, userdata);
}

int fence_remove_counted(struct fence *fence, const struct ledger_set *set,
			 const struct pf_key *keys, size_t n_keys, pf_count_fn fn, void *userdata)
{
	const struct pf_set_name name = name_of(set);

	return pf_nft_remove_counted(fence->nft, &name, keys, n_keys, fn, userdata);
}

int fence_fd(const struct fence *fence)
{
	return pf_nft_monitor_fd(fence->monitor);
}

static bool was_all_deleted(const struct fence *fence)
{
	static const enum pf_family families[] = {PF_FAMILY_INET, PF_FAMILY_NETDEV,
						  PF_FAMILY_BRIDGE};
	bool was_any = false;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (!pf_ruleset_has_table(fence->current, families[i], PODFENCE_TABLE))
			continue;
		if (!pf_nft_monitor_is_deleted(fence->monitor, families[i]))
			return false;
		was_any = true;
	}
	return was_any;
}

int fence_prepare(struct fence *fence)
{
	struct pf_plan *plans[2];
	int r;

	if (fence->is_owned || fence->whole[1])
		return 0;
	r = pf_plan_split(NULL, fence->current, plans, NULL);
	if (r != 0)
		return r;
	r = pf_nft_prepare(fence->nft, plans[0], &fence->whole[0]);
	if (r < 0)
		pf_plan_free(plans[1]);
	else
		r = pf_nft_prepare(fence->nft, plans[1], &fence->whole[1]);
	if (r < 0)
		forget_whole(fence);
	return r;
}

/* After a flush nothing needs to be read. Every microsecond counts: the program that flushed ends, and while the
 * kernel cleans up behind its socket (nft_rcv_nl_event(), a grace period of RCU) it lets nobody commit. */
static bool put_back(struct fence *fence)
{
	struct pf_nft_errors errors;

	return fence_prepare(fence) == 0 && fence->whole[1] &&
	       pf_nft_commit_ready(fence->nft, fence->whole[0], &errors) == 0 &&
	       pf_nft_commit_ready(fence->nft, fence->whole[1], &errors) == 0;
}

static int repair(struct fence *fence, const struct pf_nft_culprit *culprit)
{
	bool is_back = was_all_deleted(fence) && put_back(fence);
	int r = fence_verify(fence); /* whatever was believed so far */

	if (is_back)
		r = 1;
	if (r != 0)
		diag_tampered(culprit->process, culprit->pid);
	return r;
}

int fence_heard(struct fence *fence, struct pf_nft_culprit *ret_culprit)
{
	int r = pf_nft_monitor_dispatch(fence->monitor, ret_culprit);

	if (r < 0)
		diag_cannot("hear who changes nftables", r);
	return r <= 0 ? r : repair(fence, ret_culprit);
}

/* A transaction is counted before it is told of, and a large one is told of late: who it was may be heard as
 * soon as the rules are there again. */
static int repair_untold(struct fence *fence, uint32_t told, struct pf_nft_culprit *ret_culprit)
{
	*ret_culprit = (struct pf_nft_culprit){};
	int r = fence_verify(fence);

	if (pf_nft_monitor_dispatch(fence->monitor, ret_culprit) > 0) {
		int again = fence_verify(fence);
		r = again ? again : r;
	}
	if (pf_nft_monitor_generation(fence->monitor) == told)
		diag_notifications_lost();
	if (r > 0)
		diag_tampered(ret_culprit->process, ret_culprit->pid);
	return r;
}

int fence_poll(struct fence *fence, struct pf_nft_culprit *ret_culprit)
{
	uint32_t generation, told;
	int r = fence_heard(fence, ret_culprit);

	if (r == 0 && fence->is_doubtful) {
		*ret_culprit = (struct pf_nft_culprit){};
		r = fence_verify(fence);
		if (r > 0)
			diag_tampered(ret_culprit->process, ret_culprit->pid);
	}
	if (r != 0)
		return r;
	told = pf_nft_monitor_generation(fence->monitor);
	r = pf_nft_generation(fence->nft, &generation);
	if (r < 0) {
		diag_cannot("ask for the generation of nftables", r);
		return r;
	}
	if (!told || generation == told || generation == fence->looked_at)
		return 0;
	/* What came between the two questions is told by now. */
	r = fence_heard(fence, ret_culprit);
	if (r != 0 || pf_nft_monitor_generation(fence->monitor) == generation)
		return r;
	fence->looked_at = generation;
	return repair_untold(fence, told, ret_culprit);
}
