/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A batch is a run of rows of the store of which those that concern the output are kept in memory.
 * Items are settled one by one, in whatever order the receiver takes them; the cursor moves when all
 * are. A request carries the first `window` items that are not settled: a refused whole is tried
 * again as halves, down to the one item that is at fault, and the window grows again with success.
 *
 * Sums: cursor - begin = delivered + dead + dropped + filtered, in the store at any moment, because
 * the five are written in one transaction. What a killed shipper had under way is sent again;
 * receivers that know ids (Elasticsearch, Kubernetes) take it once. */
#include "ship/delivery_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/diag.h"

#define ROWS_PER_FETCH 4000
#define DEAD_SAY_USEC  60000000u
#define PAUSE_USEC     1000u

static void work(struct delivery *delivery);

static struct store *store_of(const struct delivery *delivery)
{
	return *delivery->context->store;
}

static void clear_items(struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->n_items; i++) {
		free(delivery->items[i].line);
		json_object_put(delivery->items[i].tree);
	}
	delivery->n_items = 0;
}

void delivery_plan(struct delivery *delivery, uint64_t delay_usec)
{
	(void)sd_event_source_set_time_relative(delivery->timer, delay_usec);
	(void)sd_event_source_set_enabled(delivery->timer, SD_EVENT_ONESHOT);
}

bool delivery_is_planned(const struct delivery *delivery)
{
	int enabled = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(delivery->timer, &enabled);
	return enabled != SD_EVENT_OFF;
}

/* ---- taking from the store */

struct fetch {
	struct delivery *delivery;
	size_t bytes, rows;
	int error;
};

/* It becomes part of a request, so it is taken only where it is harmless. */
static void copy_id(struct delivery_item *item, const char *id)
{
	static const char harmless[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

	if (strlen(id) <= DELIVERY_ID_MAX && strspn(id, harmless) == strlen(id))
		strcpy(item->id, id);
}

static int take_row(void *userdata, const struct store_row *row)
{
	struct fetch *fetch = userdata;
	struct delivery *delivery = fetch->delivery;
	const struct ship_output_config *config = delivery->config;

	if (fetch->bytes && fetch->bytes + row->length > (size_t)config->batch_bytes * 1024)
		return 1;
	delivery->end = row->seq;
	if (!ship_wants(config, row->kind, row->action, row->severity, row->namespace)) {
		delivery->batch.filtered++;
		return 0;
	}
	struct delivery_item *item = &delivery->items[delivery->n_items];
	*item = (struct delivery_item){.row = *row, .line = malloc(row->length + 1)};
	if (!item->line) {
		delivery->end--;
		fetch->error = -ENOMEM;
		return 1;
	}
	memcpy(item->line, row->line, row->length);
	item->line[row->length] = '\0';
	item->row.line = item->line;
	copy_id(item, row->id);
	item->row.namespace = item->row.name = item->row.endpoint_kind = item->row.id = "";
	if (delivery->sink->needs_tree)
		item->tree = json_tokener_parse(item->line);
	delivery->n_items++;
	fetch->bytes += row->length;
	return delivery->n_items == delivery->capacity;
}

/* 1: a batch is there; 0: nothing new; or a negative errno. */
static int fetch(struct delivery *delivery)
{
	struct store *store = store_of(delivery);
	struct fetch fetch = {.delivery = delivery};
	const struct store_query query = {
		.after = delivery->books.cursor,
		.up_to = store_committed(store),
		.limit = ROWS_PER_FETCH,
	};

	if (query.up_to <= query.after)
		return 0;
	delivery->end = delivery->books.cursor;
	delivery->batch = (struct store_output){};
	int r = store_rows(store, &query, take_row, &fetch);
	if (r == 0 && !delivery->n_items)
		r = fetch.error;
	return r < 0 ? r : delivery->end > delivery->books.cursor;
}

struct store_output delivery_counts(const struct delivery *delivery)
{
	struct store_output counts = delivery->books;

	counts.delivered += delivery->batch.delivered;
	counts.dead += delivery->batch.dead;
	counts.dropped += delivery->batch.dropped;
	counts.filtered += delivery->batch.filtered;
	return counts;
}

uint64_t delivery_waiting(const struct delivery *delivery, uint64_t last)
{
	uint64_t end = delivery->end > delivery->books.cursor ? delivery->end
							      : delivery->books.cursor;
	uint64_t waiting = last > end ? last - end : 0;

	for (size_t i = 0; i < delivery->n_items; i++)
		waiting += !delivery->items[i].is_done;
	return waiting;
}

static void add_batch(struct delivery *delivery)
{
	delivery->books = delivery_counts(delivery);
	delivery->books.cursor = delivery->end;
	delivery->batch = (struct store_output){};
}

/* All of the batch is settled: into the books. */
static void settle(struct delivery *delivery)
{
	add_batch(delivery);
	clear_items(delivery);
	/* Where that fails, the store has the books of before, until the next batch. */
	if (delivery_carry(delivery) < 0)
		diag_ship_store(store_problem(store_of(delivery)));
}

void delivery_item_done(struct delivery *delivery, struct delivery_item *item)
{
	item->is_done = true;
	delivery->batch.delivered++;
	delivery->delivered_usec = clock_usec(CLOCK_REALTIME);
}

/* At most one message a minute: who sends the events must not fill the journal with them. */
static void say_dead(struct delivery *delivery, const char *reason)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	delivery->n_dead_unsaid++;
	if (delivery->dead_said_usec && now - delivery->dead_said_usec < DEAD_SAY_USEC)
		return;
	diag_ship_dead(delivery->config->name, delivery->n_dead_unsaid, reason);
	delivery->n_dead_unsaid = 0;
	delivery->dead_said_usec = now;
}

