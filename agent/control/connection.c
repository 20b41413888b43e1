/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A connection is read while no call is under way, and a call goes on while what was said before is taken:
 *
 *	reading -> a whole message -> start -> step, step, ... -> reading
 *	             otherwise: ended       ^ only while less than OUT_LOW waits to be sent
 *
 * Each turn of the loop does one of these; the rest waits in a deferred source of the lowest priority, so
 * that a packet's event always comes first. A caller that breaks the protocol gets no answer: there is no
 * call to answer. */
#include "control/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_PIECE 4096
#define OUT_LOW	   65536

static uint64_t now(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}

static void reply_begin(struct control_connection *connection, struct json *json)
{
	json_init(json, &connection->out);
	json_object_begin(json, NULL);
}

static void reply_end(struct control_connection *connection, struct json *json)
{
	json_object_end(json);
	buffer_add_char(&connection->out, '\0');
}

static void reply_error(struct control_connection *connection, const char *name, const char *key,
			const char *value)
{
	struct json json;

	control_server_counts(connection->server)->errors++;
	if (connection->call.is_oneway)
		return;
	reply_begin(connection, &json);
	json_string(&json, "error", name);
	json_object_begin(&json, "parameters");
	if (key)
		json_string(&json, key, value);
	json_object_end(&json);
	reply_end(connection, &json);
}

/* The members that control_fail() collected. */
static void reply_failure(struct control_connection *connection)
{
	struct json json;

	control_server_counts(connection->server)->errors++;
	if (connection->call.is_oneway)
		return;
	reply_begin(connection, &json);
	json_string(&json, "error", connection->request.error_name);
	json_object_begin(&json, "parameters");
	json_raw(&json, NULL, connection->error.bytes, connection->error.length);
	json_object_end(&json);
	reply_end(connection, &json);
	connection->out.is_broken |= connection->error.is_broken;
}

static struct control_connection *connection_of(struct control_request *request)
{
	return (void *)((char *)request - offsetof(struct control_connection, request));
}

const struct control_options *control_request_options(struct control_request *request)
{
	return control_server_options(connection_of(request)->server);
}

struct json *control_fail(struct control_request *request, const char *error)
{
	struct control_connection *connection = connection_of(request);

	buffer_clear(&connection->error);
	json_init(&request->error, &connection->error);
	request->error_name = error;
	return &request->error;
}

int control_fail_parameter(struct control_request *request, const char *name)
{
	json_string(control_fail(request, CONTROL_E_PARAMETER), "parameter", name);
	return CONTROL_FAILED;
}

static void end_call(struct control_connection *connection)
{
	if (connection->method && connection->method->stop && connection->request.state)
		connection->method->stop(&connection->request);
	free(connection->request.state);
	connection->request = (struct control_request){};
	connection->method = NULL;
	connection->is_waiting = false;
	call_done(&connection->call);
	connection->idle_usec = now();
}

/* What a method returned, said. `begin`: where its reply begins in `out`. */
static void take_outcome(struct control_connection *connection, int outcome, size_t begin)
{
	if (outcome == CONTROL_AGAIN && connection->request.wants_more)
		return;
	if (outcome == CONTROL_WAIT) {
		connection->is_waiting = true;
		return;
	}
	if (outcome != CONTROL_DONE || connection->call.is_oneway)
		connection->out.length = begin;
	if (outcome == CONTROL_FAILED)
		reply_failure(connection);
	else if (outcome < 0)
		reply_error(connection, "io.podfence.Agent.Failed", "reason", strerror(-outcome));
	else if (outcome != CONTROL_DONE)
		reply_error(connection, "org.varlink.service.ExpectedMore", NULL, NULL);
	end_call(connection);
}

static void step(struct control_connection *connection)
{
	size_t begin = connection->out.length;
	struct json json;

	reply_begin(connection, &json);
	json_object_begin(&json, "parameters");
	int outcome = connection->method->step(&connection->request, &json);
	json_object_end(&json);
	if (outcome == CONTROL_WAIT)
		connection->out.length = begin;
	if (outcome == CONTROL_AGAIN)
		json_boolean(&json, "continues", true);
	if (outcome != CONTROL_WAIT)
		reply_end(connection, &json);
	take_outcome(connection, outcome, begin);
}

