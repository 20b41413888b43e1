/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The files of one /proc/PID, through a descriptor of the directory: once the process is gone they cannot be
 * read, and whoever gets its number later is another directory. Only the parent is found by number, and it is
 * taken for the parent while the child still says so. */
#include "culprit/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TEXT_MAX	 4096
#define CLOCK_SLACK_USEC 1000u

static ssize_t read_text(int directory, const char *name, char *text, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size);
	int error = errno;

	if (fd >= 0)
		close(fd);
	return n < 0 ? -error : n;
}

static int read_stat(int directory, const char *name, struct process_facts *facts)
{
	char text[TEXT_MAX];
	ssize_t n = read_text(directory, name, text, sizeof(text));

	if (n < 0)
		return (int)n;
	return process_stat_parse(text, (size_t)n, facts);
}

static void read_executable(int directory, struct process_facts *facts)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	ssize_t n = readlinkat(directory, "exe", facts->executable, sizeof(facts->executable) - 1);

	if (n < 0 || (size_t)n == sizeof(facts->executable) - 1 || facts->executable[0] != '/')
		n = 0;
	facts->executable[n] = '\0';
	if ((size_t)n > tail && !strcmp(facts->executable + n - tail, deleted))
		facts->executable[(size_t)n - tail] = '\0';
}

static void read_arguments(int directory, size_t limit, struct process_facts *facts)
{
	char text[PROCESS_ARGUMENTS_MAX + 1];
	ssize_t n = limit ? read_text(directory, "cmdline", text, sizeof(text)) : 0;

	if (n > 0)
		process_arguments_parse(text, (size_t)n, limit, facts);
}

static void read_user(int directory, struct process_facts *facts)
{
	char text[TEXT_MAX];
	ssize_t n = read_text(directory, "status", text, sizeof(text));

	if (n < 0 || process_status_parse(text, (size_t)n, facts) < 0)
		facts->has_user = false;
}

static void read_parent(int proc, int directory, struct process_facts *facts)
{
	struct process_facts parent = {}, again = {};
	char name[32];

	snprintf(name, sizeof(name), "%d/stat", (int)facts->parent);
	if (!facts->parent || read_stat(proc, name, &parent) < 0)
		return;
	if (read_stat(directory, "stat", &again) < 0 || again.parent != facts->parent)
		return;
	memcpy(facts->parent_name, parent.name, sizeof(parent.name));
}

static uint64_t start_of(struct process_reader *reader, uint64_t ticks)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t boot = clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_BOOTTIME);
	uint64_t apart = boot > reader->boot_usec ? boot - reader->boot_usec
						  : reader->boot_usec - boot;

	if (apart > CLOCK_SLACK_USEC)
		reader->boot_usec = boot;
	return reader->boot_usec + ticks / per_second * 1000000u +
	       ticks % per_second * 1000000u / per_second;
}

int process_read(struct process_reader *reader, int directory, pid_t pid,
		 struct process_facts *ret_facts)
{
	struct process_facts *facts = ret_facts;

	*facts = (struct process_facts){};
	int r = read_stat(directory, "stat", facts);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	facts->pid = pid;
	facts->start_usec = start_of(reader, facts->start_ticks);
	read_executable(directory, facts);
	read_arguments(directory, reader->arguments_limit, facts);
	read_user(directory, facts);
	read_parent(reader->proc, directory, facts);
	return 0;
}
