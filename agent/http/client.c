/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * libcurl says which descriptors and which time it waits for; sd-event says when they are due; what
 * has ended by then is told last, outside of libcurl, so that a handler may start or cancel what it
 * likes.
 *
 * A descriptor belongs to libcurl: it may close one and open another with the same number before it
 * tells us, so a source is made anew for each announcement. */
#include "http/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <curl/curl.h>

#include "podfence-config.h"

#define CONNECTIONS_MAX 16L
#define HEADERS_MAX	(128u << 10) /* bytes of all headers of a reply */
#define KEEPALIVE_SEC	15L

struct http_client {
	sd_event *loop;
	int64_t priority;
	CURLM *multi;
	sd_event_source *timer;
	struct http_transfer *transfers;
};

struct http_transfer {
	struct http_client *client;
	struct http_transfer *next, **link;
	CURL *easy;
	struct curl_slist *headers, *route;
	struct http_handler handler;
	char *body;
	size_t header_bytes;
	bool has_head, is_enough;
	char error[CURL_ERROR_SIZE];
};

static int from_multi(CURLMcode code)
{
	return code == CURLM_OK ? 0 : code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

static void transfer_free(struct http_transfer *transfer)
{
	if (transfer->link) {
		*transfer->link = transfer->next;
		if (transfer->next)
			transfer->next->link = transfer->link;
	}
	if (transfer->easy) {
		curl_multi_remove_handle(transfer->client->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->route);
	free(transfer->body);
	free(transfer);
}

struct http_transfer *http_cancel(struct http_transfer *transfer)
{
	if (transfer)
		transfer_free(transfer);
	return NULL;
}

const char *http_peer(const struct http_transfer *transfer)
{
	char *address = NULL;

	if (curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &address) != CURLE_OK)
		return "";
	return address ? address : "";
}

/* libcurl's numbers are stable, its sentences good: "SSL certificate problem: ..." */
static void end_transfer(struct http_transfer *transfer, CURLcode code)
{
	struct http_handler handler = transfer->handler;
	char error[CURL_ERROR_SIZE] = "";

	if (code != CURLE_OK && !transfer->is_enough)
		snprintf(error, sizeof(error), "%s",
			 transfer->error[0] ? transfer->error : curl_easy_strerror(code));
	transfer_free(transfer);
	handler.end(handler.userdata, error[0] ? error : NULL);
}

static void end_transfers(struct http_client *client)
{
	const CURLMsg *message;
	int n_left;

	while ((message = curl_multi_info_read(client->multi, &n_left))) {
		struct http_transfer *transfer;
		CURLcode code = message->data.result;
		if (message->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) !=
			    CURLE_OK)
			continue;
		end_transfer(transfer, code);
	}
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct http_client *client = userdata;
	int what = 0, n_running;

	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	(void)curl_multi_socket_action(client->multi, fd, what, &n_running);
	end_transfers(client);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct http_client *client = userdata;
	int n_running;

	(void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
	end_transfers(client);
	return 0;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
	struct http_client *client = userdata;
	sd_event_source *source = socket_data;
	uint32_t events = 0;

	sd_event_source_disable_unref(source);
	source = NULL;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (what != CURL_POLL_REMOVE &&
	    sd_event_add_io(client->loop, &source, fd, events, on_socket, client) >= 0)
		(void)sd_event_source_set_priority(source, client->priority);
	(void)curl_multi_assign(client->multi, fd, source);
	return what != CURL_POLL_REMOVE && !source ? -1 : 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *userdata)
{
	struct http_client *client = userdata;

	if (milliseconds < 0)
		return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(client->timer, (uint64_t)milliseconds * 1000u) < 0 ||
	    sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT) < 0)
		return -1;
	return 0;
}

static int open_multi(struct http_client *client)
{
	client->multi = curl_multi_init();
	if (!client->multi)
		return -ENOMEM;
	CURLMcode code = curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	if (code == CURLM_OK)
		code = curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	if (code == CURLM_OK)
		code = curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	if (code == CURLM_OK)
		code = curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	if (code == CURLM_OK)
		code = curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
	return from_multi(code);
}