/* A method that exists, may be called and likes its parameters. */
static void start(struct control_connection *connection)
{
	const struct control_options *options = control_server_options(connection->server);
	const struct control_interface *interface = options->interface;
	const char *name = connection->call.method;
	const struct control_method *method = control_find_method(interface, name);
	const struct control_caller *caller = &connection->caller;

	connection->request = (struct control_request){
		.userdata = options->userdata,
		.caller = caller,
		.parameters = connection->call.parameters,
		.wants_more = connection->call.wants_more,
	};
	control_server_counts(connection->server)->calls++;
	if (!caller->may_read || (method && method->changes && !caller->may_change)) {
		control_server_counts(connection->server)->refused_permission++;
		reply_error(connection, "org.varlink.service.PermissionDenied", NULL, NULL);
	} else if (!method && !control_has_interface(interface, name)) {
		reply_error(connection, "org.varlink.service.InterfaceNotFound", "interface", name);
	} else if (!method) {
		reply_error(connection, "org.varlink.service.MethodNotFound", "method", name);
	} else if (connection->call.wants_upgrade) {
		reply_error(connection, "org.varlink.service.MethodNotImplemented", "method", name);
	} else {
		connection->method = method;
		if (method->state_size)
			connection->request.state = calloc(1, method->state_size);
		int outcome = method->state_size && !connection->request.state ? -ENOMEM
			      : method->start ? method->start(&connection->request)
					      : CONTROL_DONE;
		if (outcome != CONTROL_DONE)
			take_outcome(connection, outcome, connection->out.length);
		return;
	}
	end_call(connection);
}

/* Whether a whole message was there. */
static bool take_message(struct control_connection *connection)
{
	struct buffer *in = &connection->in;
	char *end = in->length > connection->scanned ? memchr(in->bytes + connection->scanned, '\0',
							      in->length - connection->scanned)
						     : NULL;
	const char *reason;

	connection->scanned = in->length;
	if (!end) {
		connection->is_ending = in->length >= CONTROL_MESSAGE_MAX;
		control_server_counts(connection->server)->malformed += connection->is_ending;
		return false;
	}
	size_t length = (size_t)(end - in->bytes);
	if (call_parse(in->bytes, length, &connection->call, &reason) != 0) {
		connection->is_ending = true;
		control_server_counts(connection->server)->malformed++;
		return false;
	}
	in->length -= length + 1;
	memmove(in->bytes, end + 1, in->length);
	connection->scanned = 0;
	connection->message_usec = in->length ? now() : 0;
	start(connection);
	return true;
}

/* 0, or a negative errno: the connection is no good any more. */
static int receive(struct control_connection *connection)
{
	char *room = buffer_extend(&connection->in, READ_PIECE);

	if (!room)
		return -ENOMEM;
	ssize_t n = recv(connection->fd, room, READ_PIECE, MSG_DONTWAIT);
	int error = n < 0 ? errno : 0;
	connection->in.length -= READ_PIECE - (n > 0 ? (size_t)n : 0);
	if (error)
		return error == EAGAIN || error == EINTR ? 0 : -error;
	if (n == 0)
		connection->is_at_end = true;
	else if (!connection->message_usec)
		connection->message_usec = now();
	return 0;
}

