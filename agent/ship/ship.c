/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The loop of the shipper, and its books:
 *
 *	offered by the agent = stored + refused + lost before they came + lost for want of disk
 *
 * What comes is in one transaction until there are enough of them or a fifth of a second is over;
 * outputs see what is committed only. */
#include "ship/ship.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/json.h"
#include "podfence-config.h"

#define COMMIT_USEC	200000u
#define COMMIT_EVENTS	4000
#define STRANGE_USEC	86400000000ull
#define TICK_USEC	1000000u
#define TICKS_TO_TRY	5
#define TRIMS_AT_ONCE	8
#define PRIORITY_COMMIT (-10)

static uint64_t now_monotonic(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}

static void restart_store(struct ship *ship);
static void trim(struct ship *ship);

void ship_commit(struct ship *ship)
{
	uint64_t lost = 0;

	if (!ship->store)
		return;
	if (ship->intake.agent[0] && ship->n_uncommitted &&
	    store_seam_set(ship->store, ship->intake.agent, ship->intake.received) < 0)
		diag_ship_store(store_problem(ship->store));
	bool is_good = store_is_writing(ship->store) && !ship->has_lost_line;
	int r = store_commit(ship->store, &lost);
	ship->has_lost_line = false;
	ship->counts.lost_store += lost > ship->n_own ? lost - ship->n_own : 0;
	ship->n_uncommitted = ship->n_own = 0;
	if (r < 0) {
		if (!ship->store_problem[0])
			diag_ship_store(store_problem(ship->store));
		snprintf(ship->store_problem, sizeof(ship->store_problem), "%s",
			 store_problem(ship->store));
		if (store_is_damaged(ship->store))
			restart_store(ship);
		return;
	}
	if (is_good) /* to commit nothing proves nothing */
		ship->store_problem[0] = '\0';
	for (size_t i = 0; i < ship->n_deliveries; i++)
		delivery_kick(ship->deliveries[i]);
}

static bool add_line(struct ship *ship, const struct ship_event *event, const char *line,
		     size_t length)
{
	int r = ship->store ? store_add(ship->store, event, line, length) : -ENOENT;

	if (r < 0) {
		ship->has_lost_line = true;
		snprintf(ship->store_problem, sizeof(ship->store_problem), "%s",
			 ship->store ? store_problem(ship->store) : "there is none");
	}
	ship->n_uncommitted++;
	return r == 0;
}

/* A line of our own, which is an event like others but none of the agent's. */
static void add_own(struct ship *ship, const struct buffer *line)
{
	struct json_object *tree;
	struct ship_event event;

	if (line->is_broken || ship_parse(ship->parser, line->bytes, line->length, &tree, &event))
		return;
	ship->counts.alerts += event.kind == SHIP_ALERT;
	ship->n_own += add_line(ship, &event, line->bytes, line->length);
	json_object_put(tree);
}

/* A line that was written in no possible time came now: else it would make all around it look old,
 * or never go. */
static uint64_t possible_time(uint64_t time_usec, uint64_t now_usec)
{
	uint64_t distance = time_usec > now_usec ? time_usec - now_usec : now_usec - time_usec;

	return distance > STRANGE_USEC ? now_usec : time_usec;
}

void ship_take_event(struct ship *ship, const struct ship_event *event, struct json_object *tree,
		     const char *line, size_t length)
{
	const struct alert_now now = {now_monotonic(), clock_usec(CLOCK_REALTIME)};
	struct ship_event timed = *event;

	timed.time_usec = possible_time(event->time_usec, now.real_usec);
	metrics_count(ship, event);
	ship->counts.lost_store += !add_line(ship, &timed, line, length);
	if (alerts_see(ship->alerts, &timed, tree, &now, &ship->line) == 1)
		add_own(ship, &ship->line);
	if (ship->n_uncommitted >= COMMIT_EVENTS) {
		ship_commit(ship);
		trim(ship);
	}
}

/* As `podfence status --ready` says it. */
static bool is_agent_ready(struct json_object *status)
{
	return ship_number(status, "transaction.generation") &&
	       !ship_find(status, "transaction.failure") &&
	       (json_object_get_boolean(ship_find(status, "api.synced")) ||
		!strcmp(ship_text(status, "api.source"), "none"));
}

