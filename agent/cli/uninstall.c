/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence uninstall: removes our tables. A running agent would put them back, or they are its own and
 * nobody else's: the lock of agents is taken first, so that none runs and none can start meanwhile. The
 * configuration does not matter: what a broken one left behind can be removed too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <podfence/nft.h>

#include "cli/cli.h"
#include "compile/compile.h"
#include "node/socket_owner.h"

static int fail(const char *what, int error)
{
	fprintf(stderr, "podfence: cannot %s: %s\n", what, strerror(-error));
	return 1;
}

static int delete_all(struct pf_nft *nft, const struct pf_ruleset *from,
		      const struct pf_ruleset *none)
{
	struct pf_plan *plan;
	struct pf_nft_errors errors;
	int r = pf_plan_new(from, none, &plan, NULL);

	if (r != 0)
		return fail("plan the removal", r);
	r = pf_nft_commit(nft, plan, &errors);
	pf_plan_free(plan);
	if (r == -EREMOTEIO) {
		fprintf(stderr, "podfence: the kernel refused: %s: %s\n", errors.errors[0].object,
			strerror(errors.errors[0].error));
		return 1;
	}
	return r < 0 ? fail("remove the rules", r) : 0;
}

static int uninstall(void)
{
	struct pf_nft *nft;
	struct pf_ruleset *current = NULL, *none = pf_ruleset_new();
	int r = pf_nft_open(&nft);

	if (r < 0 || !none || pf_ruleset_seal(none) < 0) {
		pf_ruleset_free(none);
		return fail("open nf_tables (needs CAP_NET_ADMIN)", r < 0 ? r : -ENOMEM);
	}
	r = pf_nft_read(nft, PODFENCE_TABLE, &current);
	int status = r < 0 ? fail("read the rules", r) : delete_all(nft, current, none);
	if (!status)
		puts(pf_ruleset_n_tables(current) ? "the rules of podfence are removed"
						  : "there were no rules of podfence");
	pf_ruleset_free(current);
	pf_ruleset_free(none);
	pf_nft_free(nft);
	return status;
}

int cli_uninstall(const struct cli *cli)
{
	struct pf_nft *lock;
	uint32_t port;
	int r = pf_nft_lock(PODFENCE_LOCK, &lock, &port);

	if (r == -EBUSY) {
		pid_t pid = socket_owner_find(port);
		char who[32] = "a process not seen from here";
		if (pid)
			snprintf(who, sizeof(who), "pid %d", (int)pid);
		fprintf(stderr,
			"podfence: podfenced is running (%s): stop it first, the rules are its "
			"own\n",
			who);
		return 1;
	}
	if (r < 0)
		return fail("ask whether podfenced is running (needs CAP_NET_ADMIN)", r);
	int status = uninstall();
	pf_nft_free(lock);
	return status;
}
