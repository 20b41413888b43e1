/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A ring of bytes between the events and a descriptor. A line enters it whole or not at all, and leaves it
 * in order; the kernel may take any part of it, the rest goes first next time. That is all that keeps
 * lines untorn.
 *
 * Not waiting is a property of the open file description, which is shared with the shell, journald or the
 * container runtime that gave us stdout, so O_NONBLOCK may not be set on it. Hence four ways:
 *
 *	stream socket	  sendmsg(MSG_DONTWAIT)
 *	message socket	  the same, one line a message
 *	pipe, terminal	  a description of our own, opened through /proc/self/fd with O_NONBLOCK
 *	the same, but it cannot be opened (another user's, no /proc): poll, then at most PIPE_BUF bytes.
 *			  Linux says a pipe is writable when a whole page is free, so this waits only if a
 *			  second writer takes that page in between
 *
 * Regular files are written as they are: a full disk is a slow reader there.
 *
 * A lasting output outlives its readers: what waits goes to the next one, from the beginning of a
 * line. The rest of a line that the last reader got a part of is lost. */
#include "event/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FLUSH_AT                                                                                   \
	65536 /* bytes that wait before a write sends by itself: a default pipe's worth            \
	       */

enum output_way { WAY_WRITE, WAY_POLL_WRITE, WAY_STREAM, WAY_MESSAGE };

struct output {
	int fd;
	enum output_way way;
	bool can_poll;
	bool is_lasting;  /* fd is -1 while there is no reader */
	bool is_mid_line; /* the kernel has a part of the first line that waits */
	bool is_stuck;	  /* the kernel took nothing last time: do not ask again on every line */
	int gone;	  /* negative errno once the reader is gone */
	uint64_t lines_waiting, lines_written, lines_dropped;
	size_t capacity, start, waiting;
	char ring[];
};

/* epoll is asked, because it is what the loop will use: it refuses regular files and some devices.
 */
static int pollable(int fd, bool *ret_can_poll)
{
	struct epoll_event event = {.events = EPOLLOUT};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return -errno;
	int r = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
	close(epoll);
	if (r < 0 && r != -EPERM)
		return r;
	*ret_can_poll = r == 0;
	return 0;
}

static int fd_duplicate(struct output *output, int fd, enum output_way way)
{
	output->way = way;
	output->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return output->fd < 0 ? -errno : 0;
}

static int socket_attach(struct output *output, int fd)
{
	int type;
	socklen_t length = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return -errno;
	return fd_duplicate(output, fd, type == SOCK_STREAM ? WAY_STREAM : WAY_MESSAGE);
}

static int description_attach(struct output *output, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	output->way = WAY_WRITE;
	output->fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (output->fd >= 0)
		return 0;
	if (errno == ENXIO) /* a pipe nobody reads */
		output->gone = -EPIPE;
	return fd_duplicate(output, fd, WAY_POLL_WRITE);
}

static int output_attach(struct output *output, int fd)
{
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return -errno;
	int mode = fcntl(fd, F_GETFL);
	if (mode < 0)
		return -errno;
	if ((mode & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (S_ISSOCK(status.st_mode))
		r = socket_attach(output, fd);
	else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))
		r = description_attach(output, fd);
	else
		r = fd_duplicate(output, fd, WAY_WRITE);
	return r < 0 ? r : pollable(output->fd, &output->can_poll);
}

int output_new(int fd, size_t capacity, struct output **ret_output)
{
	if (!capacity || capacity > SIZE_MAX - sizeof(struct output))
		return -EINVAL;
	struct output *output = malloc(sizeof(*output) + capacity);
	if (!output)
		return -ENOMEM;
	*output = (struct output){.fd = -1, .capacity = capacity};
	int r = output_attach(output, fd);
	if (r < 0) {
		output_free(output);
		return r;
	}
	*ret_output = output;
	return 0;
}

int output_new_lasting(size_t capacity, struct output **ret_output)
{
	if (!capacity || capacity > SIZE_MAX - sizeof(struct output))
		return -EINVAL;
	struct output *output = malloc(sizeof(*output) + capacity);
	if (!output)
		return -ENOMEM;
	*output = (struct output){.fd = -1, .capacity = capacity, .is_lasting = true};
	*ret_output = output;
	return 0;
}

int output_take_reader(struct output *output, int fd)
{
	output_leave_reader(output);
	output->is_stuck = false;
	int r = output_attach(output, fd);
	if (r < 0)
		output_leave_reader(output);
	return r;
}

struct output *output_free(struct output *output)
{
	if (!output)
		return NULL;
	if (output->waiting)
		output_flush(output);
	if (output->fd >= 0)
		close(output->fd);
	free(output);
	return NULL;
}

/* The first `length` waiting bytes, in one or two pieces. */
static int ring_pieces(struct output *output, size_t length, struct iovec pieces[static 2])
{
	size_t first = output->capacity - output->start;

	if (first > length)
		first = length;
	pieces[0] = (struct iovec){output->ring + output->start, first};
	pieces[1] = (struct iovec){output->ring, length - first};
	return length > first ? 2 : 1;
}

static uint64_t newlines_count(const struct iovec *piece)
{
	const char *at = piece->iov_base, *end = at + piece->iov_len;
	uint64_t n = 0;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		n++;
		at++;
	}
	return n;
}

