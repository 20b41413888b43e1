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
	/* Each ends with a NUL; a last one that is cut ends with "...". */
	char arguments[PROCESS_ARGUMENTS_MAX];
	size_t arguments_length;
	size_t n_arguments; /* in `arguments` */
	bool are_arguments_cut;
	bool has_user;
	uint32_t user; /* effective, as the node counts users */
	bool has_start;
	uint64_t start_ticks; /* since boot, of sysconf(_SC_CLK_TCK) */
	uint64_t start_usec;  /* CLOCK_REALTIME */
};

/* The same of /proc/PID/stat alone: name, parent, start_ticks. Pure; the name may hold anything, blanks and
 * parentheses too. 0, -EINVAL. */
PF_MUST_CHECK int process_stat_parse(const char *text, size_t length, struct process_facts *facts);
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
