/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What was read of a process is used again for a moment: who sends one packet that is denied mostly sends more. A
 * descriptor of /proc/PID means one process for ever, so a number that somebody else has by now is never
 * taken for him; and one look at its stat tells whether it has executed another program since. What is left to
 * change unseen (its user, its own words about itself) is read anew after a second. */
#include "culprit/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define FRESH_USEC 1000000u
#define TEXT_MAX   4096

static void drop(struct known_process *process)
{
	if (!process->pid)
		return;
	close(process->directory);
	close(process->stat);
	process->pid = 0;
	process->used = 0;
}

/* "0::/path" of /proc/PID/cgroup; "" where there is none. */
static void read_cgroup(struct known_process *process)
{
	char text[sizeof(process->cgroup)];
	int fd = openat(process->directory, "cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *line = text;

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	process->cgroup[0] = '\0';
	while (line && strncmp(line, "0::/", 4) != 0) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (line)
		snprintf(process->cgroup, sizeof(process->cgroup), "%.*s",
			 (int)strcspn(line + 4, "\n"), line + 4);
}

static int read_image(const struct known_process *process, struct process_image *ret_image)
{
	char text[TEXT_MAX];
	ssize_t n = pread(process->stat, text, sizeof(text), 0);

	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	process_image_parse(text, (size_t)n, ret_image);
	return 0;
}

static bool is_same(const struct process_image *a, const struct process_image *b)
{
	return a->stack && !memcmp(a, b, sizeof(*a));
}

static int open_process(struct known_process *process, int proc, pid_t pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", (int)pid);
	process->directory = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process->directory < 0)
		return -ESRCH;
	process->stat = openat(process->directory, "stat", O_RDONLY | O_CLOEXEC);
	if (process->stat < 0) {
		close(process->directory);
		return -ESRCH;
	}
	process->pid = pid;
	return 0;
}

/* The image first: if it executes another program meanwhile, that is seen the next time. */
static int read_anew(struct known_process *process, struct process_reader *reader)
{
	process->read_usec = clock_usec(CLOCK_MONOTONIC);
	int r = read_image(process, &process->image);
	if (r == 0)
		r = process_read(reader, process->directory, process->pid, &process->facts);
	if (r == 0)
		read_cgroup(process);
	return r;
}

static struct known_process *find(struct known_processes *known, pid_t pid)
{
	struct known_process *oldest = &known->kept[0];

	for (size_t i = 0; i < PROCESSES_KNOWN_MAX; i++) {
		if (known->kept[i].pid == pid)
			return &known->kept[i];
		if (known->kept[i].used < oldest->used)
			oldest = &known->kept[i];
	}
	drop(oldest);
	return oldest;
}

static bool is_known(const struct known_process *process)
{
	struct process_image now;

	return process->pid && read_image(process, &now) == 0 && is_same(&now, &process->image) &&
	       clock_usec(CLOCK_MONOTONIC) - process->read_usec < FRESH_USEC;
}

int process_known(struct known_processes *known, struct process_reader *reader, pid_t pid,
		  const struct known_process **ret_process)
{
	struct known_process *process = find(known, pid);

	if (!is_known(process)) {
		drop(process);
		int r = open_process(process, reader->proc, pid);
		if (r == 0)
			r = read_anew(process, reader);
		if (r < 0) {
			drop(process);
			return r;
		}
	}
	process->used = ++known->uses;
	*ret_process = process;
	return 0;
}

void processes_forget(struct known_processes *known)
{
	for (size_t i = 0; i < PROCESSES_KNOWN_MAX; i++)
		drop(&known->kept[i]);
}