void delivery_item_dead(struct delivery *delivery, struct delivery_item *item, const char *reason)
{
	item->is_done = true;
	delivery->batch.dead++;
	if (store_dead_add(store_of(delivery), delivery->config->name, &item->row, reason) < 0)
		diag_ship_store(store_problem(store_of(delivery)));
	say_dead(delivery, reason);
}

void delivery_fail(struct delivery *delivery, const char *problem, uint64_t delay_usec)
{
	if (!delivery->failed_since_usec) {
		delivery->failed_since_usec = clock_usec(CLOCK_REALTIME);
		diag_ship_failing(delivery->config->name, problem);
	}
	snprintf(delivery->problem, sizeof(delivery->problem), "%s", problem);
	delivery->attempt++;
	delivery->retried++;
	delivery_plan(delivery, delay_usec);
}

void delivery_succeed(struct delivery *delivery)
{
	if (delivery->failed_since_usec)
		diag_ship_good(delivery->config->name);
	delivery->failed_since_usec = 0;
	delivery->attempt = 0;
	delivery->problem[0] = '\0';
}

uint64_t delivery_backoff(const struct delivery *delivery)
{
	uint32_t random = 0;

	(void)getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return outcome_backoff_usec(delivery->attempt, random);
}

/* ---- local outputs */

static void write_items(struct delivery *delivery)
{
	int r = 0;

	for (size_t i = 0; i < delivery->n_items && r == 0; i++) {
		if (delivery->items[i].is_done)
			continue;
		r = delivery->sink->write(delivery, &delivery->items[i]);
		if (r == 0)
			delivery_item_done(delivery, &delivery->items[i]);
	}
	if (r < 0)
		delivery_fail(delivery, strerror(-r), delivery_backoff(delivery));
	else
		delivery_succeed(delivery);
}

/* ---- the way of a batch */

static bool is_settled(const struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->n_items; i++)
		if (!delivery->items[i].is_done)
			return false;
	return true;
}

/* 0 where a request may be made now. */
static uint64_t limit_wait(struct delivery *delivery)
{
	unsigned per_minute = delivery->config->per_minute ? delivery->config->per_minute
							   : delivery->sink->per_minute;
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	if (!per_minute)
		return 0;
	if (delivery->next_usec > now)
		return delivery->next_usec - now;
	delivery->next_usec = now + 60000000u / per_minute;
	return 0;
}

static void work(struct delivery *delivery)
{
	if (delivery->transfer || !store_of(delivery)) /* the next store's commit goes on */
		return;
	if (delivery->end > delivery->books.cursor && is_settled(delivery))
		settle(delivery);
	if (delivery->end <= delivery->books.cursor) {
		int r = fetch(delivery);
		if (r < 0)
			delivery_fail(delivery, store_problem(store_of(delivery)),
				      delivery_backoff(delivery));
		if (r <= 0)
			return;
	}
	if (is_settled(delivery)) { /* all of it was for others */
		delivery_plan(delivery, 0);
		return;
	}
	uint64_t wait = limit_wait(delivery);
	if (wait)
		delivery_plan(delivery, wait);
	else if (delivery->sink->write)
		write_items(delivery);
	else
		delivery_send(delivery);
	if (!delivery->transfer && !delivery_is_planned(delivery))
		delivery_plan(delivery, 0);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	work(userdata);
	return 0;
}

void delivery_kick(struct delivery *delivery)
{
	if (!delivery->transfer && !delivery_is_planned(delivery))
		delivery_plan(delivery, 0);
}

