/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <systemd/sd-event.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "http/client.h"
#include "ship/config.h"
#include "ship/outcome.h"
#include "ship/store.h"

/* One output and its way through the store: takes what is behind its cursor, hands it to the kind of
 * output it is, and moves the cursor when everything up to there was delivered, refused for good or
 * does not concern it. */
struct delivery;

#define DELIVERY_ID_MAX 128

struct delivery_item {
	struct store_row row; /* its texts are below */
	char *line;
	char id[DELIVERY_ID_MAX + 1]; /* "": none, or none that may stand in a request */
	struct json_object *tree;     /* where the kind asks for one */
	bool is_done, is_anew;
};

struct delivery_request {
	struct http_request http;
	char url[2304];
	char headers[4][512]; /* a kind's own */
	const char *header_list[24];
	bool is_patch;
};

/* What an output is: a row of sink.c's table. */
struct sink {
	bool needs_tree;
	unsigned per_minute; /* 0: no limit */
	size_t items_max;    /* in one request; 0: as configured */
	/* A local one: writes one line; 0 or a negative errno, which is tried again. */
	int (*write)(struct delivery *delivery, const struct delivery_item *item);
	void (*reopen)(struct delivery *delivery);
	void (*close)(struct delivery *delivery);
	/* A remote one: the request's path and body. Positive: the item is nothing for it. */
	int (*build)(struct delivery *delivery, struct delivery_item *const *items, size_t n,
		     struct delivery_request *request);
	struct outcome (*judge)(const struct reply *reply, size_t n, bool is_patch,
				struct outcome *items);
};
extern const struct sink sinks[SHIP_OUTPUT_KINDS];

struct delivery_context {
	sd_event *loop;
	struct http_client *http;
	struct store *const *store; /* may be another after it was damaged */
	const struct ship_config *config;
};

struct delivery {
	const struct delivery_context *context;
	const struct ship_output_config *config;
	const struct sink *sink;
	struct store_output books; /* of what is settled */
	uint64_t end;		   /* of the batch; books.cursor: there is none */
	struct store_output batch; /* counts of the batch so far */
	struct delivery_item *items;
	size_t n_items, capacity;
	size_t window; /* items in one request */
	size_t *sent;  /* places of those under way */
	size_t n_sent;
	struct outcome *outcomes;
	struct http_transfer *transfer;
	struct buffer body, zipped, received;
	unsigned status, retry_after;
	bool is_patch, is_cut;
	unsigned attempt;
	size_t host;
	uint64_t next_usec; /* the limit per minute */
	sd_event_source *timer;
	uint64_t n_dead_unsaid, dead_said_usec;
	uint64_t retried, requests, failed_since_usec, delivered_usec;
	char problem[128]; /* ""; why it does not deliver */
	int fd;
	uint64_t file_bytes;
};

PF_MUST_CHECK int delivery_new(const struct delivery_context *context,
			       const struct ship_output_config *config,
			       struct delivery **ret_delivery);
struct delivery *delivery_free(struct delivery *delivery);
/* There may be something new. */
void delivery_kick(struct delivery *delivery);
void delivery_reopen(struct delivery *delivery); /* SIGHUP */
/* The books with what is settled of the batch. */
struct store_output delivery_counts(const struct delivery *delivery);
/* Of so many events of the store, those that wait for it. */
uint64_t delivery_waiting(const struct delivery *delivery, uint64_t last);
/* Events up to there are about to be deleted. */
PF_MUST_CHECK int delivery_forget(struct delivery *delivery, uint64_t up_to);
/* The store is about to be another one: what of it was not delivered is dropped. The books stay. */
void delivery_abandon(struct delivery *delivery);
/* And into the other one with them, which has no events yet. */
PF_MUST_CHECK int delivery_carry(struct delivery *delivery);
/* A secret of a file: its first line. 0 or a negative errno. */
PF_MUST_CHECK int delivery_secret(const char *path, char **ret_text);
