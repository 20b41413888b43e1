/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Wall clock from a packet to the process that sent it: 50 processes of one pod with 100 open files each, one of
 * which, by chance, has just begun a connection. Beside it a plain scan: every link in /proc/PID/fd of every process of the
 * machine, until the socket is met.
 *
 *	one	always the same process
 *	newest	the socket has the highest number of its process, as where nothing was closed before it was opened
 *	hole	it has a number in the middle, which was the next free one: found where it was before, or by looking
 *		at everything while there is time */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "culprit/culprit.h"
#include "culprit/sock_diag.h"
#include "handmade.h"
#include "namespace.h"
#include "node/cgroup_tree.h"

#define PROCESSES 50
#define FILES	  100
#define LOOKUPS	  2000
#define SCANS	  50
#define POD	  "kubepods.slice/kubepods-pod17.slice"
#define CONTAINER                                                                                  \
	POD "/cri-containerd-5f1b3c9f0c8a4d2e9b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f."    \
	    "scope"
#define SOURCE	"10.9.9.1"
#define OUTSIDE "203.0.113.9"

struct worker {
	pid_t pid;
	int control;
};

static uint64_t now_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Connects anew and tells the port; 'h': with a number from the middle. */
static void work(int control)
{
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(443)}, local;
	socklen_t length = sizeof(local);
	int fd = -1, hole = -1;
	char order;

	memcpy(&remote.sin_addr, handmade_address(OUTSIDE).bytes, 4);
	while (read(control, &order, 1) == 1) {
		if (fd >= 0)
			close(fd);
		if (order == 'h' && hole < 0) {
			hole = FILES / 2;
			close(hole);
		}
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fd < 0 || (connect(fd, (struct sockaddr *)&remote, sizeof(remote)) < 0 &&
			       errno != EINPROGRESS))
			die("connect");
		if (getsockname(fd, (struct sockaddr *)&local, &length) < 0 ||
		    write(control, &local.sin_port, sizeof(local.sin_port)) < 0)
			die("tell the port");
	}
	_exit(0);
}

static struct worker worker_start(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die("socketpair");
	struct worker worker = {fork(), ends[0]};
	if (worker.pid < 0)
		die("fork");
	if (worker.pid) {
		close(ends[1]);
		return worker;
	}
	int control = dup2(ends[1], 3);
	for (int fd = 4; fd < 256; fd++)
		close(fd);
	while (open("/dev/null", O_RDONLY) < FILES - 1)
		;
	work(control);
	_exit(0);
}

static void join(const struct cgroup_tree *tree, pid_t pid)
{
	char file[512], text[16];

	snprintf(file, sizeof(file), "%s/cgroup.procs", cgroup_below(CONTAINER));
	int fd = openat(tree->fd, file, O_WRONLY);
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		die(file);
	close(fd);
}