static int flush(struct control_connection *connection)
{
	struct buffer *out = &connection->out;

	while (connection->sent < out->length) {
		ssize_t n = send(connection->fd, out->bytes + connection->sent,
				 out->length - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		connection->sent += (size_t)n;
		connection->send_usec = now();
	}
	buffer_clear(out);
	connection->sent = 0;
	connection->send_usec = 0;
	return 0;
}

/* What was sent makes room, or a long answer to a slow reader would never stop to grow. */
static void compact(struct control_connection *connection)
{
	struct buffer *out = &connection->out;

	if (connection->sent < OUT_LOW)
		return;
	out->length -= connection->sent;
	memmove(out->bytes, out->bytes + connection->sent, out->length);
	connection->sent = 0;
}

static bool may_read(const struct control_connection *connection)
{
	return !connection->method && !connection->is_at_end && !connection->is_ending &&
	       connection->in.length == connection->scanned;
}

/* Something can be done without anything coming first. */
static bool has_work(const struct control_connection *connection)
{
	if (connection->is_ending)
		return false;
	if (connection->method)
		return !connection->is_waiting &&
		       connection->out.length - connection->sent < OUT_LOW;
	return connection->in.length > connection->scanned;
}

static bool is_over(const struct control_connection *connection)
{
	bool has_said_all = connection->sent == connection->out.length;

	if (connection->is_ending)
		return has_said_all;
	return connection->is_at_end && !connection->method && has_said_all &&
	       !has_work(connection);
}

static uint64_t find_deadline(const struct control_connection *connection)
{
	const struct control_options *options = control_server_options(connection->server);

	if (connection->sent < connection->out.length)
		return connection->send_usec + options->send_timeout * 1000ull;
	if (connection->method)
		return UINT64_MAX;
	if (connection->message_usec)
		return connection->message_usec + options->message_timeout * 1000ull;
	return connection->idle_usec + options->idle_timeout * 1000ull;
}

/* Says to the loop what it waits for; ends what is over. */
static void settle(struct control_connection *connection, int error)
{
	if (!error && connection->out.length)
		error = connection->out.is_broken ? -ENOMEM : flush(connection);
	if (error || connection->in.is_broken || is_over(connection)) {
		control_server_forget(connection->server, connection);
		return;
	}
	compact(connection);
	bool must_send = connection->sent < connection->out.length;
	if (must_send && !connection->send_usec)
		connection->send_usec = now();
	uint32_t events = (may_read(connection) ? (uint32_t)EPOLLIN : 0) |
			  (must_send ? (uint32_t)EPOLLOUT : 0);
	uint64_t deadline = find_deadline(connection);
	int r = sd_event_source_set_io_events(connection->io, events);
	if (r >= 0)
		r = sd_event_source_set_enabled(
			connection->turn, has_work(connection) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	if (r >= 0 && deadline != UINT64_MAX)
		r = sd_event_source_set_time(connection->timer, deadline);
	if (r >= 0)
		r = sd_event_source_set_enabled(connection->timer, deadline == UINT64_MAX
									   ? SD_EVENT_OFF
									   : SD_EVENT_ONESHOT);
	if (r < 0)
		control_server_forget(connection->server, connection);
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct control_connection *connection = userdata;

	if (connection->method)
		step(connection);
	else
		(void)take_message(connection);
	settle(connection, 0);
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct control_connection *connection = userdata;
	int r = 0;

	if (events & EPOLLIN && may_read(connection))
		r = receive(connection);
	else if (events & (EPOLLHUP | EPOLLERR) && !has_work(connection))
		r = -EPIPE; /* what was begun before it went is done all the same */
	settle(connection, r);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct control_connection *connection = userdata;

	control_server_counts(connection->server)->timed_out +=
		connection->message_usec || connection->sent < connection->out.length;
	control_server_forget(connection->server, connection);
	return 0;
}

static int add_sources(struct control_connection *connection, sd_event *loop, int priority)
{
	int r = sd_event_add_io(loop, &connection->io, connection->fd, EPOLLIN, on_io, connection);

	if (r >= 0)
		r = sd_event_source_set_priority(connection->io, priority);
	if (r >= 0)
		r = sd_event_add_defer(loop, &connection->turn, on_turn, connection);
	if (r >= 0)
		r = sd_event_source_set_enabled(connection->turn, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(connection->turn, priority);
	if (r >= 0)
		r = sd_event_add_time(loop, &connection->timer, CLOCK_MONOTONIC,
				      find_deadline(connection), 0, on_time, connection);
	return r < 0 ? r : sd_event_source_set_priority(connection->timer, priority);
}

int control_connection_new(struct control_server *server, int fd,
			   const struct control_caller *caller,
			   struct control_connection **ret_connection)
{
	struct control_connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		close(fd);
		return -ENOMEM;
	}
	connection->server = server;
	connection->fd = fd;
	connection->caller = *caller;
	connection->idle_usec = now();
	int r = add_sources(connection, control_server_loop(server),
			    control_server_options(server)->priority);
	if (r < 0) {
		control_connection_free(connection);
		return r;
	}
	*ret_connection = connection;
	return 0;
}

struct control_connection *control_connection_free(struct control_connection *connection)
{
	if (!connection)
		return NULL;
	end_call(connection);
	sd_event_source_disable_unref(connection->io);
	sd_event_source_disable_unref(connection->turn);
	sd_event_source_disable_unref(connection->timer);
	close(connection->fd);
	buffer_done(&connection->in);
	buffer_done(&connection->out);
	buffer_done(&connection->error);
	free(connection);
	return NULL;
}

void control_connection_wake(struct control_connection *connection)
{
	if (!connection->is_waiting)
		return;
	connection->is_waiting = false;
	settle(connection, 0);
}
