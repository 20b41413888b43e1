/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

/* What a program may do, given up in two steps:
 *
 *	privilege_begin()	first of all: no new privileges, capabilities bounded to the needed ones
 *	privilege_settle()	once what only a start needs is done, before anything foreign is
 *				parsed: these are given up too, and the filter of system calls is on
 *
 * Both are for a process with one thread. Nothing here says anything: the caller does. */

/* EX_NOPERM of sysexits(3): a privilege is missing. */
#define PRIVILEGE_EXIT 77

struct privilege {
	int capability;		 /* CAP_... of linux/capability.h */
	bool is_for_start;	 /* given up by privilege_settle() */
	bool (*is_needed)(void); /* NULL: always */
	const char *purpose;	 /* "to ..." */
};

struct privilege_profile {
	const struct privilege *privileges;
	size_t n_privileges;
	/* Of which the process becomes a member where it may: it gives files to this group later. */
	const char *group;	  /* NULL: none */
	const char *const *calls; /* names, NULL at the end (privilege/list.py) */
	const int *families;	  /* of sockets */
	size_t n_families;
};

/* The lists (*.syscalls). */
extern const char *const podfenced_calls[], *const podfence_ship_calls[];

/* Is needed, and the process does not have it (effective). */
PF_MUST_CHECK bool privilege_is_missing(const struct privilege *privilege);
const char *privilege_name(const struct privilege *privilege, char text[static 32]);

PF_MUST_CHECK int privilege_begin(const struct privilege_profile *profile);
/* The capabilities; then privilege_filter(). */
PF_MUST_CHECK int privilege_settle(const struct privilege_profile *profile);

/* filter.c: from now on what is not in the lists answers ENOSYS and stands in the kernel's log. It never
 * ends the process: a library that asks for something new gets an error to deal with, the fence stays.
 * -EOPNOTSUPP where the kernel has no filters, and in a program with sanitizers, which need more. */
PF_MUST_CHECK int privilege_filter(const struct privilege_profile *profile);
/* The same in a program with sanitizers too, for tests of it. */
PF_MUST_CHECK int privilege_filter_load(const struct privilege_profile *profile);
