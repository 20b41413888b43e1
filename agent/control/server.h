/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include <podfence/attributes.h>

#include "base/json.h"

/* The varlink server: JSON objects that end with a NUL on a stream socket, calls answered in order. It knows
 * org.varlink.service itself; what else there is stands in a table of methods.
 *
 * Nothing a client does makes it wait or grow: a turn of the loop reads one piece, or answers one call, or
 * makes one reply of a long answer, and a client that does not read gets no further reply made. */

struct control_server;

/* Who is asking, as the kernel says. */
struct control_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char process[16]; /* its name when it connected; "": not known */
	bool may_read;	  /* root, or in the group */
	bool may_change;  /* root */
};

struct control_request {
	void *userdata; /* of the server */
	const struct control_caller *caller;
	struct json_object *parameters; /* NULL: none */
	bool wants_more;
	void *state;	   /* state_size bytes of the method's own, zeroed at first */
	struct json error; /* control_fail() */
	const char *error_name;
};

enum {
	CONTROL_DONE,	/* that was the last reply */
	CONTROL_AGAIN,	/* there is more to say now; the caller has to have asked for "more" */
	CONTROL_WAIT,	/* nothing to say yet; asked again after control_wake() */
	CONTROL_FAILED, /* control_fail() said what; it is the last reply */
};

struct control_method {
	const char *name; /* with its interface */
	bool changes;	  /* root only */
	size_t state_size;
	/* Reads the parameters. CONTROL_DONE, CONTROL_FAILED or a negative errno; NULL: there are none. */
	int (*start)(struct control_request *request);
	/* Writes the members of one reply. One of the above, or a negative errno. */
	int (*step)(struct control_request *request, struct json *reply);
	void (*stop)(struct control_request *request); /* or NULL */
};

/* "InvalidParameter" and the like of org.varlink.service, or an error of ours. Returns where members of its
 * parameters are written to. */
#define CONTROL_E_PARAMETER "org.varlink.service.InvalidParameter"
struct json *control_fail(struct control_request *request, const char *error);
/* InvalidParameter of that name; returns CONTROL_FAILED. */
int control_fail_parameter(struct control_request *request, const char *name);

/* What the description is of, and whose methods they are. */
struct control_interface {
	const char *name;
	const char *description; /* varlink's own language */
	const struct control_method *methods;
	size_t n_methods;
};

struct control_options {
	const char *path;  /* of the socket */
	const char *group; /* its members may read; no such group: root alone */
	const struct control_interface *interface;
	const char *version, *url;
	int priority; /* of all its sources on the loop */
	/* Milliseconds: until a call that was begun is whole, for a reply to be taken, without any call. 0:
	 * the usual */
	unsigned message_timeout, send_timeout, idle_timeout;
	void *userdata;
};

struct control_counts {
	uint64_t clients; /* now */
	uint64_t connections, calls, errors;
	uint64_t refused_limit;	     /* too many clients, or of one user */
	uint64_t refused_permission; /* calls without the right to make them */
	uint64_t malformed;	     /* connections ended for what they sent */
	uint64_t timed_out;	     /* connections ended for being slow */
};

#define CONTROL_CLIENTS_MAX 64
#define CONTROL_USER_MAX    16 /* clients of one user who is not root */
#define CONTROL_MESSAGE_MAX 65536

/* -EADDRINUSE: somebody answers there already. */
PF_MUST_CHECK int control_server_new(sd_event *loop, const struct control_options *options,
				     struct control_server **ret_server);
/* Removes the socket. */
struct control_server *control_server_free(struct control_server *server);
/* Those who wait in this method are asked again. */
void control_wake(struct control_server *server, const char *method);
struct control_counts control_counts(const struct control_server *server);
