/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <podfence/attributes.h>

/* HTTP(S) requests on an sd-event loop, by libcurl's multi interface: nothing here waits.
 * Redirects are not followed, the environment's proxies are not used, TLS is verified unless told
 * otherwise, compressed bodies are handed over decompressed. */
struct http_client;
struct http_transfer;

PF_MUST_CHECK int http_client_new(sd_event *loop, int64_t priority,
				  struct http_client **ret_client);
/* Cancels what is under way. */
struct http_client *http_client_free(struct http_client *client);

struct http_request {
	const char *method;	    /* "GET", "POST", ... */
	const char *url;	    /* http or https */
	const char *const *headers; /* "Accept: application/json" */
	size_t n_headers;
	const char *body; /* NULL: none */
	size_t body_length;
	const char *token;	     /* bearer; NULL: none */
	const char *user, *password; /* basic authentication; NULL: none */
	const char *proxy;	     /* URL; NULL: none */
	/* TLS. PEM texts; NULL: none, authorities: the system's. */
	const char *authorities, *certificate, *key;
	const char *server_name; /* that the certificate shall have; NULL: the URL's */
	bool is_insecure;	 /* the certificate is not verified */
	/* Seconds; 0: no limit */
	unsigned connect_seconds;
	unsigned stall_seconds; /* without a byte; libcurl looks every second */
	unsigned total_seconds;
};

/* Called from the loop. */
struct http_handler {
	void *userdata;
	/* Once, before the body; retry_after in seconds, 0 where the reply does not say. */
	void (*head)(void *userdata, unsigned status, unsigned retry_after);
	/* Not 0: enough, the transfer ends and end() is told no error. */
	int (*body)(void *userdata, const char *bytes, size_t length);
	/* Once, at the end; error: a sentence, NULL where the reply came whole or was enough. The
	 * transfer is gone then; new ones can be started. */
	void (*end)(void *userdata, const char *error);
};

/* The request is copied. The transfer is the client's. -EINVAL: not a request libcurl takes. */
PF_MUST_CHECK int http_start(struct http_client *client, const struct http_request *request,
			     const struct http_handler *handler,
			     struct http_transfer **ret_transfer);
/* The address it is connected to, as text; "" before there is one. The transfer's. */
const char *http_peer(const struct http_transfer *transfer);
/* Its handler is not called any more. Not from head() and body() of the transfer itself. NULL does
 * nothing; returns NULL. */
struct http_transfer *http_cancel(struct http_transfer *transfer);
