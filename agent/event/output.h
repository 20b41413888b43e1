/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

/* Event lines to a descriptor that may be slow, stuck or gone, without ever waiting for it. What
 * does not fit is kept in a bounded buffer; what does not fit there is dropped, whole lines, and
 * counted. A line that was begun is always finished: a reader never sees half of one.
 *
 * Lines are collected and sent together: the caller flushes at the end of a turn of its loop, and
 * again when the descriptor is writable as long as something waits. The process ignores SIGPIPE. */
struct output;

struct output_counts {
	uint64_t lines_written; /* handed to the kernel completely */
	uint64_t lines_dropped;
	uint64_t bytes_waiting;
};

/* Gives the descriptor non-blocking behaviour of its own where it can (pipe, terminal: reopened
 * through /proc/self/fd; socket: MSG_DONTWAIT), because O_NONBLOCK would be shared with whoever
 * else has it. A regular file is written as it is. Does not take `fd` over. A reader that is gone
 * already is no failure: everything is dropped and counted then. */
PF_MUST_CHECK int output_new(int fd, size_t capacity, struct output **ret_output);
/* One whose readers, stream sockets, come and go: what is written between them waits in the buffer.
 * There is none at first; a reader that is gone is left by itself (output_fd() says -1 then). */
PF_MUST_CHECK int output_new_lasting(size_t capacity, struct output **ret_output);
PF_MUST_CHECK int output_take_reader(struct output *output, int fd); /* instead of the last one */
void output_leave_reader(struct output *output);
/* Flushes once more; what still waits then is lost. */
struct output *output_free(struct output *output);

/* One line with its newline, which is its only one (else it is dropped). Never waits, never fails:
 * what is lost is counted. */
void output_write(struct output *output, const char *line, size_t length);

/* Tries to send what waits. 1: something still waits (poll for writing); 0: nothing; negative
 * errno: the reader is gone, what waits and comes is dropped and counted. */
int output_flush(struct output *output);

/* For polling; -1 where the descriptor cannot be polled (a regular file never makes us wait). */
int output_fd(const struct output *output);
struct output_counts output_counts(const struct output *output);
