/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <systemd/sd-event.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "http/client.h"
#include "ship/alert.h"
#include "ship/config.h"
#include "ship/delivery.h"
#include "ship/event.h"
#include "ship/own_event.h"
#include "ship/steady.h"
#include "ship/store.h"
#include "ship/taint.h"

/* The running shipper: one thread, one loop.
 *
 *	seam > parse > store > (commit) > deliveries
 *	          `--> alerts > store                     metrics look at all of it */

#define SHIP_SERIES_MAX 200
#define SHIP_LABEL_MAX	64

struct ship_series {
	char namespace[SHIP_LABEL_MAX], policy[2 * SHIP_LABEL_MAX], kind[16];
	enum ship_action action;
	uint64_t events, packets;
};

/* Of the seam's lines. */
struct ship_counts {
	uint64_t lines; /* that came, those of state not counted */
	uint64_t refused;
	uint64_t lost_before; /* the agent offered them, they never came */
	uint64_t lost_store;  /* there was no room on the disk */
	uint64_t alerts, evicted, connections, states;
};

struct intake {
	int fd; /* -1: not connected */
	sd_event_source *source, *retry;
	struct buffer buffer;
	bool is_skipping; /* a line that is too long */
	char agent[40];	  /* whose lines these are; "": not told yet */
	uint64_t received;
};

struct ship_http;

struct ship {
	const char *config_path;
	struct ship_config *config;
	sd_event *loop;
	struct http_client *http;
	struct store *store;
	struct ship_parser *parser;
	struct alerts *alerts;
	struct own_author author;
	struct delivery_context context;
	struct delivery *deliveries[SHIP_OUTPUTS_MAX];
	size_t n_deliveries;
	struct intake intake;
	struct ship_counts counts;
	struct ship_series series[SHIP_SERIES_MAX + 1]; /* the last one: all others */
	size_t n_series;
	struct json_object *status; /* podfence.status of the last line of state; NULL: none yet */
	uint64_t status_usec;	    /* monotonic */
	uint64_t started_usec;
	size_t n_uncommitted, n_own; /* since the last commit; ours among them */
	unsigned n_ticks;
	uint64_t set_aside;
	uint64_t carried;  /* number of the last event of the store before this one */
	bool has_no_store; /* it was damaged or deleted; the next one has to begin anew */
	struct steady steady;
	struct buffer line;
	sd_event_source *commit_timer, *tick, *hangup;
	struct ship_http *server;
	struct taint *taint; /* NULL: none is looked for */
	bool has_lost_line;  /* since the last commit */
	char store_problem[160];
};

/* privileges.c: gives up all of them and filters system calls. What fails is said. */
PF_MUST_CHECK int ship_privileges(void);
PF_MUST_CHECK int ship_run(const char *config_path, struct ship_config *config);
/* Sends one made-up alert to an output of the configuration: 0, 1 it was refused, -errno. */
PF_MUST_CHECK int ship_alert_test(struct ship_config *config, const char *output);

/* intake.c */
PF_MUST_CHECK int intake_open(struct ship *ship);
void intake_done(struct ship *ship);

/* ship.c: what the intake gives. The line is without newline. */
void ship_take_event(struct ship *ship, const struct ship_event *event, struct json_object *tree,
		     const char *line, size_t length);
void ship_commit(struct ship *ship);
void ship_take_state(struct ship *ship, struct json_object *tree);

/* metrics.c */
void metrics_count(struct ship *ship, const struct ship_event *event);
void metrics_write(const struct ship *ship, struct buffer *text);
/* Why it cannot do its own work, and whatever is wrong with it or around it: a line each. */
void metrics_unready(const struct ship *ship, struct buffer *text);
void metrics_problems(const struct ship *ship, struct buffer *text);

/* server.c */
PF_MUST_CHECK int ship_http_open(struct ship *ship, struct ship_http **ret_server);
struct ship_http *ship_http_free(struct ship_http *server);
