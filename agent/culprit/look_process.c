/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From a socket to the processes that have it open. The endpoint's are looked at and, where that is another, the
 * cgroup's that made the socket: a socket can be handed on, and who made it may have kept it too. */
#include "culprit/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define DEADLINE_USEC	 3000u
#define ENOUGH_USEC	 600u
#define CGROUPS_MAX	 64    /* of an endpoint, where all of them are looked at */
#define START_SLACK_USEC 2000u /* of the clocks; a start is told up to a tick early, never late */

static bool is_below(const char *path, const char *endpoint)
{
	size_t n = strlen(endpoint);

	return n && !strncmp(path, endpoint, n) && (path[n] == '\0' || path[n] == '/');
}

/* Below the root of the tree; "": that itself, or what cannot be seen from there. */
static void cgroup_path(const struct culprits *culprits, int directory, char path[static PATH_MAX])
{
	size_t root = strlen(culprits->root);
	char name[48];

	snprintf(name, sizeof(name), "self/fd/%d", directory);
	ssize_t n = readlinkat(culprits->reader.proc, name, path, PATH_MAX - 1);
	path[n < 0 ? 0 : n] = '\0';
	if (n < 0 || strncmp(path, culprits->root, root) != 0 || path[root] != '/')
		path[0] = '\0';
	else
		memmove(path, path + root + 1, (size_t)n - root);
}

/* Processes to look at: those of the cgroup that made the socket stand last, where the search begins. */
struct candidates {
	pid_t *pids;
	size_t n, n_others;
	uint64_t own;	 /* this cgroup; 0: not known */
	unsigned budget; /* cgroups that may be looked into */
	bool is_cut;
};

static void add_processes(struct candidates *candidates, int directory)
{
	size_t room = PIDS_MAX - candidates->n, n;

	if (cgroup_processes(directory, candidates->pids + candidates->n, room, &n) < 0)
		return;
	candidates->n += n;
	candidates->is_cut |= n == room;
}

/* A cgroup and what stands below it, `own` left out. */
static void add_tree(struct candidates *candidates, int directory, uint64_t id)
{
	struct cgroup_child *children;
	size_t n;
	bool is_cut;

	if (id != candidates->own)
		add_processes(candidates, directory);
	if (cgroup_children(directory, CGROUPS_MAX, &children, &n, &is_cut) < 0)
		return;
	candidates->is_cut |= is_cut;
	for (size_t i = 0; i < n; i++) {
		if (!candidates->budget) {
			candidates->is_cut = true;
			break;
		}
		candidates->budget--;
		int fd = cgroup_open(directory, children[i].name);
		if (fd < 0)
			continue;
		add_tree(candidates, fd, children[i].id);
		close(fd);
	}
	cgroup_children_free(children, n);
}