/* Takes `length` bytes out of the ring; returns how many lines ended among them. */
static uint64_t ring_take(struct output *output, size_t length)
{
	struct iovec pieces[2];
	int n = ring_pieces(output, length, pieces);
	uint64_t lines = 0;

	for (int i = 0; i < n; i++)
		lines += newlines_count(&pieces[i]);
	if (length)
		output->is_mid_line =
			output->ring[(output->start + length - 1) % output->capacity] != '\n';
	output->start = (output->start + length) % output->capacity;
	output->waiting -= length;
	output->lines_waiting -= lines;
	return lines;
}

static void ring_put(struct output *output, const char *bytes, size_t length)
{
	size_t at = (output->start + output->waiting) % output->capacity;
	size_t first = output->capacity - at;

	if (first > length)
		first = length;
	memcpy(output->ring + at, bytes, first);
	memcpy(output->ring, bytes + first, length - first);
	output->waiting += length;
	output->lines_waiting++;
}

static size_t first_line_length(struct output *output)
{
	struct iovec pieces[2];
	int n = ring_pieces(output, output->waiting, pieces);
	size_t length = 0;

	for (int i = 0; i < n; i++) {
		const char *begin = pieces[i].iov_base;
		const char *newline = memchr(begin, '\n', pieces[i].iov_len);
		if (newline)
			return length + (size_t)(newline - begin) + 1;
		length += pieces[i].iov_len;
	}
	return length;
}

/* Hands the first `length` bytes to the kernel: what it took, or a negative errno. */
static ssize_t ring_send(struct output *output, size_t length)
{
	struct iovec pieces[2];
	int n = ring_pieces(output, length, pieces);
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)n};
	struct pollfd poll_fd = {.fd = output->fd, .events = POLLOUT};
	ssize_t sent;

	switch (output->way) {
	case WAY_STREAM:
	case WAY_MESSAGE: sent = sendmsg(output->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); break;
	case WAY_POLL_WRITE:
		if (poll(&poll_fd, 1, 0) <= 0)
			return -EAGAIN;
		sent = writev(output->fd, pieces, n);
		break;
	default: sent = writev(output->fd, pieces, n);
	}
	return sent < 0 ? -errno : sent;
}

static size_t send_length(struct output *output)
{
	if (output->way == WAY_MESSAGE)
		return first_line_length(output);
	if (output->way == WAY_POLL_WRITE && output->waiting > PIPE_BUF)
		return PIPE_BUF;
	return output->waiting;
}

/* Errors that a reader, or a disk, recovers from. */
static bool is_passing(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM || error == -ENOSPC ||
	       error == -EDQUOT;
}

void output_leave_reader(struct output *output)
{
	if (output->is_mid_line)
		output->lines_dropped += ring_take(output, first_line_length(output));
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
	output->can_poll = false;
	output->is_stuck = true;
}

static void output_abandon(struct output *output, int error)
{
	if (output->is_lasting) {
		output_leave_reader(output);
		return;
	}
	output->gone = error;
	output->lines_dropped += output->lines_waiting;
	output->lines_waiting = output->waiting = output->start = 0;
}

int output_flush(struct output *output)
{
	while (output->waiting && !output->gone && output->fd >= 0) {
		size_t length = send_length(output);
		ssize_t sent = ring_send(output, length);

		if (sent > 0)
			output->lines_written += ring_take(output, (size_t)sent);
		else if (sent == -EMSGSIZE && output->way == WAY_MESSAGE)
			output->lines_dropped += ring_take(output, length);
		else if (sent == 0 || is_passing((int)sent))
			break;
		else if (sent != -EINTR)
			output_abandon(output, (int)sent);
	}
	output->is_stuck = output->waiting > 0;
	return output->gone ? output->gone : output->waiting > 0;
}

void output_write(struct output *output, const char *line, size_t length)
{
	bool is_line = length && memchr(line, '\n', length) == line + length - 1;

	if (output->capacity - output->waiting < length && !output->is_stuck)
		output_flush(output);
	if (!is_line || output->gone || output->capacity - output->waiting < length) {
		output->lines_dropped++;
		return;
	}
	ring_put(output, line, length);
	if (output->waiting >= FLUSH_AT && !output->is_stuck)
		output_flush(output);
}

int output_fd(const struct output *output)
{
	return output->can_poll ? output->fd : -1;
}

struct output_counts output_counts(const struct output *output)
{
	return (struct output_counts){
		.lines_written = output->lines_written,
		.lines_dropped = output->lines_dropped,
		.bytes_waiting = output->waiting,
	};
}
