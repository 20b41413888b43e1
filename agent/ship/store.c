/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One connection, prepared statements, one transaction for whatever came in between two commits.
 * WAL with synchronous=NORMAL: a killed process loses nothing that was committed, a lost machine at
 * most the commits since the last checkpoint, and never the file.
 *
 * A full disk fails the transaction: what it held is lost and counted, the file is as before. */
#include "ship/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ship/store_internal.h"

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

int store_run(struct store *store, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	int r = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : store_error(store, code);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

int store_numbers(struct store *store, sqlite3_stmt *statement, uint64_t *numbers, int n)
{
	int code = sqlite3_step(statement);

	for (int i = 0; code == SQLITE_ROW && i < n; i++)
		numbers[i] = (uint64_t)sqlite3_column_int64(statement, i);
	int r = code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : store_error(store, code);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

int store_begin(struct store *store)
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
