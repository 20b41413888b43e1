/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From a socket's inode number to the processes that have it open. Nothing tells that but the links in
 * /proc/PID/fd, and each costs about 5 us to read: all of 50 processes with 100 files is 28 ms. So it is looked
 * for where it is likely:
 *
 *	1. where a socket was found before, in the same process under the same number
 *	2. under the highest number of each process: who opens a file gets the lowest free one, and where
 *	   nothing was closed that is the number of open files (st_size of /proc/PID/fd, kernel 6.2)
 *	3. under the numbers of the last that were found, in all processes: those of one program are alike
 *	4. everywhere, the newest file of a process first, until the deadline
 *
 * One that is found does not prove that there is no other. A process that inherited it has it under the same
 * number, so that is looked at in all of them; the rest only where it is not much, and while there is time. That is
 * done again for each question: a process that was handed a socket, and closed what it came by, has as many files
 * open as before. */
#include "culprit/holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "culprit/process.h"

#define CHUNK	     128 /* numbers that are read before they are looked at */
#define NUMBERS_MAX  2	 /* that are tried in all processes */
#define OTHERS_MAX   256 /* files that are all looked at */
#define CLOCK_STRIDE 8	 /* links between two looks at the clock */

static uint64_t inode_at(int directory, const char *path)
{
	char target[64];
	ssize_t n = readlinkat(directory, path, target, sizeof(target));

	return n > 0 ? process_socket_inode(target, (size_t)n) : 0;
}

static bool has_number(const struct holder_search *search, pid_t pid, int descriptor)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/fd/%d", (int)pid, descriptor);
	return inode_at(search->proc, path) == search->inode;
}

static bool is_over(uint64_t usec)
{
	return clock_usec(CLOCK_MONOTONIC) >= usec;
}

static bool is_among(const struct holders *holders, pid_t pid)
{
	for (size_t i = 0; i < holders->n && i < HOLDERS_MAX; i++)
		if (holders->pids[i] == pid)
			return true;
	return false;
}

static void add(struct holders *holders, pid_t pid)
{
	if (holders->n < HOLDERS_MAX)
		holders->pids[holders->n] = pid;
	holders->n++;
}

/* What was found, and where. */
struct find {
	pid_t pid;
	int descriptor; /* -1: nothing */
};

static bool is_searched(const struct holder_search *search, pid_t pid)
{
	for (size_t i = 0; i < search->n_pids; i++)
		if (search->pids[i] == pid)
			return true;
	return false;
}

static struct find find_by_hints(const struct holder_search *search)
{
	for (size_t i = 0; i < HINTS_MAX; i++) { /* the newest first */
		size_t at = (search->hints->next + HINTS_MAX - 1 - i) % HINTS_MAX;
		struct find find = {search->hints->hints[at].pid,
				    search->hints->hints[at].descriptor};
		if (find.pid && is_searched(search, find.pid) &&
		    has_number(search, find.pid, find.descriptor))
			return find;
	}
	return (struct find){.descriptor = -1};
}

/* Processes of one program open the same files in the same order. */
static struct find find_by_numbers(const struct holder_search *search)
{
	const struct holder_hints *hints = search->hints;
	int last = -1;

	for (size_t i = 0, n = 0; i < HINTS_MAX && n < NUMBERS_MAX; i++) {
		size_t at = (hints->next + HINTS_MAX - 1 - i) % HINTS_MAX;
		int number = hints->hints[at].descriptor;
		if (!hints->hints[at].pid || number == last)
			continue;
		last = number;
		n++;
		for (size_t k = search->n_pids; k-- > 0;) {
			if (has_number(search, search->pids[k], number))
				return (struct find){search->pids[k], number};
			if (k % CLOCK_STRIDE == 0 && is_over(search->deadline_usec))
				return (struct find){.descriptor = -1};
		}
	}
	return (struct find){.descriptor = -1};
}

static void remember(struct holder_hints *hints, struct find find)
{
	for (size_t i = 0; i < HINTS_MAX; i++)
		if (hints->hints[i].pid == find.pid &&
		    hints->hints[i].descriptor == find.descriptor)
			return;
	hints->hints[hints->next].pid = find.pid;
	hints->hints[hints->next].descriptor = find.descriptor;
	hints->next = (hints->next + 1) % HINTS_MAX;
}

/* 0 where the kernel does not tell. */
static off_t count_files(const struct holder_search *search, pid_t pid)
{
	struct stat status;
	char path[32];

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	return fstatat(search->proc, path, &status, 0) < 0 ? 0 : status.st_size;
}

