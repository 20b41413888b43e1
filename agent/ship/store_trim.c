/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The bounds of the store: how much it holds, and what has to go for size or age. */
#include "ship/store_internal.h"

#define TRIM_ROWS 4000 /* deleted in one transaction */
#define SLACK	  50   /* a fiftieth of the bound is made room at once */

static uint64_t pragma_number(const struct store *store, const char *sql)
{
	sqlite3_stmt *statement;
	uint64_t value = 0;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

uint64_t store_bytes(const struct store *store)
{
	uint64_t pages = pragma_number(store, "PRAGMA page_count");
	uint64_t spare = pragma_number(store, "PRAGMA freelist_count");

	return (pages - spare) * pragma_number(store, "PRAGMA page_size");
}

static uint64_t time_of(struct store *store, uint64_t seq)
{
	sqlite3_stmt *statement = store_statement(store, STORE_TIME);
	uint64_t time_usec = 0;

	if (!statement)
		return 0;
	sqlite3_bind_int64(statement, 1, (int64_t)seq);
	return store_numbers(store, statement, &time_usec, 1) > 0 ? time_usec : 0;
}

uint64_t store_oldest(struct store *store)
{
	return store->first <= store->last ? time_of(store, store->first) : 0;
}

/* As many of the oldest as their share of the bytes, and a little more, so that it is not asked for
 * each new one. */
static uint64_t too_many(const struct store *store, uint64_t bytes)
{
	uint64_t rows = store->last - store->first + 1;
	uint64_t kept = store->bytes_max - store->bytes_max / SLACK;
	uint64_t excess = bytes > kept ? bytes - kept : 0;

	rows = (uint64_t)((double)rows * (double)excess / (double)bytes) + 1;
	return store->first + (rows < TRIM_ROWS ? rows : TRIM_ROWS) - 1;
}

/* Age is looked at by position: events come nearly in the order of their time, and a clock that
 * jumped ahead must not make everything old. */
uint64_t store_excess(struct store *store, uint64_t now_usec)
{
	uint64_t some = store->first + TRIM_ROWS - 1, oldest;

	if (store->first > store->last)
		return 0;
	uint64_t bytes = store_bytes(store);
	if (bytes > store->bytes_max)
		return too_many(store, bytes);
	oldest = time_of(store, store->first);
	if (!oldest || oldest + store->age_max_usec > now_usec)
		return 0;
	uint64_t low = store->first, high = some < store->last ? some : store->last;
	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;
		if (time_of(store, middle) + store->age_max_usec <= now_usec)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

int store_forget(struct store *store, uint64_t up_to)
{
	int r = store_begin(store);
	sqlite3_stmt *statement = r < 0 ? NULL : store_statement(store, STORE_FORGET);

	if (!statement)
		return r < 0 ? r : store->failed;
	sqlite3_bind_int64(statement, 1, (int64_t)up_to);
	r = store_run(store, statement);
	if (r == 0 && up_to >= store->first)
		store->first = up_to + 1;
	return r;
}
