/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "control/call.h"
#include "control/server.h"

/* One client: its bytes in and out, and the call it has under way. */
struct control_connection {
	struct control_server *server;
	struct control_connection *next, *previous;
	int fd;
	struct control_caller caller;
	struct buffer in, out;
	size_t scanned, sent;
	bool is_at_end;	 /* it sends nothing more */
	bool is_ending;	 /* ours: what is in `out` is the last */
	bool is_waiting; /* in a method that has nothing to say now */
	struct call call;
	const struct control_method *method; /* NULL: no call is under way */
	struct control_request request;
	struct buffer error;
	uint64_t message_usec, send_usec,
		idle_usec; /* since when; CLOCK_MONOTONIC, 0: it does not */
	sd_event_source *io, *turn, *timer;
};

/* server.c */
const struct control_options *control_server_options(const struct control_server *server);
struct control_counts *control_server_counts(struct control_server *server);
sd_event *control_server_loop(const struct control_server *server);
void control_server_forget(struct control_server *server, struct control_connection *connection);

/* service.c: NULL: no such method. */
const struct control_method *control_find_method(const struct control_interface *interface,
						 const char *name);
bool control_has_interface(const struct control_interface *interface, const char *method);

/* connection.c. Takes the descriptor over, also when it fails. */
PF_MUST_CHECK int control_connection_new(struct control_server *server, int fd,
					 const struct control_caller *caller,
					 struct control_connection **ret_connection);
struct control_connection *control_connection_free(struct control_connection *connection);
/* Of the server that a method runs on. */
const struct control_options *control_request_options(struct control_request *request);
void control_connection_wake(struct control_connection *connection);
