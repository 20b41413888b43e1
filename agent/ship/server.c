/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * /metrics, /livez, /readyz and /healthz over libmicrohttpd, without a thread of its own: its epoll
 * descriptor is a source of our loop. Requests have no body; connections are few and time out. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <microhttpd.h>

#include "base/diag.h"
#include "ship/ship.h"

#define CONNECTIONS_MAX	   32
#define CONNECTION_SECONDS 10
#define RUN_USEC	   1000000u

struct ship_http {
	struct MHD_Daemon *daemon;
	struct ship *ship;
	sd_event_source *source, *timer;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
			      struct buffer *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		text->length, text->is_broken ? NULL : text->bytes, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	buffer_done(text);
	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *body, size_t *body_length, void **request)
{
	const struct ship *ship = ((struct ship_http *)userdata)->ship;
	static const char plain[] = "text/plain; charset=utf-8";
	struct buffer text = BUFFER_INIT;
	unsigned status = MHD_HTTP_OK;

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		buffer_add_text(&text, "GET only\n");
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, plain, &text);
	}
	if (!strcmp(url, "/metrics")) {
		metrics_write(ship, &text);
		return answer(connection, status, "text/plain; version=0.0.4; charset=utf-8",
			      &text);
	}
	if (!strcmp(url, "/readyz")) {
		metrics_unready(ship, &text);
		status = text.length ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
	} else if (!strcmp(url, "/healthz")) {
		metrics_problems(ship, &text);
	} else if (strcmp(url, "/livez") != 0) {
		status = MHD_HTTP_NOT_FOUND;
		buffer_add_text(&text, "/metrics /livez /readyz /healthz\n");
	}
	if (!text.length)
		buffer_add_text(&text, "ok\n");
	return answer(connection, status, plain, &text);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	MHD_run(((struct ship_http *)userdata)->daemon);
	return 0;
}

/* Timeouts of connections that say nothing. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	MHD_run(((struct ship_http *)userdata)->daemon);
	(void)sd_event_source_set_time_relative(source, RUN_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int start_daemon(struct ship_http *server, const struct ship_config *config)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {};
	unsigned flags = MHD_USE_EPOLL;

	if (inet_pton(AF_INET, config->metrics_address, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons((uint16_t)config->metrics_port);
	} else if (inet_pton(AF_INET6, config->metrics_address, &address.v6.sin6_addr) == 1) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons((uint16_t)config->metrics_port);
		flags |= MHD_USE_IPv6;
	} else {
		return -EINVAL;
	}
	errno = 0;
	server->daemon = MHD_start_daemon(
		flags, (uint16_t)config->metrics_port, NULL, NULL, on_request, server,
		MHD_OPTION_SOCK_ADDR, &address.any, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS, MHD_OPTION_END);
	return server->daemon ? 0 : errno ? -errno : -EADDRINUSE;
}

int ship_http_open(struct ship *ship, struct ship_http **ret_server)
{
	struct ship_http *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->ship = ship;
	int r = start_daemon(server, ship->config);
	const union MHD_DaemonInfo *epoll =
		r < 0 ? NULL : MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	const union MHD_DaemonInfo *port =
		r < 0 ? NULL : MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
	if (r == 0 && (!epoll || !port))
		r = -ENOTSUP;
	if (r == 0)
		r = sd_event_add_io(ship->loop, &server->source, epoll->epoll_fd, EPOLLIN,
				    on_readable, server);
	if (r >= 0)
		r = sd_event_add_time_relative(ship->loop, &server->timer, CLOCK_MONOTONIC,
					       RUN_USEC, 0, on_timer, server);
	if (r < 0) {
		ship_http_free(server);
		return r;
	}
	diag_ship_serving(ship->config->metrics_address, port->port);
	*ret_server = server;
	return 0;
}

struct ship_http *ship_http_free(struct ship_http *server)
{
	if (!server)
		return NULL;
	sd_event_source_disable_unref(server->source);
	sd_event_source_disable_unref(server->timer);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	free(server);
	return NULL;
}
