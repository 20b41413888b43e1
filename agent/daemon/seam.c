/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The seam: event lines to one reader of a stream socket, podfence-ship. It may come late, stop or
 * die: what it does not take waits in a buffer of events.buffer bytes, and what does not fit there
 * is dropped, the newest first. Nothing is read from it.
 *
 * A reader has to know what it did not get, and a dead one cannot be asked what it had read. So
 * every few seconds there is a line of dataset podfence.state: podfence.seam.lines says how many
 * events of this life of the agent (podfence.seam.agent) stand before it, received or lost. The
 * same line carries the numbers of the agent, so that the reader needs no right on the control
 * socket, and is told even if it is stuck in a queue there. */
#include "daemon/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/listen.h"
#include "daemon/control.h"
#include "event/timestamp.h"

#define SEAM_GROUP	"podfence"
#define BACKLOG		4
#define STATE_USEC	5000000u
#define RAW(json, text) json_raw(json, NULL, text, sizeof(text) - 1)

static void reader_leave(struct seam *seam)
{
	seam->reader_source = sd_event_source_disable_unref(seam->reader_source);
	output_leave_reader(seam->output);
	if (seam->reader >= 0)
		close(seam->reader);
	seam->reader = -1;
}

void seam_flush(struct daemon *daemon)
{
	struct seam *seam = &daemon->seam;

	if (seam->reader < 0)
		return;
	int r = output_flush(seam->output);
	if (output_fd(seam->output) < 0)
		reader_leave(seam);
	else
		(void)sd_event_source_set_io_events(seam->reader_source,
						    EPOLLRDHUP | (r == 1 ? EPOLLOUT : 0));
}

void seam_write(struct daemon *daemon, const char *line, size_t length)
{
	if (!daemon->seam.output)
		return;
	daemon->seam.lines++;
	output_write(daemon->seam.output, line, length);
}

static void write_state(struct daemon *daemon)
{
	struct seam *seam = &daemon->seam;
	struct output_counts counts = output_counts(seam->output);
	char now[TIMESTAMP_LENGTH];
	struct json json;

	timestamp_text(clock_usec(CLOCK_REALTIME), now);
	buffer_clear(&seam->line);
	json_init(&json, &seam->line);
	json_object_begin(&json, NULL);
	json_string_n(&json, "@timestamp", now, sizeof(now));
	RAW(&json, "\"ecs\":{\"version\":\"8.11.0\"},\"event\":{\"kind\":\"state\",\"module\":"
		   "\"podfence\",\"dataset\":\"podfence.state\"}");
	json_object_begin(&json, "podfence");
	json_object_begin(&json, "seam");
	json_string(&json, "agent", daemon->stream.agent_id);
	json_uint(&json, "lines", seam->lines);
	json_uint(&json, "dropped", counts.lines_dropped);
	json_uint(&json, "waiting", counts.bytes_waiting);
	json_uint(&json, "refused", seam->refused);
	json_object_end(&json);
	json_object_begin(&json, "status");
	control_status_numbers(&json, daemon);
	json_object_end(&json);
	json_object_end(&json);
	json_object_end(&json);
	buffer_add_char(&seam->line, '\n');
	if (!seam->line.is_broken)
		output_write(seam->output, seam->line.bytes, seam->line.length);
}

