/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The reader's end of the seam. Whoever is at the other end, a line is bounded, and one that is no
 * JSON object is counted and refused. Lines of state say whose lines these are and how many there
 * have been: the difference to what came is lost, and is counted once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/diag.h"
#include "ship/ship.h"

#define RETRY_USEC     500000u
#define READ_BYTES     (128u << 10)
#define READS_PER_TURN 4

static void disconnect(struct ship *ship)
{
	struct intake *intake = &ship->intake;

	if (intake->fd < 0)
		return;
	ship_commit(ship); /* while it is known whose lines these are */
	intake->source = sd_event_source_disable_unref(intake->source);
	close(intake->fd);
	intake->fd = -1;
	buffer_clear(&intake->buffer); /* the agent counts a torn line itself */
	intake->is_skipping = false;
	intake->agent[0] = '\0';
	diag_ship_seam_lost(ship->config->seam_socket);
}

static void take_line(struct ship *ship, const char *line, size_t length)
{
	struct json_object *tree;
	struct ship_event event;
	int r = ship_parse(ship->parser, line, length, &tree, &event);

	if (r != 0) {
		ship->counts.lines++;
		ship->counts.refused++;
		ship->intake.received++;
		return;
	}
	if (event.kind == SHIP_STATE) {
		ship_take_state(ship, tree);
	} else {
		ship->counts.lines++;
		ship->intake.received++;
		ship_take_event(ship, &event, tree, line, length);
	}
	json_object_put(tree);
}

/* Whole lines out of the buffer; the rest stays at its beginning. */
static void take_lines(struct ship *ship)
{
	struct intake *intake = &ship->intake;
	char *at = intake->buffer.bytes, *end = at + intake->buffer.length, *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		if (!intake->is_skipping)
			take_line(ship, at, (size_t)(newline - at));
		intake->is_skipping = false;
		at = newline + 1;
	}
	size_t rest = (size_t)(end - at);
	if (rest > SHIP_LINE_MAX) { /* what follows up to its end is passed over */
		if (!intake->is_skipping)
			take_line(ship, at, rest);
		intake->is_skipping = true;
		rest = 0;
	}
	memmove(intake->buffer.bytes, at, rest);
	intake->buffer.length = rest;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct ship *ship = userdata;
	struct buffer *buffer = &ship->intake.buffer;

	for (int i = 0; i < READS_PER_TURN; i++) {
		char *room = buffer_extend(buffer, READ_BYTES);
		if (!room) {
			disconnect(ship);
			return 0;
		}
		ssize_t n = read(fd, room, READ_BYTES);
		buffer->length -= n < 0 ? READ_BYTES : READ_BYTES - (size_t)n;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			disconnect(ship);
			return 0;
		}
		take_lines(ship);
	}
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int r = -errno;
	close(fd);
	return r;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ship *ship = userdata;
	struct intake *intake = &ship->intake;

	(void)sd_event_source_set_time_relative(source, RETRY_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (intake->fd >= 0)
		return 0;
	int fd = connect_to(ship->config->seam_socket);
	if (fd < 0)
		return 0;
	intake->fd = fd;
	int r = sd_event_add_io(ship->loop, &intake->source, fd, EPOLLIN, on_readable, ship);
	if (r < 0) {
		disconnect(ship);
		return 0;
	}
	ship->counts.connections++;
	diag_ship_seam_good(ship->config->seam_socket);
	return 0;
}

int intake_open(struct ship *ship)
{
	ship->intake.fd = -1;
	int r = sd_event_add_time_relative(ship->loop, &ship->intake.retry, CLOCK_MONOTONIC, 0, 0,
					   on_retry, ship);

	return r < 0 ? r : 0;
}

void intake_done(struct ship *ship)
{
	struct intake *intake = &ship->intake;

	intake->retry = sd_event_source_disable_unref(intake->retry);
	intake->source = sd_event_source_disable_unref(intake->source);
	if (intake->fd >= 0)
		close(intake->fd);
	intake->fd = -1;
	buffer_done(&intake->buffer);
}