static uint16_t connect_anew(const struct worker *worker, char order)
{
	uint16_t port = 0;

	if (write(worker->control, &order, 1) != 1 ||
	    read(worker->control, &port, sizeof(port)) != sizeof(port))
		die("a worker");
	return ntohs(port);
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

static void say(const char *what, double *usec, size_t n, const char *more)
{
	qsort(usec, n, sizeof(*usec), compare);
	printf("  %-8s %8.0f us, p99 %8.0f, most %8.0f%s\n", what, usec[n / 2], usec[n * 99 / 100],
	       usec[n - 1], more);
	fflush(stdout);
}

static void look_up(struct culprits *culprits, const struct worker *workers, const char *what,
		    char order, size_t n_senders)
{
	static double usec[LOOKUPS];
	size_t n_named = 0, n_sure = 0, n_wrong = 0;
	char more[96];

	for (size_t i = 0; i < LOOKUPS; i++) {
		const struct worker *sender = &workers[(size_t)random() % n_senders];
		struct pf_packet packet = {
			.source = handmade_address(SOURCE),
			.destination = handmade_address(OUTSIDE),
			.ethertype = 0x0800,
			.protocol = IPPROTO_TCP,
			.has_ports = true,
			.has_tcp_flags = true,
			.tcp_flags = 0x02,
			.source_port = connect_anew(sender, order),
			.destination_port = 443,
		};
		const struct culprit_query query = {
			.packet = &packet,
			.endpoint_path = cgroup_below(POD),
			.time_usec = UINT64_MAX / 2,
		};
		uint64_t begun = now_nsec();
		const struct culprit *culprit = culprits_ask(culprits, &query);
		usec[i] = (double)(now_nsec() - begun) / 1000;
		n_named += culprit->process.pid != 0;
		n_sure += culprit->holder == CULPRIT_HOLDER_SOLE;
		n_wrong += culprit->process.pid && culprit->process.pid != sender->pid;
		usleep(usec[i] > 600 ? (useconds_t)(usec[i] * 5)
				     : 3000); /* within its share of the time */
	}
	snprintf(more, sizeof(more), "; of %d named %zu, all files looked at %zu, wrong %zu",
		 LOOKUPS, n_named, n_sure, n_wrong);
	say(what, usec, LOOKUPS, more);
}

static bool has_link(const char *process, const char *wanted)
{
	char path[64], target[64];
	bool is_found = false;
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", process);
	DIR *files = opendir(path);
	while (files && !is_found && (entry = readdir(files))) {
		ssize_t n = readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		is_found = !strcmp(target, wanted);
	}
	if (files)
		closedir(files);
	return is_found;
}

/* The socket's inode number is the kernel's to tell; from there on by plain means. */
static void scan(const struct worker *workers)
{
	static double usec[SCANS];
	struct sock_diag *diag;

	if (sock_diag_open(NULL, -1, &diag) < 0)
		die("sock_diag");
	for (size_t i = 0; i < SCANS; i++) {
		const struct worker *sender = &workers[random() % PROCESSES];
		const struct wanted_socket wanted = {
			.protocol = IPPROTO_TCP,
			.local = handmade_address(SOURCE),
			.remote = handmade_address(OUTSIDE),
			.local_port = connect_anew(sender, 'n'),
			.remote_port = 443,
		};
		struct socket_facts facts;
		const struct dirent *entry;
		char link[64];
		uint64_t begun = now_nsec();
		if (sock_diag_find(diag, &wanted, 0, &facts) < 0)
			die("a socket");
		snprintf(link, sizeof(link), "socket:[%llu]", (unsigned long long)facts.inode);
		DIR *processes = opendir("/proc");
		bool is_found = false;
		while (processes && !is_found && (entry = readdir(processes)))
			is_found = isdigit((unsigned char)entry->d_name[0]) &&
				   has_link(entry->d_name, link);
		closedir(processes);
		usec[i] = (double)(now_nsec() - begun) / 1000;
	}
	sock_diag_free(diag);
	say("scan", usec, SCANS, "");
}

int main(void)
{
	static struct worker workers[PROCESSES];
	const struct culprit_options options = {.cgroup_root = "", .arguments_limit = 1024};
	struct culprits *culprits;
	struct cgroup_tree tree;

	namespace_enter_or_skip();
	if (!namespace_run("ip link add sink type veth peer name well && ip link set well up && ip "
			   "addr add " SOURCE "/24 dev sink && "
			   "ip link set sink up && ip route add 203.0.113.0/24 dev sink && "
			   "ip neigh add " OUTSIDE " lladdr 02:00:00:00:00:09 dev sink"))
		return 1;
	if (cgroup_tree_open("", &tree) < 0)
		die("cgroup v2");
	if (cgroup_begin(tree.fd) < 0)
		die("a cgroup");
	cgroup_make(CONTAINER);
	for (size_t i = 0; i < PROCESSES; i++)
		workers[i] = worker_start();
	for (size_t i = 0; i < PROCESSES; i++)
		join(&tree, workers[i].pid);
	if (culprits_new(&options, &culprits) < 0)
		die("culprits");
	printf("%d processes of %d files, a look-up, median:\n", PROCESSES, FILES);
	look_up(culprits, workers, "one", 'n', 1);
	look_up(culprits, workers, "newest", 'n', PROCESSES);
	look_up(culprits, workers, "hole", 'h', PROCESSES);
	scan(workers);
	culprits_free(culprits);
	for (size_t i = 0; i < PROCESSES; i++)
		close(workers[i].control);
	cgroup_remove("");
	cgroup_tree_close(&tree);
	return 0;
}
