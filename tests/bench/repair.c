/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * All tables flushed by another process: the time to our rules being in force again, from before it
 * sends that and from when it is answered (negative where we are faster than its answer), beside the time of one `nft -f` of the same rules.
 * The packets that escape meanwhile are counted by the test of tampering, not here.
 *
 * Another network namespace has rules at the same hooks all the time, as any node has where containers run: with the
 * first and the last rule at a hook of the machine the kernel patches its own code, which costs more than all the rest. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <podfence/plan.h>

#include "daemon/fence.h"
#include "lab.h"
#include "namespace.h"
#include "node.h"

#define ROUNDS 31

static uint64_t now_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* As nft does it: one transaction that deletes all tables. */
struct moments {
	uint64_t sent, answered;
};

static pid_t flush(struct moments *moments)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	struct pf_ruleset *none = pf_ruleset_new(), *all = NULL;
	struct pf_nft *nft;
	if (!none || pf_ruleset_seal(none) < 0 || pf_nft_open(&nft) < 0 ||
	    pf_nft_read(nft, "podfence", &all) < 0)
		_exit(1);
	moments->sent = now_nsec();
	apply_or_die(nft, all, none);
	moments->answered = now_nsec();
	_exit(0);
}

/* When the last transaction of a repair was over: that they hold is read back afterwards. */
static uint64_t back_nsec;

int __real_pf_nft_commit_ready(struct pf_nft *nft, const struct pf_nft_ready *ready,
			       struct pf_nft_errors *errors);
int __wrap_pf_nft_commit_ready(struct pf_nft *nft, const struct pf_nft_ready *ready,
			       struct pf_nft_errors *errors);

int __wrap_pf_nft_commit_ready(struct pf_nft *nft, const struct pf_nft_ready *ready,
			       struct pf_nft_errors *errors)
{
	int r = __real_pf_nft_commit_ready(nft, ready, errors);

	back_nsec = now_nsec();
	return r;
}

static void flush_once(struct fence *fence, struct moments *moments, double *ret_since_sent,
		       double *ret_since_answer)
{
	struct pollfd wait = {fence_fd(fence), POLLIN, 0};
	struct pf_nft_culprit culprit;
	int r = fence_prepare(fence), status; /* as the agent does while nothing happens */
	back_nsec = 0;
	pid_t pid = flush(moments);

	while (r == 0 && poll(&wait, 1, 5000) > 0)
		r = fence_heard(fence, &culprit);
	int64_t end = (int64_t)back_nsec;
	if (waitpid(pid, &status, 0) < 0 || status != 0 || r != 1 || !end) {
		printf("no repair: %d, flush %d\n", r, status);
		exit(1);
	}
	*ret_since_sent = (double)(end - (int64_t)moments->sent) / 1000;
	*ret_since_answer = (double)(end - (int64_t)moments->answered) / 1000;
}

static double load_usec(const char *path)
{
	uint64_t begun = now_nsec();

	namespace_run("nft -f %s", path);
	return (double)(now_nsec() - begun) / 1000;
}

static void print_rules(const struct pf_ruleset *ruleset, const char *path)
{
	FILE *stream = fopen(path, "w");

	if (!stream || pf_ruleset_print(ruleset, stream) < 0 || fclose(stream) != 0)
		exit(1);
}

static void measure(unsigned n_pods, struct moments *moments)
{
	double sent[ROUNDS], answered[ROUNDS], loads[5];
	char path[] = "/tmp/podfence-bench-XXXXXX";
	struct fence *fence;
	size_t n_steps;
	struct pf_ruleset *ruleset = compiled_or_die(n_pods, n_pods / 10, 0);

	close(mkstemp(path));
	print_rules(ruleset, path);
	for (unsigned i = 0; i < 5; i++) {
		loads[i] = load_usec(path);
		namespace_run("nft flush ruleset");
	}
	unlink(path);
	if (fence_open(&fence) < 0 || fence_apply(fence, ruleset, &n_steps) < 0)
		exit(1);
	for (unsigned i = 0; i < ROUNDS; i++)
		flush_once(fence, moments, &sent[i], &answered[i]);
	struct statistics x = statistics_of(sent, ROUNDS), z = statistics_of(answered, ROUNDS),
			  y = statistics_of(loads, 5);
	printf("%5u pods: %5.0f us [%.0f-%.0f] from sent, %5.0f us [%.0f-%.0f] from answered, "
	       "nft -f %.0f us [%.0f-%.0f]\n",
	       n_pods, x.median, x.low, x.high, z.median, z.low, z.high, y.median, y.low, y.high);
	fence_free(fence);
	namespace_run("nft flush ruleset");
}

static const char *const others_rules =
	"table inet others {"
	" chain prerouting { type filter hook prerouting priority 0; ct state new; };"
	" chain input { type filter hook input priority 0; };"
	" chain forward { type filter hook forward priority 0; };"
	" chain output { type filter hook output priority 0; };"
	" chain postrouting { type filter hook postrouting priority 0; };"
	"}";

static void others_start(void)
{
	int done[2];
	char byte;

	if (pipe(done) < 0 || fork() == 0) {
		close(done[0]);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWNET) < 0 ||
		    !namespace_run("nft '%s'", others_rules) || write(done[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(done[1]);
	if (read(done[0], &byte, 1) != 1) {
		printf("no other network namespace\n");
		exit(1);
	}
	close(done[0]);
}

int main(void)
{
	struct moments *moments = mmap(NULL, sizeof(*moments), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	namespace_enter_or_skip();
	if (moments == MAP_FAILED || !freopen("/dev/null", "w", stderr))
		return 1;
	others_start();
	printf("rules in force again after a flush of all tables, %u rounds: median [min-max]\n",
	       ROUNDS);
	measure(110, moments);
	measure(1000, moments);
	return 0;
}