void ship_take_state(struct ship *ship, struct json_object *tree)
{
	struct intake *intake = &ship->intake;
	const char *agent = ship_text(tree, "podfence.seam.agent");
	struct json_object *lines = ship_find(tree, "podfence.seam.lines");
	struct json_object *status = ship_find(tree, "podfence.status");

	ship->counts.states++;
	const char *node = ship_text(status, "node");
	if (node[0])
		snprintf(ship->author.node, sizeof(ship->author.node), "%s", node);
	if (status) {
		json_object_put(ship->status);
		ship->status = json_object_get(status);
		ship->status_usec = now_monotonic();
		if (ship->taint && is_agent_ready(status))
			taint_look(ship->taint, ship->author.node, ship->status_usec);
	}
	if (!intake->agent[0]) { /* the first of a connection, before any event */
		snprintf(intake->agent, sizeof(intake->agent), "%s", agent);
		if (!ship->store || store_seam_get(ship->store, agent, &intake->received) < 0)
			intake->received = 0;
	}
	uint64_t offered = ship_number(tree, "podfence.seam.lines");
	if (!lines || strcmp(agent, intake->agent) != 0 || offered <= intake->received)
		return;
	ship->counts.lost_before += offered - intake->received;
	if (ship->store && store_count(ship->store, "lost-before", offered - intake->received) < 0)
		diag_ship_store(store_problem(ship->store));
	intake->received = offered;
	ship->n_uncommitted++;
}

/* ---- the store */

static void say_set_aside(struct ship *ship, const char *name)
{
	struct json json;

	ship->set_aside++;
	diag_ship_set_aside(name);
	buffer_clear(&ship->line);
	json_init(&json, &ship->line);
	own_event_set_aside(&json, &ship->author, clock_usec(CLOCK_REALTIME), name);
	add_own(ship, &ship->line);
}

static int open_store(struct ship *ship, char **ret_set_aside)
{
	const struct store_options options = {
		.directory = ship->config->store_directory,
		.bytes_max = (uint64_t)ship->config->store_mebibytes << 20,
		.age_max_usec = (uint64_t)ship->config->store_hours * 3600000000ull,
		.is_unwanted = ship->has_no_store,
	};
	int r = store_open(&options, &ship->store, ret_set_aside);

	if (r < 0)
		ship->store = NULL;
	return r;
}

static void abandon_store(struct ship *ship)
{
	if (!ship->store)
		return;
	for (size_t i = 0; i < ship->n_deliveries; i++)
		delivery_abandon(ship->deliveries[i]);
	ship->carried = store_committed(ship->store);
	ship->store = store_free(ship->store);
	ship->has_no_store = true;
}

/* Another one, with the outputs' books of the one before. While there is none events are counted as
 * lost; the next tick tries again. */
static void restart_store(struct ship *ship)
{
	char *set_aside = NULL;

	abandon_store(ship);
	int r = open_store(ship, &set_aside);
	if (r < 0) {
		snprintf(ship->store_problem, sizeof(ship->store_problem), "%s", strerror(-r));
		free(set_aside);
		return;
	}
	ship->has_no_store = false;
	store_continue(ship->store, ship->carried);
	for (size_t i = 0; i < ship->n_deliveries; i++)
		if (delivery_carry(ship->deliveries[i]) < 0)
			diag_ship_store(store_problem(ship->store));
	say_set_aside(ship, set_aside ? set_aside : "deleted");
	free(set_aside);
}

static void trim(struct ship *ship)
{
	for (int i = 0; i < TRIMS_AT_ONCE && ship->store; i++) {
		uint64_t first = store_first(ship->store);
		uint64_t now = steady_now(&ship->steady, clock_usec(CLOCK_REALTIME),
					  now_monotonic());
		uint64_t up_to = store_excess(ship->store, now);
		int r = 0;
		if (!up_to)
			return;
		for (size_t k = 0; k < ship->n_deliveries && r == 0; k++)
			r = delivery_forget(ship->deliveries[k], up_to);
		if (r == 0)
			r = store_forget(ship->store, up_to);
		if (r < 0)
			return;
		ship->counts.evicted += up_to - first + 1;
		ship_commit(ship);
	}
}

/* Nothing that comes may ever tell that there is room again: a node where nothing is denied would be
 * called unready for good. */
static void try_store(struct ship *ship)
{
	if (!ship->store || !ship->store_problem[0] || store_is_writing(ship->store) ||
	    ++ship->n_ticks % TICKS_TO_TRY)
		return;
	if (store_try(ship->store) == 0)
		ship->store_problem[0] = '\0';
	else
		snprintf(ship->store_problem, sizeof(ship->store_problem), "%s",
			 store_problem(ship->store));
}

/* ---- the loop */

