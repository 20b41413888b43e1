/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the kernel can do is found by doing it: the rules of this configuration, without pods, are put in force
 * in a network namespace of a child's own, which ends with it. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <podfence/nflog.h>
#include <podfence/nft.h>
#include <podfence/plan.h>

#include "cli/doctor.h"
#include "cli/look.h"
#include "compile/compile.h"

#define CHECK_KERNEL "kernel"

/* What the child tells, a line each. */
enum { TOLD_RULES = 'r', TOLD_OWNER = 'o', TOLD_NFLOG = 'n' };

static void tell(int fd, char what, const char *text)
{
	dprintf(fd, "%c%s\n", what, text);
}

/* This node without pods: what every node needs, and the expressions that ask for a cgroup. */
static int make_rules(const struct config *config, const struct snapshot *snapshot,
		      struct pf_ruleset **ret_ruleset, char reason[static 160])
{
	const struct compile_input input = {.config = config, .snapshot = snapshot};

	return compile(&input, ret_ruleset, reason);
}

static int commit(struct pf_nft *nft, const struct pf_ruleset *ruleset,
		  struct pf_nft_errors *errors)
{
	struct pf_ruleset *nothing = NULL;
	struct pf_plan *plan = NULL;
	int r = pf_nft_read(nft, "podfence", &nothing);

	if (r == 0)
		r = pf_plan_new(nothing, ruleset, &plan, NULL) ? -EINVAL : 0;
	if (r == 0)
		r = pf_nft_commit(nft, plan, errors);
	pf_plan_free(plan);
	pf_ruleset_free(nothing);
	return r;
}

static void try_rules(struct pf_nft *nft, const struct config *config,
		      const struct snapshot *snapshot, int fd)
{
	struct pf_nft_errors errors = {};
	struct pf_ruleset *ruleset = NULL;
	char reason[160] = "out of memory", text[320];
	int r = make_rules(config, snapshot, &ruleset, reason);

	if (r != 0) {
		tell(fd, TOLD_RULES, reason);
		return;
	}
	r = commit(nft, ruleset, &errors);
	if (r < 0 && errors.n_errors) {
		snprintf(text, sizeof(text), "%s: %s", errors.errors[0].object,
			 strerror(errors.errors[0].error));
		tell(fd, TOLD_RULES, text);
	} else {
		tell(fd, TOLD_RULES, r < 0 ? strerror(-r) : "");
	}
	pf_ruleset_free(ruleset);
}

static void try_owner(int fd)
{
	struct pf_nft *nft;
	uint32_t port;
	int r = pf_nft_open(&nft);

	if (r == 0) {
		r = pf_nft_own(nft, "podfence-doctor", &port);
		pf_nft_free(nft);
	}
	tell(fd, TOLD_OWNER,
	     r == PF_NFT_OWN_UNSUPPORTED ? "unsupported"
	     : r < 0			 ? strerror(-r)
					 : "");
}

static void try_nflog(const struct config *config, int fd)
{
	const struct pf_nflog_options options = {
		.group = (uint16_t)config->nflog.group,
		.copy_bytes = config->nflog.copy_bytes,
		.kernel_buffer = 65536,
		.queue_threshold = 1,
		.socket_buffer = 65536,
	};
	struct pf_nflog *nflog = NULL;
	int r = pf_nflog_open(&options, &nflog);

	pf_nflog_free(nflog);
	tell(fd, TOLD_NFLOG, r < 0 ? strerror(-r) : "");
}

static void try_all(const struct config *config, int fd)
{
	struct snapshot *snapshot = NULL;
	struct pf_nft *nft;
	int r = cli_look(config, &snapshot);

	if (r == 0)
		r = unshare(CLONE_NEWNET) < 0 ? -errno : pf_nft_open(&nft);

	if (r < 0) {
		tell(fd, TOLD_RULES, strerror(-r));
		return;
	}
	try_rules(nft, config, snapshot, fd);
	try_owner(fd);
	try_nflog(config, fd);
	pf_nft_free(nft);
	snapshot_free(snapshot);
}

static void hear(struct doctor *doctor, char *line)
{
	const char *text = line + 1;

	line[strcspn(line, "\n")] = '\0';
	switch (line[0]) {
	case TOLD_RULES:
		if (text[0])
			doctor_find(doctor, CHECK_KERNEL, HEALTH_PROBLEM,
				    "podfence needs Linux 6.1 or later with nf_tables, its "
				    "inet, bridge, fib, socket, conntrack and log expressions: "
				    "load the modules (modprobe nf_tables nft_fib_inet nft_socket "
				    "nft_ct nft_log), or use a kernel that has them",
				    "the rules of this configuration are refused: %s", text);
		else
			doctor_find(doctor, CHECK_KERNEL, HEALTH_OK, NULL,
				    "takes the rules of this configuration");
		break;
	case TOLD_OWNER:
		if (!strcmp(text, "unsupported"))
			doctor_find(doctor, "owner", HEALTH_WARNING,
				    "since Linux 6.9 rules can be nobody else's to change; until "
				    "then what others change is repaired at once, and told",
				    "this kernel has no table that its owner's death outlives");
		else if (text[0])
			doctor_find(doctor, "owner", HEALTH_WARNING, NULL,
				    "whether tables can have an owner is not known: %s", text);
		else
			doctor_find(doctor, "owner", HEALTH_OK, NULL,
				    "tables can be the agent's alone");
		break;
	case TOLD_NFLOG:
		if (text[0])
			doctor_find(doctor, "nflog", HEALTH_WARNING,
				    "packets are stopped all the same, but no event tells of them: "
				    "modprobe nfnetlink_log",
				    "NFLOG cannot be had: %s", text);
		else
			doctor_find(doctor, "nflog", HEALTH_OK, NULL, "events can be had (NFLOG)");
		break;
	default: break;
	}
}

void doctor_kernel(struct doctor *doctor)
{
	struct utsname kernel = {};
	int ends[2];

	if (geteuid() != 0) {
		doctor_find(doctor, CHECK_KERNEL, HEALTH_UNKNOWN, NULL,
			    "what it can do is tried by root only");
		return;
	}
	if (uname(&kernel) == 0 && pipe(ends) == 0) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			close(ends[0]);
			try_all(doctor->config, ends[1]);
			_exit(0);
		}
		close(ends[1]);
		FILE *told = fdopen(ends[0], "r");
		char line[512];
		while (told && child > 0 && fgets(line, sizeof(line), told))
			hear(doctor, line);
		if (told)
			fclose(told);
		else
			close(ends[0]);
		if (child > 0 && waitpid(child, NULL, 0) == child)
			return;
	}
	doctor_find(doctor, CHECK_KERNEL, HEALTH_UNKNOWN, NULL, "cannot be tried: %s",
		    strerror(errno));
}