static void add_endpoint(struct candidates *candidates, const struct look *look)
{
	uint64_t id;

	if (!look->query->endpoint_path[0])
		return;
	int fd = openat(look->culprits->tree.fd, look->query->endpoint_path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (cgroup_id(fd, &id) == 0)
		add_tree(candidates, fd, id);
	close(fd);
}

/* Who made the socket: his container, and whether he belongs to the endpoint. */
static void add_own(struct candidates *candidates, struct look *look)
{
	char path[PATH_MAX];
	int fd = candidates->own ? cgroup_open_id(&look->culprits->tree, candidates->own) : -1;

	candidates->n_others = candidates->n;
	if (fd < 0)
		return;
	cgroup_path(look->culprits, fd, path);
	culprit_container(path, &look->culprit->container);
	look->culprit->is_outside = look->query->endpoint_path[0] &&
				    !is_below(path, look->query->endpoint_path);
	add_processes(candidates, fd);
	close(fd);
}

static bool is_own(const struct candidates *candidates, pid_t pid)
{
	for (size_t i = candidates->n_others; i < candidates->n; i++)
		if (candidates->pids[i] == pid)
			return true;
	return false;
}

static void find_holders(struct look *look, const struct candidates *candidates,
			 struct holders *ret_holders)
{
	const struct holder_search search = {
		.proc = look->culprits->reader.proc,
		.inode = look->sockets[0].inode,
		.pids = candidates->pids,
		.n_pids = candidates->n,
		.deadline_usec = look->begun_usec + DEADLINE_USEC,
		.enough_usec = clock_usec(CLOCK_MONOTONIC) + ENOUGH_USEC,
		.hints = &look->culprits->hints,
	};

	holders_find(&search, ret_holders);
	ret_holders->are_all = ret_holders->are_all && !candidates->is_cut;
}

/* "0::/path" of /proc/PID/cgroup; "" where there is none. */
static void process_cgroup(int directory, char path[static PATH_MAX])
{
	char text[PATH_MAX];
	int fd = openat(directory, "cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *line = text;

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	path[0] = '\0';
	while (line && strncmp(line, "0::/", 4) != 0) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (line)
		snprintf(path, PATH_MAX, "%.*s", (int)strcspn(line + 4, "\n"), line + 4);
}

/* Facts of a process that has the socket open; its cgroup's path too. */
static int read_holder(const struct look *look, pid_t pid, struct process_facts *facts,
		       char path[static PATH_MAX])
{
	char name[16];

	snprintf(name, sizeof(name), "%d", (int)pid);
	int directory = openat(look->culprits->reader.proc, name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -ESRCH;
	int r = process_read(&look->culprits->reader, directory, pid, facts);
	process_cgroup(directory, path);
	close(directory);
	if (r == 0 && facts->start_usec > look->query->time_usec + START_SLACK_USEC)
		r = -ESTALE;
	return r;
}

/* Containers of holders are told where all are of the same one. */
static void take_shared(struct look *look, const struct candidates *candidates,
			const struct holders *holders)
{
	struct culprits *culprits = look->culprits;
	bool are_makers = is_own(candidates, holders->pids[0]);
	char path[PATH_MAX];

	for (size_t i = 1; i < holders->n && i < HOLDERS_MAX; i++) {
		are_makers = are_makers && is_own(candidates, holders->pids[i]);
		if (read_holder(look, holders->pids[i], &culprits->other, path) == 0)
			culprit_common(&look->culprit->process, &culprits->other);
	}
	look->culprit->holder = CULPRIT_HOLDER_SHARED;
	look->culprit->process.pid = 0;
	look->culprit->process.has_start = false;
	if (!are_makers)
		look->culprit->container = (struct cgroup_name){.runtime = ""};
}

/* Where the process is in another cgroup than the socket was made in, its container is the process's. */
static void take_place(struct look *look, const char *path, bool is_maker)
{
	if (is_maker)
		return;
	look->culprit->is_inherited = look->sockets[0].has_cgroup;
	look->culprit->is_outside = false;
	culprit_container(path, &look->culprit->container);
}

static void take_process(struct look *look, const struct candidates *candidates,
			 const struct holders *holders)
{
	struct culprit *culprit = look->culprit;
	char path[PATH_MAX];
	int r = read_holder(look, holders->pids[0], &culprit->process, path);

	if (r < 0) {
		culprit->process = (struct process_facts){};
		look_give_up(look, r == -ESTALE ? "the port is another process's by now"
						: "it has ended meanwhile");
		return;
	}
	culprit->n_holders = holders->n;
	culprit->holder = holders->are_all ? CULPRIT_HOLDER_SOLE : CULPRIT_HOLDER_FIRST;
	if (holders->n > 1)
		take_shared(look, candidates, holders);
	else
		take_place(look, path, is_own(candidates, holders->pids[0]));
}

static void find_process(struct look *look)
{
	const struct socket_facts *socket = &look->sockets[0];
	struct candidates candidates = {
		.pids = look->culprits->pids,
		.own = socket->has_cgroup ? socket->cgroup : 0,
		.budget = CGROUPS_MAX,
	};
	struct holders holders;

	if (socket->inode)
		add_endpoint(&candidates, look);
	add_own(&candidates, look);
	if (!socket->inode) {
		look_give_up(look, "it has ended or closed the socket");
		return;
	}
	find_holders(look, &candidates, &holders);
	if (holders.n)
		take_process(look, &candidates, &holders);
	else if (holders.is_cut || candidates.is_cut)
		look_give_up(look, "too many processes and open files to look at");
	else
		look_give_up(look, "no process of the endpoint has the socket open");
}

/* Whoever of them it was, what they have in common is true. */
static void take_common(struct look *look)
{
	const struct socket_facts *first = &look->sockets[0];
	bool is_one_user = true, is_one_cgroup = first->has_cgroup;

	for (size_t i = 1; i < look->n_sockets; i++) {
		is_one_user = is_one_user && look->sockets[i].uid == first->uid;
		is_one_cgroup = is_one_cgroup && look->sockets[i].has_cgroup &&
				look->sockets[i].cgroup == first->cgroup;
	}
	look->culprit->has_user = is_one_user;
	look->culprit->user = first->uid;
	int fd = is_one_cgroup ? cgroup_open_id(&look->culprits->tree, first->cgroup) : -1;
	if (fd >= 0) {
		char path[PATH_MAX];
		cgroup_path(look->culprits, fd, path);
		culprit_container(path, &look->culprit->container);
		close(fd);
	}
}

void look_find_process(struct look *look)
{
	take_common(look);
	if (look->n_sockets == 1)
		find_process(look);
}
