/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Nodes have packet sockets that are open for months, of a DHCP client or of who answers ARP, and a frame can be of
 * somebody who opened another, sent by it and closed it before anybody looked: then the only one there is is not his. Who
 * sends runs, and the kernel tells to the nanosecond how long each thread has. So the processes that have packet sockets
 * are noted every few seconds, and who has slept since before the frame did not send it.
 *
 * That only takes names away: of several sockets none is picked because others' processes slept. */
#include "culprit/look.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static bool read_runtime(int directory, const char *thread, uint64_t *ret_nsec)
{
	char path[300], text[64];

	snprintf(path, sizeof(path), "%s/schedstat", thread);
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*ret_nsec = strtoull(text, NULL, 10);
	return true;
}

/* Of all its threads. False: it has ended, or the kernel does not tell (CONFIG_SCHED_INFO). */
static bool runtime_of(const struct culprits *culprits, pid_t pid, uint64_t *ret_nsec)
{
	char path[32];
	uint64_t sum = 0, one;
	const struct dirent *entry;
	bool is_good = false;

	snprintf(path, sizeof(path), "%d/task", (int)pid);
	int fd = openat(culprits->reader.proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *threads = fd < 0 ? NULL : fdopendir(fd);
	if (!threads && fd >= 0)
		close(fd);
	while (threads && (entry = readdir(threads))) {
		if (entry->d_name[0] == '.')
			continue;
		is_good = read_runtime(dirfd(threads), entry->d_name, &one);
		if (!is_good)
			break;
		sum += one;
	}
	if (threads)
		closedir(threads);
	*ret_nsec = sum;
	return is_good;
}

static const struct rest *find(const struct rests *rests, uint64_t inode)
{
	for (size_t i = 0; i < rests->n; i++)
		if (rests->kept[i].inode == inode)
			return &rests->kept[i];
	return NULL;
}

/* One search each time, or this would take long where there are many. */
static void note(struct culprits *culprits, struct rests *now, uint64_t inode, bool *may_search)
{
	const struct rest *before = find(&culprits->rests, inode);
	struct rest rest = {.inode = inode, .pid = before ? before->pid : 0};

	rest.noted_usec = clock_usec(CLOCK_REALTIME);
	bool is_known = rest.pid && runtime_of(culprits, rest.pid, &rest.runtime_nsec);
	if (!is_known && *may_search) {
		*may_search = false;
		rest.pid = look_frame_holder(culprits, inode);
		rest.noted_usec = clock_usec(CLOCK_REALTIME);
		is_known = rest.pid && runtime_of(culprits, rest.pid, &rest.runtime_nsec);
	}
	if (is_known)
		now->kept[now->n++] = rest;
}

void culprits_note_rest(struct culprits *culprits)
{
	struct socket_facts sockets[RESTS_MAX];
	struct rests now = {};
	bool may_search = true;
	struct sock_diag *diag;
	size_t n = 0;
	int r = sock_diags_get(&culprits->diags, 0, 0, &diag);

	if (r == 0)
		r = sock_diag_list_packet(diag, sockets, RESTS_MAX, &n);
	if (r < 0)
		sock_diags_drop(&culprits->diags, 0);
	for (size_t i = 0; r == 0 && i < n && i < RESTS_MAX; i++)
		if (sockets[i].inode)
			note(culprits, &now, sockets[i].inode, &may_search);
	culprits->rests = now;
}

bool look_has_rested(const struct look *look, pid_t pid)
{
	const struct rest *rest = find(&look->culprits->rests, look->sockets[0].inode);
	uint64_t now_nsec;

	return rest && rest->pid == pid && rest->noted_usec < look->query->time_usec &&
	       runtime_of(look->culprits, pid, &now_nsec) && now_nsec == rest->runtime_nsec;
}
