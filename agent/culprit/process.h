/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <podfence/attributes.h>

#define PROCESS_NAME_MAX       64   /* TASK_COMM_LEN is 16, a kernel thread's may be longer */
#define PROCESS_EXECUTABLE_MAX 1024 /* a longer path is left out */
#define PROCESS_ARGUMENTS_MAX  8192

/* What /proc says of a process at one time. What could not be had is empty. */
struct process_facts {
	pid_t pid;    /* 0: nothing is known */
	pid_t parent; /* 0: none that can be seen */
	char name[PROCESS_NAME_MAX];
	char parent_name[PROCESS_NAME_MAX];
	char executable
		[PROCESS_EXECUTABLE_MAX]; /* in its own root directory; " (deleted)" taken off */
	size_t arguments_length;
	size_t n_arguments; /* in `arguments` */
	bool are_arguments_cut;
	bool has_user;
	uint32_t user; /* effective, as the node counts users */
	bool has_start;
	uint64_t start_ticks; /* since boot, of sysconf(_SC_CLK_TCK) */
	uint64_t start_usec;  /* CLOCK_REALTIME */
	/* Each ends with a NUL; a last one that is cut ends with "...". Stands last (culprit/keep). */
	char arguments[PROCESS_ARGUMENTS_MAX];
};

/* What tells a process, and the program it runs, from another: with the next execve() its stack lies elsewhere. All
 * zero: it cannot be told. */
struct process_image {
	uint64_t start_ticks, parent, stack, arguments_begin, arguments_end;
	char name[PROCESS_NAME_MAX];
};

/* The same of /proc/PID/stat alone: name, parent, start_ticks. Pure; the name may hold anything, blanks and
 * parentheses too. 0, -EINVAL. */
PF_MUST_CHECK int process_stat_parse(const char *text, size_t length, struct process_facts *facts);
/* /proc/PID/stat too: see above. Pure. */
void process_image_parse(const char *text, size_t length, struct process_image *ret_image);
/* /proc/PID/status: the effective user. Pure. 0, -EINVAL. */
PF_MUST_CHECK int process_status_parse(const char *text, size_t length,
				       struct process_facts *facts);
/* /proc/PID/cmdline, or its first bytes. `limit`: of bytes that are kept, NULs included, at most
 * PROCESS_ARGUMENTS_MAX. Pure. */
void process_arguments_parse(const char *text, size_t length, size_t limit,
			     struct process_facts *facts);
/* The socket an entry of /proc/PID/fd leads to: "socket:[123]" is 123; 0: none. Pure. */
uint64_t process_socket_inode(const char *target, size_t length);

/* process_read.c: `directory` is a descriptor of /proc/PID, which goes on meaning this process and no other.
 * -ESRCH: it has ended. */
struct process_reader {
	int proc;		/* descriptor of /proc */
	size_t arguments_limit; /* 0: they are not read */
	/* CLOCK_REALTIME when the node booted, as it was when it was looked at last: kept while the clocks do
	 * not move against each other, so that a process has one start and no other. 0 at first. */
	uint64_t boot_usec;
};
PF_MUST_CHECK int process_read(struct process_reader *reader, int directory, pid_t pid,
			       struct process_facts *ret_facts);

/* process_known.c: processes that were read before, through descriptors of theirs that go on meaning them. */
#define PROCESSES_KNOWN_MAX 8

struct known_process {
	pid_t pid; /* 0: free */
	int directory, stat;
	uint64_t used, read_usec; /* CLOCK_MONOTONIC */
	struct process_image image;
	struct process_facts facts;
	char cgroup[4096]; /* PATH_MAX; below the root; "": not known */
};

struct known_processes {
	struct known_process kept[PROCESSES_KNOWN_MAX];
	uint64_t uses;
};

/* Its facts: read anew where it is another process, runs another program by now, or a second has passed. Borrowed until
 * the next call. -ESRCH: it has ended. */
PF_MUST_CHECK int process_known(struct known_processes *known, struct process_reader *reader,
				pid_t pid, const struct known_process **ret_process);
void processes_forget(struct known_processes *known);