static int on_commit(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ship *ship = userdata;

	ship_commit(ship);
	trim(ship);
	(void)sd_event_source_set_time_relative(source, COMMIT_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ship *ship = userdata;

	const struct alert_now now = {now_monotonic(), clock_usec(CLOCK_REALTIME)};
	while (alerts_due(ship->alerts, &now, &ship->line) == 1)
		add_own(ship, &ship->line);
	if (!ship->store) {
		restart_store(ship);
	} else if (store_is_gone(ship->store) || store_is_damaged(ship->store)) {
		ship_commit(ship);
		restart_store(ship);
	}
	ship_commit(ship);
	try_store(ship);
	(void)sd_event_source_set_time_relative(source, TICK_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct ship *ship = userdata;

	for (size_t i = 0; i < ship->n_deliveries; i++)
		delivery_reopen(ship->deliveries[i]);
	return 0;
}

static int add_sources(struct ship *ship)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	int r = sd_event_add_signal(ship->loop, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(ship->loop, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(ship->loop, &ship->hangup, SIGHUP, on_hangup, ship);
	if (r >= 0)
		r = sd_event_add_time_relative(ship->loop, &ship->commit_timer, CLOCK_MONOTONIC,
					       COMMIT_USEC, 0, on_commit, ship);
	if (r >= 0) /* a flood at the seam must not keep it from being committed */
		r = sd_event_source_set_priority(ship->commit_timer, PRIORITY_COMMIT);
	if (r >= 0)
		r = sd_event_add_time_relative(ship->loop, &ship->tick, CLOCK_MONOTONIC, TICK_USEC,
					       0, on_tick, ship);
	if (r >= 0)
		r = sd_event_source_set_priority(ship->tick, PRIORITY_COMMIT);
	if (r >= 0)
		r = sd_event_set_watchdog(ship->loop, true);
	return r < 0 ? r : 0;
}

static int open_alerts(struct ship *ship)
{
	struct alert_options options = {
		.groups_max = ship->config->alert_groups,
		.interval_usec = (uint64_t)ship->config->alert_interval * 1000000u,
		.quiet_usec = (uint64_t)ship->config->alert_quiet * 1000000u,
		.author = &ship->author,
	};

	if (getrandom(options.key, sizeof(options.key), 0) != sizeof(options.key))
		return -errno;
	return alerts_new(&options, &ship->alerts);
}

static int open_deliveries(struct ship *ship)
{
	int r = 0;

	ship->context = (struct delivery_context){ship->loop, ship->http, &ship->store,
						  ship->config};
	for (size_t i = 0; i < ship->config->n_outputs && r >= 0; i++) {
		r = delivery_new(&ship->context, &ship->config->outputs[i],
				 &ship->deliveries[ship->n_deliveries]);
		ship->n_deliveries += r >= 0;
	}
	return r;
}

static int start(struct ship *ship)
{
	umask(0027);
	ship->author.version = PODFENCE_VERSION;
	(void)gethostname(ship->author.node, sizeof(ship->author.node) - 1); /* until it is told */
	int r = sd_event_new(&ship->loop);
	if (r >= 0)
		r = http_client_new(ship->loop, 0, &ship->http);
	if (r >= 0)
		r = ship_parser_new(&ship->parser);
	if (r >= 0 && ship->config->taint_key[0])
		r = taint_new(ship->config, ship->http, &ship->taint);
	if (r >= 0)
		r = open_alerts(ship);
	if (r < 0)
		return r;
	if (mkdir(ship->config->store_directory, 0750) < 0 && errno != EEXIST)
		diag_cannot("make store.directory", -errno);
	char *set_aside = NULL;
	r = open_store(ship, &set_aside);
	if (r == 0 && set_aside)
		say_set_aside(ship, set_aside);
	free(set_aside);
	if (r < 0) {
		diag_cannot("open the store (store.directory)", r);
		return r;
	}
	r = open_deliveries(ship);
	if (r >= 0)
		r = add_sources(ship);
	if (r >= 0)
		r = intake_open(ship);
	if (r < 0)
		return r;
	if (ship->config->metrics_address[0]) {
		r = ship_http_open(ship, &ship->server);
		if (r < 0)
			diag_cannot("serve metrics (metrics.address, metrics.port)", r);
	}
	return r;
}

static void stop(struct ship *ship)
{
	if (ship->store)
		ship_commit(ship);
	ship_http_free(ship->server);
	intake_done(ship);
	for (size_t i = 0; i < ship->n_deliveries; i++)
		delivery_free(ship->deliveries[i]);
	sd_event_source_disable_unref(ship->commit_timer);
	sd_event_source_disable_unref(ship->tick);
	sd_event_source_disable_unref(ship->hangup);
	alerts_free(ship->alerts);
	ship_parser_free(ship->parser);
	store_free(ship->store);
	taint_free(ship->taint);
	http_client_free(ship->http);
	json_object_put(ship->status);
	buffer_done(&ship->line);
	sd_event_unref(ship->loop);
	ship_config_free(ship->config);
}

int ship_run(const char *config_path, struct ship_config *config)
{
	struct ship *ship = calloc(1, sizeof(*ship));
	int r;

	if (!ship) {
		ship_config_free(config);
		return -ENOMEM;
	}
	ship->config_path = config_path;
	ship->config = config;
	ship->intake.fd = -1;
	ship->started_usec = clock_usec(CLOCK_REALTIME);
	r = start(ship);
	if (r >= 0) {
		diag_ready();
		(void)sd_notify(0, "READY=1");
		r = sd_event_loop(ship->loop);
		(void)sd_notify(0, "STOPPING=1");
	}
	stop(ship);
	free(ship);
	return r;
}