static struct find find_at_top(const struct holder_search *search)
{
	for (size_t i = search->n_pids; i-- > 0;) {
		pid_t pid = search->pids[i];
		off_t n = count_files(search, pid);
		if (n > 0 && n <= INT32_MAX && has_number(search, pid, (int)n - 1))
			return (struct find){pid, (int)n - 1};
		if (i % CLOCK_STRIDE == 0 && is_over(search->deadline_usec))
			break;
	}
	return (struct find){.descriptor = -1};
}

struct walk {
	DIR *directory;
	uint64_t inode, deadline_usec;
	bool is_over;
};

static int walk_chunk(struct walk *walk, const int *numbers, size_t n)
{
	char name[16];

	for (size_t i = n; i-- > 0;) {
		snprintf(name, sizeof(name), "%d", numbers[i]);
		if (inode_at(dirfd(walk->directory), name) == walk->inode)
			return numbers[i];
		if (i % CLOCK_STRIDE == 0 && is_over(walk->deadline_usec)) {
			walk->is_over = true;
			break;
		}
	}
	return -1;
}

static int walk_files(struct walk *walk)
{
	const struct dirent *entry;
	int numbers[CHUNK], found = -1;
	size_t n = 0;

	while (found < 0 && !walk->is_over && (entry = readdir(walk->directory))) {
		if (entry->d_name[0] == '.')
			continue;
		numbers[n++] = atoi(entry->d_name);
		if (n == CHUNK) {
			found = walk_chunk(walk, numbers, n);
			n = 0;
		}
	}
	return found < 0 && !walk->is_over ? walk_chunk(walk, numbers, n) : found;
}

/* The number the process has it under; -1: none. */
static int find_in(const struct holder_search *search, pid_t pid, uint64_t deadline_usec,
		   bool *ret_is_over)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	int fd = openat(search->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk walk = {.inode = search->inode, .deadline_usec = deadline_usec};
	walk.directory = fd < 0 ? NULL : fdopendir(fd);
	if (!walk.directory) {
		*ret_is_over = false;
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int found = walk_files(&walk);
	closedir(walk.directory);
	*ret_is_over = walk.is_over;
	return found;
}

static struct find find_everywhere(const struct holder_search *search, bool *ret_is_cut)
{
	bool over = false;

	for (size_t i = search->n_pids; i-- > 0 && !over;) {
		int found = find_in(search, search->pids[i], search->deadline_usec, &over);
		if (found >= 0)
			return (struct find){search->pids[i], found};
		over = over || is_over(search->deadline_usec);
	}
	*ret_is_cut = over;
	return (struct find){.descriptor = -1};
}

static void find_heirs(const struct holder_search *search, struct find find,
		       struct holders *holders)
{
	for (size_t i = 0; i < search->n_pids; i++) {
		if (i % CLOCK_STRIDE == 0 && is_over(search->deadline_usec))
			return;
		if (search->pids[i] != find.pid &&
		    has_number(search, search->pids[i], find.descriptor))
			add(holders, search->pids[i]);
	}
}

/* Too many to look at while there is time; how many is told from kernel 6.2 on. */
static bool are_too_many(const struct holder_search *search)
{
	off_t n = 0;

	for (size_t i = 0; i < search->n_pids && n <= OTHERS_MAX; i++)
		n += count_files(search, search->pids[i]);
	return n > OTHERS_MAX;
}

static void find_others(const struct holder_search *search, struct holders *holders)
{
	bool over = false;

	if (are_too_many(search))
		return;
	for (size_t i = 0; i < search->n_pids && !over; i++) {
		pid_t pid = search->pids[i];
		if (is_among(holders, pid))
			continue;
		if (is_over(search->enough_usec))
			return;
		if (find_in(search, pid, search->enough_usec, &over) >= 0)
			add(holders, pid);
	}
	holders->are_all = !over;
}

void holders_find(const struct holder_search *search, struct holders *ret_holders)
{
	struct holders *holders = ret_holders;

	*holders = (struct holders){};
	struct find find = find_by_hints(search);
	if (find.descriptor < 0)
		find = find_at_top(search);
	if (find.descriptor < 0)
		find = find_by_numbers(search);
	if (find.descriptor < 0)
		find = find_everywhere(search, &holders->is_cut);
	if (find.descriptor < 0)
		return;
	remember(search->hints, find);
	add(holders, find.pid);
	find_heirs(search, find, holders);
	find_others(search, holders);
}
