/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The store's file: its schema in versions, opened, made, set aside. A damaged file is renamed with its companions
 * and a new one begun: evidence is not overwritten. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ship/store_internal.h"
#include "ship/store_schema.h"

#define FILE_NAME "events.db"
/* Lines of 2 kB: of pages of 4 kB half would be waste. It counts for a new file only. */
#define CACHE_PAGE                                                                                 \
	"PRAGMA page_size=16384; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY; PRAGMA "       \
	"mmap_size=0;"

static int read_ends(struct store *store)
{
	sqlite3_stmt *statement = store_statement(store, STORE_ENDS);
	uint64_t ends[2] = {}, cursor = 0;

	if (!statement)
		return store->failed;
	int r = store_numbers(store, statement, ends, 2);
	if (r >= 0 && (statement = store_statement(store, STORE_CURSORS)))
		r = store_numbers(store, statement, &cursor, 1);
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
