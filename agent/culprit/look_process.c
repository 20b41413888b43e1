/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From a socket to the processes that have it open. The endpoint's are looked at and, where that is another, the
 * cgroup's that made the socket: a socket can be handed on, and who made it may have kept it too. Of a frame no endpoint is
 * known: all of the node's own are looked at, and then everybody. */
#include "culprit/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define DEADLINE_USEC 3000u
#define ENOUGH_USEC   600u
#define CGROUPS_MAX   64 /* of an endpoint, where all of them are looked at */

static bool is_below(const char *path, const char *endpoint)
{
	size_t n = strlen(endpoint);

	return n && !strncmp(path, endpoint, n) && (path[n] == '\0' || path[n] == '/');
}

/* Processes to look at: those of the cgroup that made the socket stand last, where the search begins. */
struct candidates {
	pid_t *pids;
	size_t n, n_others;
	uint64_t own; /* this cgroup; 0: not known */
	bool is_cut;
};

/* -ENODEV: the cgroup is gone. */
static int add_processes(struct candidates *candidates, const struct place *place)
{
	size_t room = PIDS_MAX - candidates->n, n;
	int r = place_processes(place, candidates->pids + candidates->n, room, &n);

	if (r < 0)
		return r;
	candidates->n += n;
	candidates->is_cut |= n == room;
	return 0;
}

/* Of the endpoint's cgroups, the one that made the socket left out. False: one of them is gone by now. */
static bool add_cgroups(struct candidates *candidates, struct look *look, const uint64_t *ids,
			size_t n)
{
	const struct place *place;
	int r = 0;

	for (size_t i = 0; i < n && r != -ENODEV; i++) {
		if (ids[i] == candidates->own)
			continue;
		r = places_get(&look->culprits->places, ids[i], &place);
		if (r == 0)
			r = add_processes(candidates, place);
		else
			r = -ENODEV;
	}
	return r != -ENODEV;
}

/* What is remembered of it may be of a cgroup that was there before; what was just read is not. */
static void add_endpoint(struct candidates *candidates, struct look *look, const char *path)
{
	struct places *places = &look->culprits->places;
	size_t n, before = candidates->n;
	uint64_t ids[CGROUPS_MAX];
	bool is_cut;

	for (unsigned i = 0; i < 2 && path[0]; i++) {
		if (places_below(places, path, ids, CGROUPS_MAX, &n, &is_cut) < 0)
			return;
		candidates->is_cut |= is_cut;
		candidates->n = before;
		if (add_cgroups(candidates, look, ids, n))
			return;
		places_mistrust(places, path);
	}
}