int http_client_new(sd_event *loop, int64_t priority, struct http_client **ret_client)
{
	struct http_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->loop = sd_event_ref(loop);
	client->priority = priority;
	int r = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
	if (r == 0)
		r = sd_event_add_time(loop, &client->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
				      client);
	if (r >= 0)
		r = sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(client->timer, priority);
	if (r >= 0)
		r = open_multi(client);
	if (r < 0) {
		http_client_free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

struct http_client *http_client_free(struct http_client *client)
{
	if (!client)
		return NULL;
	while (client->transfers)
		transfer_free(client->transfers);
	if (client->multi)
		curl_multi_cleanup(client->multi);
	sd_event_source_disable_unref(client->timer);
	sd_event_unref(client->loop);
	free(client);
	return NULL;
}

/* One transfer */

static void tell_head(struct http_transfer *transfer)
{
	long status = 0;
	curl_off_t retry_after = 0;

	if (transfer->has_head)
		return;
	transfer->has_head = true;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after < 0 || retry_after > 86400)
		retry_after = 86400;
	transfer->handler.head(transfer->handler.userdata, (unsigned)status, (unsigned)retry_after);
}

/* Called for each line; the empty one ends a head, but that of "100 Continue" is not the last. */
static size_t on_header(char *line, size_t size, size_t n, void *userdata)
{
	struct http_transfer *transfer = userdata;
	long status = 0;

	transfer->header_bytes += n;
	if (transfer->header_bytes > HEADERS_MAX) {
		snprintf(transfer->error, sizeof(transfer->error),
			 "the reply's headers are larger than %u KiB", HEADERS_MAX >> 10);
		return 0;
	}
	if (n <= 2 && (line[0] == '\r' || line[0] == '\n')) {
		(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 200)
			tell_head(transfer);
	}
	return n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata)
{
	struct http_transfer *transfer = userdata;

	tell_head(transfer);
	if (transfer->handler.body(transfer->handler.userdata, bytes, n) == 0)
		return n;
	transfer->is_enough = true;
	return n ? 0 : 1;
}

static CURLcode set_pem(CURL *easy, CURLoption option, const char *text)
{
	struct curl_blob blob = {(void *)(uintptr_t)text, text ? strlen(text) : 0, CURL_BLOB_COPY};

	return text ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

/* The certificate's name is the URL's host for libcurl. Another one: ask for that host and connect
 * to ours. */
static CURLcode set_url(struct http_transfer *transfer, const struct http_request *request)
{
	CURLU *url = curl_url();
	char *host = NULL, *port = NULL, *whole = NULL, *route = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (!request->server_name) {
		curl_url_cleanup(url);
		return curl_easy_setopt(transfer->easy, CURLOPT_URL, request->url);
	}
	if (url && (curl_url_set(url, CURLUPART_URL, request->url, 0) ||
		    curl_url_get(url, CURLUPART_HOST, &host, 0) ||
		    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
		    curl_url_set(url, CURLUPART_HOST, request->server_name, 0) ||
		    curl_url_get(url, CURLUPART_URL, &whole, 0)))
		code = CURLE_URL_MALFORMAT;
	else if (url && asprintf(&route, "::%s:%s", host, port) >= 0) {
		transfer->route = curl_slist_append(NULL, route);
		code = curl_easy_setopt(transfer->easy, CURLOPT_URL, whole);
		if (code == CURLE_OK)
			code = curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO,
						transfer->route);
		free(route);
	}
	curl_free(host);
	curl_free(port);
	curl_free(whole);
	curl_url_cleanup(url);
	return code;
}

static CURLcode set_tls(CURL *easy, const struct http_request *request)
{
	CURLcode code = set_pem(easy, CURLOPT_CAINFO_BLOB, request->authorities);

	if (code == CURLE_OK)
		code = set_pem(easy, CURLOPT_SSLCERT_BLOB, request->certificate);
	if (code == CURLE_OK)
		code = set_pem(easy, CURLOPT_SSLKEY_BLOB, request->key);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER,
					request->is_insecure ? 0L : 1L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
					request->is_insecure ? 0L : 2L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return code;
}

static CURLcode set_identity(CURL *easy, const struct http_request *request)
{
	CURLcode code = CURLE_OK;

	if (request->token)
		code = curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, request->token);
	if (code == CURLE_OK && request->user)
		code = curl_easy_setopt(easy, CURLOPT_USERNAME, request->user);
	if (code == CURLE_OK && request->password)
		code = curl_easy_setopt(easy, CURLOPT_PASSWORD, request->password);
	if (code == CURLE_OK && (request->token || request->user))
		code = curl_easy_setopt(easy, CURLOPT_HTTPAUTH,
					(long)(request->token ? CURLAUTH_BEARER : CURLAUTH_BASIC));
	return code;
}