void delivery_reopen(struct delivery *delivery)
{
	if (delivery->sink->reopen)
		delivery->sink->reopen(delivery);
}

static int count_row(void *userdata, const struct store_row *row)
{
	struct delivery *delivery = userdata;
	bool wants = ship_wants(delivery->config, row->kind, row->action, row->severity,
				row->namespace);

	delivery->batch.dropped += wants;
	delivery->batch.filtered += !wants;
	return 0;
}

int delivery_forget(struct delivery *delivery, uint64_t up_to)
{
	bool has_batch = delivery->end > delivery->books.cursor;
	uint64_t from = has_batch ? delivery->end : delivery->books.cursor;

	if (from >= up_to)
		return 0;
	if (!has_batch)
		delivery->batch = (struct store_output){};
	const struct store_query query = {.after = from, .up_to = up_to};
	int r = store_rows(store_of(delivery), &query, count_row, delivery);
	if (r < 0)
		return r;
	delivery->end = up_to;
	if (!has_batch)
		settle(delivery);
	return 0;
}

/* What is under way may have been taken already; nobody will know. */
void delivery_abandon(struct delivery *delivery)
{
	struct store *store = store_of(delivery);
	uint64_t last = store_committed(store);

	delivery->transfer = http_cancel(delivery->transfer);
	if (delivery->end <= delivery->books.cursor) {
		delivery->end = delivery->books.cursor;
		delivery->batch = (struct store_output){};
	}
	for (size_t i = 0; i < delivery->n_items; i++)
		delivery->batch.dropped += !delivery->items[i].is_done;
	clear_items(delivery);
	if (delivery->end < last) {
		const struct store_query query = {.after = delivery->end, .up_to = last};
		uint64_t before = delivery->batch.dropped + delivery->batch.filtered;
		/* What cannot be read any more is taken for something it wanted. */
		if (store_rows(store, &query, count_row, delivery) < 0)
			diag_ship_store(store_problem(store));
		uint64_t counted = delivery->batch.dropped + delivery->batch.filtered - before;
		delivery->batch.dropped += last - delivery->end - counted;
		delivery->end = last;
	}
	add_batch(delivery);
}

int delivery_carry(struct delivery *delivery)
{
	return store_output_set(store_of(delivery), delivery->config->name, &delivery->books);
}

static int open_books(struct delivery *delivery)
{
	int r = store_output_get(store_of(delivery), delivery->config->name, &delivery->books);
	delivery->end = delivery->books.cursor;
	uint64_t first = store_first(store_of(delivery));
	if (r == 0 && delivery->books.cursor + 1 < first) { /* gone while nobody counted */
		delivery->books.dropped += first - 1 - delivery->books.cursor;
		delivery->books.cursor = delivery->end = first - 1;
		r = store_output_set(store_of(delivery), delivery->config->name, &delivery->books);
	}
	return r;
}

static int make_room(struct delivery *delivery)
{
	size_t capacity = delivery->config->batch_events;

	if (delivery->sink->items_max && capacity > delivery->sink->items_max)
		capacity = delivery->sink->items_max;
	delivery->capacity = delivery->window = capacity;
	delivery->items = calloc(capacity, sizeof(*delivery->items));
	delivery->sent = calloc(capacity, sizeof(*delivery->sent));
	delivery->outcomes = calloc(capacity, sizeof(*delivery->outcomes));
	return delivery->items && delivery->sent && delivery->outcomes ? 0 : -ENOMEM;
}

int delivery_new(const struct delivery_context *context, const struct ship_output_config *config,
		 struct delivery **ret_delivery)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return -ENOMEM;
	delivery->context = context;
	delivery->config = config;
	delivery->sink = &sinks[config->kind];
	delivery->fd = -1;
	int r = make_room(delivery);
	if (r == 0)
		r = sd_event_add_time_relative(context->loop, &delivery->timer, CLOCK_MONOTONIC, 0,
					       PAUSE_USEC, on_timer, delivery);
	if (r >= 0 && *context->store)
		r = open_books(delivery);
	if (r < 0) {
		delivery_free(delivery);
		return r;
	}
	*ret_delivery = delivery;
	return 0;
}

struct delivery *delivery_free(struct delivery *delivery)
{
	if (!delivery)
		return NULL;
	http_cancel(delivery->transfer);
	if (delivery->sink->close)
		delivery->sink->close(delivery);
	clear_items(delivery);
	sd_event_source_disable_unref(delivery->timer);
	buffer_done(&delivery->body);
	buffer_done(&delivery->zipped);
	buffer_done(&delivery->received);
	free(delivery->items);
	free(delivery->sent);
	free(delivery->outcomes);
	free(delivery);
	return NULL;
}