/* Who made the socket: his container, and whether he belongs to the endpoint. */
static void add_own(struct candidates *candidates, struct look *look)
{
	const struct place *place;

	candidates->n_others = candidates->n;
	if (!candidates->own || places_get(&look->culprits->places, candidates->own, &place) < 0)
		return;
	look->culprit->container = place->container;
	look->culprit->is_outside = look->query->endpoint_path[0] &&
				    !is_below(place->path, look->query->endpoint_path);
	(void)add_processes(candidates, place); /* gone: nobody is in it any more */
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

/* Facts of a process that has the socket open. -ESTALE: it began after the packet. */
static int read_holder(const struct look *look, pid_t pid, const struct known_process **ret_process)
{
	struct culprits *culprits = look->culprits;
	int r = process_known(&culprits->known, &culprits->reader, pid, ret_process);

	if (r == 0 &&
	    (*ret_process)->facts.start_usec > look->query->time_usec + CULPRIT_START_SLACK_USEC)
		r = -ESTALE;
	return r;
}

/* Whose process it is says whose frame it was. */
static void take_cgroup(struct look *look, const char *path)
{
	if (!look->query->frame || !path[0])
		return;
	snprintf(look->cgroup, PATH_MAX, "%s", path);
	look->culprit->cgroup = look->cgroup;
}

/* Containers of holders are told where all are of the same one. */
static void take_shared(struct look *look, const struct candidates *candidates,
			const struct holders *holders)
{
	const struct known_process *other;
	bool are_makers = is_own(candidates, holders->pids[0]);

	for (size_t i = 1; i < holders->n && i < HOLDERS_MAX; i++) {
		are_makers = are_makers && is_own(candidates, holders->pids[i]);
		int r = read_holder(look, holders->pids[i], &other);
		if (r == 0)
			culprit_common(&look->culprit->process, &other->facts);
		if (r < 0 ||
		    (look->culprit->cgroup && strcmp(other->cgroup, look->culprit->cgroup) != 0))
			look->culprit->cgroup = NULL;
	}
	if (holders->n > HOLDERS_MAX)
		look->culprit->cgroup = NULL;
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
	const struct known_process *process;
	int r = read_holder(look, holders->pids[0], &process);

	if (r < 0) {
		look_give_up(look, r == -ESTALE ? "the port is another process's by now"
						: "it has ended meanwhile");
		return;
	}
	take_cgroup(look, process->cgroup);
	culprit->process = process->facts;
	culprit->first_start_usec = process->facts.start_usec;
	culprit->n_holders = holders->n;
	culprit->holder = holders->are_all ? CULPRIT_HOLDER_SOLE : CULPRIT_HOLDER_FIRST;
	if (holders->n > 1)
		take_shared(look, candidates, holders);
	else
		take_place(look, process->cgroup, is_own(candidates, holders->pids[0]));
}

static void find_process(struct look *look)
{
	const struct socket_facts *socket = &look->sockets[0];
	struct candidates candidates = {
		.pids = look->culprits->pids,
		.own = socket->has_cgroup ? socket->cgroup : 0,
	};
	struct holders holders;

	if (socket->inode)
		add_endpoint(&candidates, look, look->query->endpoint_path);
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

/* Of endpoints, while there is time to look at others too. */
static void add_endpoints(struct candidates *candidates, struct look *look)
{
	const struct culprit_frame *frame = look->query->frame;
	uint64_t end = look->begun_usec + DEADLINE_USEC / 2;
	size_t i = 0;

	for (; i < frame->n_paths && clock_usec(CLOCK_MONOTONIC) < end; i++)
		add_endpoint(candidates, look, frame->paths[i]);
	candidates->is_cut |= i < frame->n_paths;
	candidates->n_others = candidates->n;
}

/* Of the whole node. The newest stand last, where the search begins. */
static void add_everybody(struct candidates *candidates, const struct look *look)
{
	int fd = openat(look->culprits->reader.proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!directory && fd >= 0)
		close(fd);
	candidates->n = 0;
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		candidates->is_cut = candidates->n == PIDS_MAX;
		if (candidates->is_cut)
			break;
		candidates->pids[candidates->n++] = atoi(entry->d_name);
	}
	if (directory)
		closedir(directory);
	candidates->n_others = candidates->n;
}

/* Anybody on the node can have made a frame: who is meant to be judged is looked at first. */
static void find_frame_holders(struct look *look, struct candidates *candidates,
			       struct holders *holders)
{
	add_endpoints(candidates, look);
	find_holders(look, candidates, holders);
	if (holders->n || clock_usec(CLOCK_MONOTONIC) >= look->begun_usec + DEADLINE_USEC)
		return;
	add_everybody(candidates, look);
	find_holders(look, candidates, holders);
}

pid_t look_frame_holder(struct culprits *culprits, uint64_t inode)
{
	const struct culprit_frame frame = {};
	const struct culprit_query query = {.frame = &frame};
	struct candidates candidates = {.pids = culprits->pids};
	struct look look = {
		.culprits = culprits,
		.query = &query,
		.sockets = {{.inode = inode}},
		.begun_usec = clock_usec(CLOCK_MONOTONIC),
	};
	struct holders holders;

	find_frame_holders(&look, &candidates, &holders);
	return holders.n == 1 ? holders.pids[0] : 0;
}

static void find_frame_process(struct look *look)
{
	struct candidates candidates = {.pids = look->culprits->pids};
	struct holders holders;

	if (!look->sockets[0].inode) {
		look_give_up(look, "it has ended or closed the socket");
		return;
	}
	find_frame_holders(look, &candidates, &holders);
	if (holders.n == 1 && look_has_rested(look, holders.pids[0])) {
		look->culprit->socket = CULPRIT_SOCKET_GONE;
		look_give_up(
			look,
			"who has a packet socket open did not run, and who sent it has closed his");
	} else if (holders.n)
		take_process(look, &candidates, &holders);
	else if (holders.is_cut || candidates.is_cut)
		look_give_up(look, "too many processes and open files to look at");
	else
		look_give_up(look, "no process has the socket open");
}

/* Whoever of them it was, what they have in common is true. */
static void take_common(struct look *look)
{
	const struct socket_facts *first = &look->sockets[0];
	bool is_one_user = true, is_one_cgroup = first->has_cgroup;
	const struct place *place;

	for (size_t i = 1; i < look->n_sockets; i++) {
		is_one_user = is_one_user && look->sockets[i].uid == first->uid;
		is_one_cgroup = is_one_cgroup && look->sockets[i].has_cgroup &&
				look->sockets[i].cgroup == first->cgroup;
	}
	look->culprit->has_user = is_one_user;
	look->culprit->user = first->uid;
	if (is_one_cgroup && look->n_sockets > 1 &&
	    places_get(&look->culprits->places, first->cgroup, &place) == 0)
		look->culprit->container = place->container;
}

void look_find_process(struct look *look)
{
	take_common(look);
	if (look->n_sockets != 1)
		return;
	if (look->query->frame)
		find_frame_process(look);
	else
		find_process(look);
}
