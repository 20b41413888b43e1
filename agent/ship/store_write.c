/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What is written: events, how far those of a life of the agent have come, and the books of outputs. */
#include <stdio.h>
#include <string.h>

#include "ship/store_internal.h"

#define DEAD_MAX 10000 /* of all outputs; the oldest go */

/* Most events are of few endpoints: their ids are kept, placed by a hash of the name. */
static int endpoint_id(struct store *store, const struct ship_event *event, int64_t *ret_id)
{
	char key[STORE_ENDPOINT_KEY];
	unsigned hash = 2166136261u;
	uint64_t id = 0;

	int n = snprintf(key, sizeof(key), "%s/%s/%s", event->endpoint_kind, event->namespace,
			 event->name);
	for (const char *c = key; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	struct store_endpoint *kept = &store->endpoints[hash % STORE_ENDPOINTS];
	if (kept->id && n < (int)sizeof(key) && !strcmp(kept->key, key)) {
		*ret_id = kept->id;
		return 0;
	}
	for (int which = STORE_ENDPOINT_ADD; which <= STORE_ENDPOINT_GET; which++) {
		sqlite3_stmt *statement = store_statement(store, (enum store_statement)which);
		if (!statement)
			return store->failed;
		sqlite3_bind_text(statement, 1, event->endpoint_kind, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, event->namespace, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 3, event->name, -1, SQLITE_STATIC);
		int r = which == STORE_ENDPOINT_ADD ? store_run(store, statement)
						    : store_numbers(store, statement, &id, 1);
		if (r < 0)
			return r;
	}
	*kept = (struct store_endpoint){.id = (int64_t)id};
	snprintf(kept->key, sizeof(kept->key), "%s", key);
	*ret_id = kept->id;
	return 0;
}

static int add(struct store *store, const struct ship_event *event, const char *line, size_t length)
{
	unsigned char key[STORE_ADDRESS_KEY];
	int64_t endpoint = 0;
	int r = endpoint_id(store, event, &endpoint);
	sqlite3_stmt *statement = r < 0 ? NULL : store_statement(store, STORE_ADD);

	if (!statement)
		return r < 0 ? r : store->failed;
	sqlite3_bind_int64(statement, 1, (int64_t)(store->last + 1));
	sqlite3_bind_int(statement, 2, event->kind);
	sqlite3_bind_int(statement, 3, event->action);
	sqlite3_bind_int64(statement, 4, (int64_t)event->time_usec);
	sqlite3_bind_int64(statement, 5, endpoint);
	int n = store_address_key(&event->destination, key);
	if (n)
		sqlite3_bind_blob(statement, 6, key, n, SQLITE_STATIC);
	sqlite3_bind_int(statement, 7, event->protocol);
	sqlite3_bind_int(statement, 8, event->port);
	sqlite3_bind_int(statement, 9, (int)event->severity);
	sqlite3_bind_int64(statement, 10, (int64_t)event->packets);
	sqlite3_bind_int64(statement, 11, (int64_t)event->bytes);
	sqlite3_bind_text(statement, 12, event->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 13, line, (int)length, SQLITE_STATIC);
	r = store_run(store, statement);
	if (r == 0)
		store->last++;
	return r;
}

int store_add(struct store *store, const struct ship_event *event, const char *line, size_t length)
{
	int r = store->failed ? store->failed : store_begin(store);

	if (r == 0)
		r = add(store, event, line, length);
	if (r < 0 && store->is_in_transaction)
		store->failed = r; /* the transaction will not be committed */
	return r;
}

static int set_pair(struct store *store, enum store_statement which, const char *name,
		    uint64_t value)
{
	int r = store_begin(store);
	sqlite3_stmt *statement = r < 0 ? NULL : store_statement(store, which);

	if (!statement)
		return r < 0 ? r : store->failed;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, (int64_t)value);
	return store_run(store, statement);
}

int store_seam_set(struct store *store, const char *agent, uint64_t received)
{
	return set_pair(store, STORE_SEAM_SET, agent, received);
}

int store_count(struct store *store, const char *name, uint64_t more)
{
	return set_pair(store, STORE_COUNT, name, more);
}

/* Lives that are over are forgotten. */
int store_seam_get(struct store *store, const char *agent, uint64_t *ret_received)
{
	sqlite3_stmt *statement = store_statement(store, STORE_SEAM_GET);

	if (!statement)
		return store->failed;
	*ret_received = 0;
	sqlite3_bind_text(statement, 1, agent, -1, SQLITE_STATIC);
	int r = store_numbers(store, statement, ret_received, 1);
	if (r >= 0)
		r = store_begin(store);
	if (r < 0 || !(statement = store_statement(store, STORE_SEAM_TIDY)))
		return r < 0 ? r : store->failed;
	sqlite3_bind_text(statement, 1, agent, -1, SQLITE_STATIC);
	return store_run(store, statement);
}

int store_output_get(struct store *store, const char *name, struct store_output *ret)
{
	sqlite3_stmt *statement = store_statement(store, STORE_OUTPUT_GET);
	uint64_t n[6] = {store->last, store->last};

	if (!statement)
		return store->failed;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	int r = store_numbers(store, statement, n, 6);
	*ret = (struct store_output){n[0], n[1], n[2], n[3], n[4], n[5]};
	return r < 0 ? r : r ? 0 : store_output_set(store, name, ret);
}

int store_output_set(struct store *store, const char *name, const struct store_output *output)
{
	const uint64_t n[6] = {output->begin, output->cursor,  output->delivered,
			       output->dead,  output->dropped, output->filtered};
	int r = store_begin(store);
	sqlite3_stmt *statement = r < 0 ? NULL : store_statement(store, STORE_OUTPUT_SET);

	if (!statement)
		return r < 0 ? r : store->failed;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	for (int i = 0; i < 6; i++)
		sqlite3_bind_int64(statement, i + 2, (int64_t)n[i]);
	return store_run(store, statement);
}

int store_dead_add(struct store *store, const char *output, const struct store_row *row,
		   const char *reason)
{
	int r = store_begin(store);
	sqlite3_stmt *statement = r < 0 ? NULL : store_statement(store, STORE_DEAD_ADD);

	if (!statement)
		return r < 0 ? r : store->failed;
	sqlite3_bind_text(statement, 1, output, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, (int64_t)row->seq);
	sqlite3_bind_int64(statement, 3, (int64_t)row->time_usec);
	sqlite3_bind_text(statement, 4, reason, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 5, row->line, (int)row->length, SQLITE_STATIC);
	r = store_run(store, statement);
	if (r < 0 || !(statement = store_statement(store, STORE_DEAD_TRIM)))
		return r < 0 ? r : store->failed;
	sqlite3_bind_int64(statement, 1, DEAD_MAX);
	return store_run(store, statement);
}
