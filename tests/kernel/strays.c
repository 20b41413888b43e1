/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One search after the other for sockets that were made outside: real processes in real cgroups. What was found is
 * found again, who has not run is not looked at, and he is as soon as he has. */
#include "culprit/stray.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "namespace.h"
#include "node/cgroup_tree.h"
#include "test.h"

#define SLICE	"kubepods.slice"
#define HAS	SLICE "/has.slice"
#define HAS_NOT SLICE "/has-not.slice"
#define NOWHERE "elsewhere"

static struct cgroup_tree tree;

/* What a search finds: the one endpoint that has such a socket, or 0. */
static uint64_t search(struct strays *strays, const char *judged)
{
	const uint64_t endpoints[] = {cgroup_inode(HAS), cgroup_inode(HAS_NOT)};
	const struct stray *found;
	size_t n;
	int r = strays_begin(strays, endpoints, 2, &judged, 1);

	while (r == 0)
		r = strays_step(strays, 100);
	assert_int_equal(r, STRAYS_DONE);
	found = strays_found(strays, &n);
	assert_true(n < 2);
	return n ? found[0].endpoint : 0;
}

static uint64_t search_again(struct strays *strays)
{
	return search(strays, cgroup_below(SLICE));
}

static void wait_for_state(pid_t pid, char state)
{
	char name[48], text[512], now = 0;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	for (unsigned i = 0; i < 20000 && now != state; i++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		close(fd);
		assert_true(n > 0);
		text[n] = '\0';
		now = strrchr(text, ')')[2];
		usleep(1000);
	}
	assert_int_equal(now, state);
}

static void let_run(pid_t pid)
{
	assert_int_equal(kill(pid, SIGSTOP), 0);
	wait_for_state(pid, 'T');
	assert_int_equal(kill(pid, SIGCONT), 0);
	wait_for_state(pid, 'S');
}

static void move(pid_t pid, const char *path)
{
	char name[512], text[16];

	snprintf(name, sizeof(name), "%s/cgroup.procs", cgroup_below(path));
	int fd = openat(tree.fd, name, O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, (size_t)n), n);
	close(fd);
}

static int socket_bound(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	return fd;
}

static void who_has_run_is_looked_at(void **state)
{
	struct strays *strays;

	cgroup_make(HAS);
	cgroup_make(HAS_NOT);
	cgroup_make(NOWHERE);
	struct sleeper without = sleeper_start(NULL, HAS_NOT);
	int fd = socket_bound(); /* in this process's cgroup; the next one inherits it */
	struct sleeper with = sleeper_start(NULL, HAS);
	wait_for_state(with.pid, 'S');
	wait_for_state(without.pid, 'S');
	assert_int_equal(strays_new("", &strays), 0);
	assert_int_equal(search_again(strays), cgroup_inode(HAS));
	assert_int_equal(search_again(strays), cgroup_inode(HAS)); /* nobody has run since */

	move(with.pid, NOWHERE);
	assert_int_equal(search_again(strays), 0); /* looked at, because there was one */
	move(with.pid, HAS_NOT);
	assert_int_equal(search_again(strays),
			 0); /* it has not run there, so it can have sent nothing */
	let_run(with.pid);
	assert_int_equal(search_again(strays), cgroup_inode(HAS_NOT));

	sleeper_stop(&with);
	assert_int_equal(search_again(strays), 0);
	sleeper_stop(&without);
	close(fd);
	strays_free(strays);
	cgroup_remove(SLICE);
	cgroup_remove(NOWHERE);
}

/* What was made outside is another question then, for those who have not run too. */
static void where_others_are_judged_all_are_looked_at(void **state)
{
	struct strays *strays;

	cgroup_make(HAS);
	cgroup_make(HAS_NOT);
	int fd = socket_bound();
	struct sleeper with = sleeper_start(NULL, HAS);
	close(fd);
	wait_for_state(with.pid, 'S');
	assert_int_equal(strays_new("", &strays), 0);
	assert_int_equal(search(strays, ""), 0); /* everything is judged */
	assert_int_equal(search(strays, ""), 0);
	assert_int_equal(search_again(strays), cgroup_inode(HAS));
	assert_int_equal(search(strays, ""), 0);
	sleeper_stop(&with);
	strays_free(strays);
	cgroup_remove(SLICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_run_is_looked_at),
		cmocka_unit_test(where_others_are_judged_all_are_looked_at),
	};

	namespace_enter_or_skip();
	cgroup_enter_or_skip(&tree);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	cgroup_leave(&tree);
	return failed;
}
