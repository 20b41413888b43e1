/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Which processes have a socket open. */

#define HOLDERS_MAX 8
#define HINTS_MAX   64

/* Where sockets were found before: a program that opens one connection after the other has each under the same
 * number. */
struct holder_hints {
	struct {
		pid_t pid;
		int descriptor;
	} hints[HINTS_MAX];
	size_t next;
};

struct holder_search {
	int proc;	   /* descriptor of /proc */
	uint64_t inode;	   /* of the socket */
	const pid_t *pids; /* who can have it */
	size_t n_pids;
	uint64_t deadline_usec; /* CLOCK_MONOTONIC: nothing is looked at any more */
	/* Once a holder is found and this is over, others are looked for under its number only. */
	uint64_t enough_usec;
	struct holder_hints *hints;
};

struct holders {
	pid_t pids[HOLDERS_MAX];
	size_t n;
	bool are_all; /* every open file of every process was looked at */
	bool is_cut;  /* the deadline came before anything was found */
};

void holders_find(const struct holder_search *search, struct holders *ret_holders);
