/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * CPU of one search for sockets that were made outside: pods of two containers, one whose process only waits and one with
 * as many files as a small server, and the host's sockets outside of them.
 *
 *	first	every endpoint is looked at
 *	idle	none has run since
 *	one	one has: it was handed a socket, which is found
 *	all	every one has */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "culprit/stray.h"
#include "lab.h"
#include "namespace.h"
#include "node/cgroup_tree.h"

#define PODS	250
#define FILES	16 /* of a server, half of them sockets */
#define OUTSIDE 300
#define ROUNDS	21
#define SLICE	"kubepods.slice"

struct worker {
	pid_t pid;
	int control;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int socket_bound(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		die("a socket");
	return fd;
}

/* The next message is answered by having run; a socket that comes along is kept until the one after it. */
static void work(int control)
{
	char byte, space[CMSG_SPACE(sizeof(int))];
	int kept = -1;

	for (;;) {
		struct iovec data = {&byte, 1};
		struct msghdr message = {.msg_iov = &data,
					 .msg_iovlen = 1,
					 .msg_control = space,
					 .msg_controllen = sizeof(space)};
		if (recvmsg(control, &message, 0) != 1)
			_exit(0);
		if (kept >= 0)
			close(kept);
		const struct cmsghdr *part = CMSG_FIRSTHDR(&message);
		kept = -1;
		if (part)
			memcpy(&kept, CMSG_DATA(part), sizeof(kept));
		if (write(control, &byte, 1) != 1)
			_exit(0);
	}
}

static void join(int file)
{
	if (write(file, "0", 1) != 1)
		die("join a cgroup");
	close(file);
}

static struct worker worker_start(const struct cgroup_tree *tree, const char *path, bool is_server)
{
	char name[512];
	int ends[2];

	snprintf(name, sizeof(name), "%s/cgroup.procs", cgroup_below(path));
	int file = openat(tree->fd, name, O_WRONLY | O_CLOEXEC);
	if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die(name);
	struct worker worker = {fork(), ends[0]};
	if (worker.pid < 0)
		die("fork");
	if (worker.pid) {
		close(ends[1]);
		close(file);
		return worker;
	}
	join(file);
	int control = dup2(ends[1], 3);
	for (int fd = 4; fd < 4096; fd++)
		close(fd);
	for (int i = 4; is_server && i < FILES; i++)
		if (i % 2)
			socket_bound();
		else if (open("/dev/null", O_RDONLY) < 0)
			die("/dev/null");
	work(control);
	_exit(0);
}

/* fd -1: it only runs. */
static void wake(const struct worker *worker, int fd)
{
	char byte = 0, space[CMSG_SPACE(sizeof(int))] = {};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = space;
		message.msg_controllen = sizeof(space);
		struct cmsghdr *part = CMSG_FIRSTHDR(&message);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	}
	if (sendmsg(worker->control, &message, 0) != 1 || read(worker->control, &byte, 1) != 1)
		die("a worker");
}

static size_t search(struct strays *strays, const uint64_t *endpoints, double *ret_usec)
{
	const char *const judged[] = {cgroup_below(SLICE)};
	uint64_t begun = cpu_thread_nsec();
	size_t n;
	int r = strays_begin(strays, endpoints, PODS, judged, 1);

	while (r == 0)
		r = strays_step(strays, 1000);
	if (r != STRAYS_DONE)
		die("a search");
	(void)strays_found(strays, &n);
	*ret_usec = (double)(cpu_thread_nsec() - begun) / 1000;
	return n;
}

static void say(const char *what, double *usec, size_t n_rounds, size_t n_found)
{
	struct statistics statistics = statistics_of(usec, n_rounds);

	printf("  %-6s %8.0f us [%.0f-%.0f], found %zu\n", what, statistics.median, statistics.low,
	       statistics.high, n_found);
}

static struct worker waiting[PODS], servers[PODS];
static uint64_t endpoints[PODS];

static void start(const struct cgroup_tree *tree)
{
	char pod[128], path[192];

	for (size_t i = 0; i < PODS; i++) {
		snprintf(pod, sizeof(pod), SLICE "/kubepods-pod%zu.slice", i);
		snprintf(path, sizeof(path), "%s/cri-containerd-pause.scope", pod);
		cgroup_make(path);
		waiting[i] = worker_start(tree, path, false);
		snprintf(path, sizeof(path), "%s/cri-containerd-main.scope", pod);
		cgroup_make(path);
		servers[i] = worker_start(tree, path, true);
		endpoints[i] = cgroup_inode(pod);
		wake(&waiting[i], -1);
		wake(&servers[i], -1);
	}
}

static void first(void)
{
	double usec[ROUNDS];
	size_t n_found = 0;

	for (size_t i = 0; i < ROUNDS; i++) {
		struct strays *strays;
		if (strays_new("", &strays) < 0)
			die("cgroup v2");
		n_found += search(strays, endpoints, &usec[i]);
		strays_free(strays);
	}
	say("first", usec, ROUNDS, n_found);
}

static void again(void)
{
	double usec[3][ROUNDS];
	size_t n_found[3] = {};
	struct strays *strays;

	if (strays_new("", &strays) < 0)
		die("cgroup v2");
	(void)search(strays, endpoints, &usec[0][0]);
	for (size_t i = 0; i < ROUNDS; i++) {
		const struct worker *one = &servers[(size_t)random() % PODS];
		int stray = socket_bound();
		n_found[0] += search(strays, endpoints, &usec[0][i]);
		wake(one, stray);
		close(stray);
		n_found[1] += search(strays, endpoints, &usec[1][i]);
		for (size_t k = 0; k < PODS; k++) {
			wake(&waiting[k], -1);
			wake(&servers[k], -1);
		}
		n_found[2] += search(strays, endpoints, &usec[2][i]);
	}
	say("idle", usec[0], ROUNDS, n_found[0]);
	say("one", usec[1], ROUNDS, n_found[1]);
	say("all", usec[2], ROUNDS, n_found[2]);
	strays_free(strays);
}

int main(void)
{
	struct cgroup_tree tree;

	namespace_enter_or_skip();
	if (cgroup_tree_open("", &tree) < 0)
		die("cgroup v2");
	if (cgroup_begin(tree.fd) < 0)
		die("a cgroup");
	start(&tree);
	for (size_t i = 0; i < OUTSIDE; i++)
		(void)socket_bound();
	printf("a search, %d pods of two processes, %d sockets outside of them, CPU, %d rounds: "
	       "median "
	       "[min-max]\n",
	       PODS, OUTSIDE, ROUNDS);
	first();
	again();
	for (size_t i = 0; i < PODS; i++) {
		close(waiting[i].control);
		close(servers[i].control);
	}
	cgroup_remove("");
	cgroup_tree_close(&tree);
	return 0;
}