/* Only while somebody reads: lines of state would push events out of a buffer that is full. */
static int on_state(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	if (daemon->seam.reader >= 0) {
		write_state(daemon);
		seam_flush(daemon);
	}
	(void)sd_event_source_set_time_relative(source, STATE_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_reader(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;

	if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		reader_leave(&daemon->seam);
	else
		seam_flush(daemon);
	return 0;
}

/* Whose lines follow, before any of them; a fresh socket has room for it. */
static void say_hello(struct daemon *daemon, int fd)
{
	char hello[256];
	int n = snprintf(hello, sizeof(hello),
			 "{\"event\":{\"kind\":\"state\",\"module\":\"podfence\",\"dataset\":"
			 "\"podfence.state\"},\"podfence\":{\"seam\":{\"agent\":\"%s\"}}}\n",
			 daemon->stream.agent_id);

	if (send(fd, hello, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		(void)shutdown(fd, SHUT_RDWR); /* it is noticed as gone */
}

static int reader_take(struct daemon *daemon, int fd)
{
	struct seam *seam = &daemon->seam;
	int r = sd_event_add_io(daemon->loop, &seam->reader_source, fd, EPOLLRDHUP, on_reader,
				daemon);

	if (r >= 0)
		r = sd_event_source_set_priority(seam->reader_source, PRIORITY_REST);
	say_hello(daemon, fd);
	if (r >= 0)
		r = output_take_reader(seam->output, fd);
	seam->reader = fd;
	if (r < 0)
		reader_leave(seam);
	return r;
}

/* One that left and came back at once stands at the door before the loop has told that it left. */
static bool has_left(int reader)
{
	struct pollfd look = {.fd = reader, .events = POLLRDHUP};

	return poll(&look, 1, 0) > 0 && look.revents;
}

/* The first one keeps its place: a second podfence-ship would take events away from it. */
static int on_connect(sd_event_source *source, int listening, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	struct seam *seam = &daemon->seam;
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return 0;
	if (seam->reader >= 0 && has_left(seam->reader))
		reader_leave(seam);
	if (seam->reader >= 0) {
		seam->refused++;
		close(fd);
		return 0;
	}
	int r = reader_take(daemon, fd);
	if (r < 0)
		diag_cannot("write events to the socket's reader", r);
	else
		(void)on_state(seam->state_source, 0, daemon);
	return 0;
}

static int add_sources(struct daemon *daemon)
{
	struct seam *seam = &daemon->seam;
	int r = sd_event_add_io(daemon->loop, &seam->listen_source, seam->listening, EPOLLIN,
				on_connect, daemon);

	if (r >= 0)
		r = sd_event_source_set_priority(seam->listen_source, PRIORITY_REST);
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->loop, &seam->state_source, CLOCK_MONOTONIC,
					       STATE_USEC, 0, on_state, daemon);
	return r < 0 ? r : sd_event_source_set_priority(seam->state_source, PRIORITY_REST);
}

void seam_open(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct seam *seam = &daemon->seam;

	if (!config->events.socket[0])
		return;
	int r = listen_at(config->events.socket, group_find(SEAM_GROUP), BACKLOG, &seam->listening);
	if (r == 0 && !seam->output)
		r = output_new_lasting(config->events.buffer, &seam->output);
	if (r == 0)
		r = add_sources(daemon);
	if (r >= 0)
		return;
	if (r == -EADDRINUSE)
		diag_seam_held(config->events.socket);
	else
		diag_cannot("open the socket for events (events.socket)", r);
	seam_close(daemon);
}

void seam_change(struct daemon *daemon, const struct config *before)
{
	const struct config *config = daemon->config;

	if (daemon->seam.output && !strcmp(before->events.socket, config->events.socket) &&
	    before->events.buffer == config->events.buffer)
		return;
	if (daemon->seam.listening >= 0)
		(void)unlink(before->events.socket);
	seam_close(daemon);
	seam_open(daemon);
}

/* With a last line of state, so that what is lost now is counted too. The socket's file stays: who
 * comes next replaces it. */
void seam_close(struct daemon *daemon)
{
	struct seam *seam = &daemon->seam;

	if (seam->reader >= 0) {
		write_state(daemon);
		seam_flush(daemon);
	}
	if (seam->output)
		reader_leave(seam);
	seam->listen_source = sd_event_source_disable_unref(seam->listen_source);
	seam->state_source = sd_event_source_disable_unref(seam->state_source);
	if (seam->listening >= 0)
		close(seam->listening);
	seam->listening = -1;
	seam->output = output_free(seam->output);
	buffer_done(&seam->line);
}