static CURLcode set_limits(CURL *easy, const struct http_request *request)
{
	CURLcode code = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
					 (long)request->connect_seconds);

	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->total_seconds);
	if (code == CURLE_OK && request->stall_seconds) {
		code = curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
						(long)request->stall_seconds);
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_SEC);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_SEC);
	return code;
}

static CURLcode set_body(struct http_transfer *transfer, const struct http_request *request)
{
	CURL *easy = transfer->easy;

	if (!request->body)
		return CURLE_OK;
	transfer->body = malloc(request->body_length + 1);
	if (!transfer->body)
		return CURLE_OUT_OF_MEMORY;
	memcpy(transfer->body, request->body, request->body_length);
	CURLcode code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					 (curl_off_t)request->body_length);
	return code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
}

static CURLcode set_headers(struct http_transfer *transfer, const struct http_request *request)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		struct curl_slist *longer = curl_slist_append(transfer->headers,
							      request->headers[i]);
		if (!longer)
			return CURLE_OUT_OF_MEMORY;
		transfer->headers = longer;
	}
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static CURLcode set_callbacks(struct http_transfer *transfer)
{
	CURL *easy = transfer->easy;
	CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);

	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	return code;
}

static CURLcode set_manners(CURL *easy, const struct http_request *request)
{
	CURLcode code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);

	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy ? request->proxy : "");
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "podfence/" PODFENCE_VERSION);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	return code;
}

static int from_easy(CURLcode code)
{
	return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int prepare(struct http_transfer *transfer, const struct http_request *request)
{
	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		return -ENOMEM;
	CURLcode code = set_callbacks(transfer);
	if (code == CURLE_OK)
		code = set_manners(transfer->easy, request);
	if (code == CURLE_OK)
		code = set_url(transfer, request);
	if (code == CURLE_OK)
		code = set_limits(transfer->easy, request);
	if (code == CURLE_OK)
		code = set_tls(transfer->easy, request);
	if (code == CURLE_OK)
		code = set_identity(transfer->easy, request);
	if (code == CURLE_OK)
		code = set_headers(transfer, request);
	if (code == CURLE_OK)
		code = set_body(transfer, request);
	if (code == CURLE_OK)
		code = curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, request->method);
	return from_easy(code);
}

int http_start(struct http_client *client, const struct http_request *request,
	       const struct http_handler *handler, struct http_transfer **ret_transfer)
{
	struct http_transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return -ENOMEM;
	transfer->client = client;
	transfer->handler = *handler;
	int r = prepare(transfer, request);
	if (r == 0)
		r = from_multi(curl_multi_add_handle(client->multi, transfer->easy));
	if (r < 0) {
		transfer_free(transfer);
		return r;
	}
	transfer->next = client->transfers;
	transfer->link = &client->transfers;
	if (transfer->next)
		transfer->next->link = &transfer->next;
	client->transfers = transfer;
	*ret_transfer = transfer;
	return 0;
}
