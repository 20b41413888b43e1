/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence uninstall: removes our tables. A running agent would put them back, and it is the NFLOG
 * group that only one process can hold: as long as somebody holds it, nothing is removed. Without a
 * good configuration it is the default group that is asked for, because rules that nobody can
 * remove are worse than an agent that puts them back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <podfence/nflog.h>
#include <podfence/nft.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "compile/compile.h"

static int fail(const char *what, int error)
{
	fprintf(stderr, "podfence: cannot %s: %s\n", what, strerror(-error));
	return 1;
}

static int agent_is_stopped(const struct config *config)
{
	struct pf_nflog_options options = {
		.group = (uint16_t)config->nflog.group,
		.copy_bytes = config->nflog.copy_bytes,
		.kernel_buffer = 4096,
		.queue_threshold = 1,
		.flush_centiseconds = 1,
		.socket_buffer = 65536,
	};
	struct pf_nflog *nflog;
	int r = pf_nflog_open(&options, &nflog);

	if (!r)
		pf_nflog_free(nflog);
	return r;
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
	struct config *config;
	int status = cli_config_or_default(cli, &config);

	if (status != 0)
		return status;
	unsigned group = config->nflog.group;
	int r = agent_is_stopped(config);
	config_free(config);
	if (r == -EBUSY) {
		fprintf(stderr,
			"podfence: podfenced is running (NFLOG group %u is held): stop it first, "
			"it would put the rules back\n",
			group);
		return 1;
	}
	return r < 0 ? fail("ask whether podfenced is running (needs CAP_NET_ADMIN)", r)
		     : uninstall();
}
