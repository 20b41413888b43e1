/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The listening socket: who may come in, how many. The file's mode keeps strangers out, the kernel's word on
 * the peer decides what a caller may do. */
#include "control/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/listen.h"
#include "control/connection.h"

#define BACKLOG		32
#define MESSAGE_TIMEOUT 10000
#define SEND_TIMEOUT	30000
#define IDLE_TIMEOUT	300000
#define PAUSE_USEC	1000000u
#define GROUPS_MAX	65536 /* NGROUPS_MAX of the kernel */

struct control_server {
	struct control_options options;
	sd_event *loop;
	struct sockaddr_un address;
	int fd;
	gid_t group; /* (gid_t)-1: none */
	sd_event_source *source, *pause;
	struct control_connection *connections;
	struct control_counts counts;
};

const struct control_options *control_server_options(const struct control_server *server)
{
	return &server->options;
}

struct control_counts *control_server_counts(struct control_server *server)
{
	return &server->counts;
}

sd_event *control_server_loop(const struct control_server *server)
{
	return server->loop;
}

struct control_counts control_counts(const struct control_server *server)
{
	return server ? server->counts : (struct control_counts){};
}

void control_server_forget(struct control_server *server, struct control_connection *connection)
{
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	server->counts.clients--;
	control_connection_free(connection);
}

static bool is_in_group(int fd, gid_t group)
{
	static gid_t groups[GROUPS_MAX];
	socklen_t length = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0)
		return false;
	for (size_t i = 0; i < length / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static void read_process_name(pid_t pid, char name[static 16])
{
	char path[64], *text;
	size_t length;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (file_read(path, 4096, &text, &length) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(name, 16, "%s", text);
	free(text);
}

static int identify(const struct control_server *server, int fd, struct control_caller *ret_caller)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return -errno;
	bool is_root = credentials.uid == 0;
	bool is_member = server->group != (gid_t)-1 &&
			 (credentials.gid == server->group || is_in_group(fd, server->group));
	*ret_caller = (struct control_caller){
		.uid = credentials.uid,
		.gid = credentials.gid,
		.pid = credentials.pid,
		.may_read = is_root || is_member,
		.may_change = is_root,
	};
	read_process_name(credentials.pid, ret_caller->process);
	return 0;
}

/* Root always gets in: others together leave some room. */
static bool has_room(const struct control_server *server, const struct control_caller *caller)
{
	size_t of_user = 0, of_others = 0;

	if (server->counts.clients >= CONTROL_CLIENTS_MAX)
		return false;
	if (caller->may_change)
		return true;
	for (const struct control_connection *at = server->connections; at; at = at->next) {
		of_user += at->caller.uid == caller->uid;
		of_others += !at->caller.may_change;
	}
	return of_user < CONTROL_USER_MAX && of_others < CONTROL_CLIENTS_MAX - CONTROL_USER_MAX;
}

static void admit(struct control_server *server, int fd)
{
	struct control_connection *connection;
	struct control_caller caller;

	server->counts.connections++;
	if (identify(server, fd, &caller) < 0 || !has_room(server, &caller)) {
		server->counts.refused_limit++;
		close(fd);
		return;
	}
	if (control_connection_new(server, fd, &caller, &connection) < 0)
		return;
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	server->counts.clients++;
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct control_server *server = userdata;

	(void)sd_event_source_set_enabled(server->source, SD_EVENT_ON);
	return 0;
}

/* Without descriptors a listening socket stays readable: it is left alone for a while. */
static void pause_listening(struct control_server *server)
{
	(void)sd_event_source_set_enabled(server->source, SD_EVENT_OFF);
	(void)sd_event_source_set_time_relative(server->pause, PAUSE_USEC);
	(void)sd_event_source_set_enabled(server->pause, SD_EVENT_ONESHOT);
}

static int on_connect(sd_event_source *source, int listening, uint32_t events, void *userdata)
{
	struct control_server *server = userdata;
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		admit(server, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		pause_listening(server);
	return 0;
}

static int open_socket(struct control_server *server)
{
	const char *path = server->options.path;
	int n = snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(server->address.sun_path))
		return -ENAMETOOLONG;
	return listen_at(path, server->group, BACKLOG, &server->fd);
}

static int add_sources(struct control_server *server)
{
	int r = sd_event_add_io(server->loop, &server->source, server->fd, EPOLLIN, on_connect,
				server);

	if (r >= 0)
		r = sd_event_source_set_priority(server->source, server->options.priority);
	if (r >= 0)
		r = sd_event_add_time_relative(server->loop, &server->pause, CLOCK_MONOTONIC,
					       PAUSE_USEC, 0, on_pause_over, server);
	if (r >= 0)
		r = sd_event_source_set_enabled(server->pause, SD_EVENT_OFF);
	return r < 0 ? r : sd_event_source_set_priority(server->pause, server->options.priority);
}

int control_server_new(sd_event *loop, const struct control_options *options,
		       struct control_server **ret_server)
{
	struct control_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->options = *options;
	if (!server->options.message_timeout)
		server->options.message_timeout = MESSAGE_TIMEOUT;
	if (!server->options.send_timeout)
		server->options.send_timeout = SEND_TIMEOUT;
	if (!server->options.idle_timeout)
		server->options.idle_timeout = IDLE_TIMEOUT;
	server->loop = sd_event_ref(loop);
	server->fd = -1;
	server->group = group_find(options->group);
	int r = open_socket(server);
	server->options.path = server->address.sun_path; /* the caller's text may go */
	if (r == 0)
		r = add_sources(server);
	if (r < 0) {
		if (r == -EADDRINUSE) /* it is another's */
			server->address.sun_path[0] = '\0';
		control_server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

struct control_server *control_server_free(struct control_server *server)
{
	if (!server)
		return NULL;
	while (server->connections)
		control_server_forget(server, server->connections);
	sd_event_source_disable_unref(server->source);
	sd_event_source_disable_unref(server->pause);
	if (server->fd >= 0) {
		close(server->fd);
		if (server->address.sun_path[0])
			(void)unlink(server->address.sun_path);
	}
	sd_event_unref(server->loop);
	free(server);
	return NULL;
}

void control_wake(struct control_server *server, const char *method)
{
	struct control_connection *next;

	for (struct control_connection *at = server ? server->connections : NULL; at; at = next) {
		next = at->next; /* a connection that is no good goes while it is woken */
		if (at->method && !strcmp(at->method->name, method))
			control_connection_wake(at);
	}
}
