/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One connection, prepared statements, one transaction for whatever came in between two commits.
 * WAL with synchronous=NORMAL: a killed process loses nothing that was committed, a lost machine at
 * most the commits since the last checkpoint, and never the file.
 *
 * A full disk fails the transaction: what it held is lost and counted, the file is as before. A
 * damaged file is renamed with its companions and a new one begun: evidence is not overwritten. */
#include "ship/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "ship/store_internal.h"
#include "ship/store_schema.h"

#define FILE_NAME "events.db"
#define DEAD_MAX  10000 /* of all outputs; the oldest go */
#define TRIM_ROWS 4000	/* deleted in one transaction */
#define SLACK	  50	/* a fiftieth of the bound is made room at once */
/* Lines of 2 kB: of pages of 4 kB half would be waste. It counts for a new file only. */
#define CACHE_PAGE                                                                                 \
	"PRAGMA page_size=16384; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY; PRAGMA "       \
	"mmap_size=0;"

int store_error(struct store *store, int code)
{
	snprintf(store->problem, sizeof(store->problem), "%s",
		 store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
	store->is_damaged |= (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
	switch (code & 0xff) {
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_CANTOPEN: return -ENOENT;
	case SQLITE_PERM:
	case SQLITE_READONLY: return -EACCES;
	case SQLITE_BUSY: return -EBUSY;
	default: return -EIO;
	}
}

const char *store_problem(const struct store *store)
{
	return store->problem;
}

bool store_is_damaged(const struct store *store)
{
	return store->is_damaged;
}

int store_exec(struct store *store, const char *sql)
{
	int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : store_error(store, code);
}

/* A statement that is kept; NULL after store_error(). */
sqlite3_stmt *store_statement(struct store *store, enum store_statement which)
{
	static const char *const texts[STORE_STATEMENTS] = {
		[STORE_ADD] =
			"INSERT INTO event VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
		[STORE_ENDPOINT_ADD] = "INSERT OR IGNORE INTO endpoint (kind, namespace, name) "
				       "VALUES (?1,?2,?3)",
		[STORE_ENDPOINT_GET] = "SELECT id FROM endpoint WHERE kind=?1 AND namespace=?2 AND "
				       "name=?3",
		[STORE_SEAM_GET] = "SELECT received FROM seam WHERE agent=?1",
		[STORE_SEAM_SET] = "INSERT OR REPLACE INTO seam VALUES (?1,?2)",
		[STORE_SEAM_TIDY] = "DELETE FROM seam WHERE agent<>?1",
		[STORE_COUNT] = "INSERT INTO counter VALUES (?1,?2) ON CONFLICT (name) DO UPDATE "
				"SET value=value+?2",
		[STORE_OUTPUT_GET] =
			"SELECT begin, cursor, delivered, dead, dropped, filtered FROM "
			"output WHERE name=?1",
		[STORE_OUTPUT_SET] = "INSERT OR REPLACE INTO output VALUES (?1,?2,?3,?4,?5,?6,?7)",
		[STORE_DEAD_ADD] = "INSERT INTO dead (output, seq, time, reason, line) VALUES "
				   "(?1,?2,?3,?4,?5)",
		[STORE_DEAD_TRIM] = "DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?1",
		[STORE_FORGET] = "DELETE FROM event WHERE seq <= ?1",
		[STORE_ENDS] = "SELECT ifnull(min(seq),0), ifnull(max(seq),0) FROM event",
		[STORE_CURSORS] = "SELECT ifnull(max(cursor),0) FROM output",
		[STORE_TIME] = "SELECT time FROM event WHERE seq=?1",
	};

	if (!store->statements[which]) {
		int code = sqlite3_prepare_v3(store->db, texts[which], -1,
					      SQLITE_PREPARE_PERSISTENT, &store->statements[which],
					      NULL);
		if (code != SQLITE_OK) {
			store->failed = store_error(store, code);
			return NULL;
		}
	}
	return store->statements[which];
}

/* Runs a statement that gives no row, and makes it ready for the next time. */
int store_run(struct store *store, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	int r = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : store_error(store, code);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

/* The columns of the first row; zeroes where there is none. */
static int read_numbers(struct store *store, sqlite3_stmt *statement, uint64_t *numbers, int n)
{
	int code = sqlite3_step(statement);

	for (int i = 0; code == SQLITE_ROW && i < n; i++)
		numbers[i] = (uint64_t)sqlite3_column_int64(statement, i);
	int r = code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : store_error(store, code);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

static int begin(struct store *store)
{
	if (store->is_in_transaction)
		return 0;
	int r = store_exec(store, "BEGIN IMMEDIATE");
	store->is_in_transaction = r == 0;
	return r;
}

int store_commit(struct store *store, uint64_t *ret_lost)
{
	*ret_lost = 0;
	if (!store->is_in_transaction)
		return 0;
	int r = store->failed ? store->failed : store_exec(store, "COMMIT");
	store->is_in_transaction = false;
	if (r == 0) {
		store->committed = store->last;
		store->committed_first = store->first;
		return 0;
	}
	(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL); /* it may be rolled back */
	*ret_lost = store->last - store->committed;
	store->last = store->committed;
	store->first = store->committed_first;
	store->failed = 0;
	memset(store->endpoints, 0, sizeof(store->endpoints)); /* ids that are gone again */
	return r;
}

int store_try(struct store *store)
{
	if (store->is_in_transaction)
		return -EBUSY;
	int r = store_exec(store, "INSERT OR REPLACE INTO counter VALUES ('', zeroblob(1048576))");
	return r < 0 ? r : store_exec(store, "DELETE FROM counter WHERE name=''");
}

bool store_is_writing(const struct store *store)
{
	return store->is_in_transaction;
}

static int read_ends(struct store *store)
{
	sqlite3_stmt *statement = store_statement(store, STORE_ENDS);
	uint64_t ends[2] = {}, cursor = 0;

	if (!statement)
		return store->failed;
	int r = read_numbers(store, statement, ends, 2);
	if (r >= 0 && (statement = store_statement(store, STORE_CURSORS)))
		r = read_numbers(store, statement, &cursor, 1);
	/* Everything may have gone already: numbers are not used again. */
	store->last = store->committed = ends[1] > cursor ? ends[1] : cursor;
	store->first = store->committed_first = ends[0] ? ends[0] : store->last + 1;
	return r < 0 ? r : store->failed;
}

static int migrate(struct store *store)
{
	sqlite3_stmt *statement;
	int version = -1;
	int code = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL);

	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	if (version < 0)
		return store_error(store, code);
	if (version > STORE_VERSION) {
		snprintf(store->problem, sizeof(store->problem), "its version is %d, not %d",
			 version, STORE_VERSION);
		store->is_damaged = true;
		return -EIO;
	}
	int r = 0;
	for (; version < STORE_VERSION && r == 0; version++) {
		char set[48];
		snprintf(set, sizeof(set), "PRAGMA user_version=%d; COMMIT", version + 1);
		r = store_exec(store, "BEGIN IMMEDIATE");
		if (r == 0)
			r = store_exec(store, store_migrations[version]);
		if (r == 0)
			r = store_exec(store, set);
	}
	return r;
}

static int open_database(struct store *store, int flags)
{
	struct stat status;
	int code = sqlite3_open_v2(store->path, &store->db, flags, NULL);

	if (code != SQLITE_OK)
		return store_error(store, code);
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, 2000);
	int r = store_exec(store, CACHE_PAGE);
	if (r == 0 && (flags & SQLITE_OPEN_READWRITE))
		r = store_exec(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
				      "PRAGMA wal_autocheckpoint=512;"
				      "PRAGMA journal_size_limit=16777216");
	if (r == 0 && (flags & SQLITE_OPEN_READWRITE))
		r = migrate(store);
	if (r == 0)
		r = read_ends(store);
	if (r == 0 && stat(store->path, &status) == 0)
		store->inode = status.st_ino;
	return r;
}

static void close_database(struct store *store)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	memset(store->statements, 0, sizeof(store->statements));
	sqlite3_close_v2(store->db);
	store->db = NULL;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	close_database(store);
	free(store->path);
	free(store);
	return NULL;
}

/* events.db, -wal and -shm to events.db.damaged-TIME...; one of the three may be missing. No name
 * where there is no file. */
static int set_aside(struct store *store, char **ret_name)
{
	static const char *const parts[] = {"", "-wal", "-shm"};
	bool is_there = access(store->path, F_OK) == 0;
	char *from, *to, *name;

	if (asprintf(&name, "%s.damaged-%lld", store->path, (long long)time(NULL)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (asprintf(&from, "%s%s", store->path, parts[i]) < 0)
			continue;
		if (asprintf(&to, "%s%s", name, parts[i]) >= 0) {
			if (rename(from, to) < 0 && errno != ENOENT)
				(void)unlink(from);
			free(to);
		}
		free(from);
	}
	if (!is_there) {
		free(name);
		name = NULL;
	}
	*ret_name = name;
	return 0;
}

static int store_new(const char *directory, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	if (asprintf(&store->path, "%s/" FILE_NAME, directory) < 0) {
		free(store);
		return -ENOMEM;
	}
	*ret_store = store;
	return 0;
}

int store_open(const struct store_options *options, struct store **ret_store, char **ret_set_aside)
{
	struct store *store;
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int r = store_new(options->directory, &store);

	*ret_set_aside = NULL;
	if (r < 0)
		return r;
	store->bytes_max = options->bytes_max;
	store->age_max_usec = options->age_max_usec;
	if (options->is_unwanted)
		r = set_aside(store, ret_set_aside);
	if (r == 0)
		r = open_database(store, flags);
	if (r < 0 && store->is_damaged && !*ret_set_aside) {
		close_database(store);
		store->is_damaged = false;
		r = set_aside(store, ret_set_aside);
		if (r == 0)
			r = open_database(store, flags);
	}
	if (r < 0) {
		store_free(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

int store_open_to_read(const char *directory, struct store **ret_store)
{
	struct store *store;
	int r = store_new(directory, &store);

	if (r < 0)
		return r;
	r = open_database(store, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX);
	if (r < 0) {
		store_free(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

void store_continue(struct store *store, uint64_t last)
{
	if (store->first <= store->last || store->last >= last)
		return;
	store->last = store->committed = last;
	store->first = store->committed_first = last + 1;
}

bool store_is_gone(const struct store *store)
{
	struct stat status;

	return stat(store->path, &status) < 0 || status.st_ino != store->inode;
}

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
						    : read_numbers(store, statement, &id, 1);
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
	int r = store->failed ? store->failed : begin(store);

	if (r == 0)
		r = add(store, event, line, length);
	if (r < 0 && store->is_in_transaction)
		store->failed = r; /* the transaction will not be committed */
	return r;
}

static int set_pair(struct store *store, enum store_statement which, const char *name,
		    uint64_t value)
{
	int r = begin(store);
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
	int r = read_numbers(store, statement, ret_received, 1);
	if (r >= 0)
		r = begin(store);
	if (r < 0 || !(statement = store_statement(store, STORE_SEAM_TIDY)))
		return r < 0 ? r : store->failed;
	sqlite3_bind_text(statement, 1, agent, -1, SQLITE_STATIC);
	return store_run(store, statement);
}

uint64_t store_last(const struct store *store)
{
	return store->last;
}

uint64_t store_committed(const struct store *store)
{
	return store->committed;
}

uint64_t store_first(const struct store *store)
{
	return store->first;
}

int store_output_get(struct store *store, const char *name, struct store_output *ret)
{
	sqlite3_stmt *statement = store_statement(store, STORE_OUTPUT_GET);
	uint64_t n[6] = {store->last, store->last};

	if (!statement)
		return store->failed;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	int r = read_numbers(store, statement, n, 6);
	*ret = (struct store_output){n[0], n[1], n[2], n[3], n[4], n[5]};
	return r < 0 ? r : r ? 0 : store_output_set(store, name, ret);
}

int store_output_set(struct store *store, const char *name, const struct store_output *output)
{
	const uint64_t n[6] = {output->begin, output->cursor,  output->delivered,
			       output->dead,  output->dropped, output->filtered};
	int r = begin(store);
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
	int r = begin(store);
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
	return read_numbers(store, statement, &time_usec, 1) > 0 ? time_usec : 0;
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
	int r = begin(store);
	sqlite3_stmt *statement = r < 0 ? NULL : store_statement(store, STORE_FORGET);

	if (!statement)
		return r < 0 ? r : store->failed;
	sqlite3_bind_int64(statement, 1, (int64_t)up_to);
	r = store_run(store, statement);
	if (r == 0 && up_to >= store->first)
		store->first = up_to + 1;
	return r;
}
