/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <sys/types.h>

#include <sqlite3.h>

#include "ship/store.h"

#define STORE_ENDPOINTS	   512
#define STORE_ENDPOINT_KEY 192
#define STORE_ADDRESS_KEY  17

enum store_statement {
	STORE_ADD,
	STORE_ENDPOINT_ADD,
	STORE_ENDPOINT_GET,
	STORE_SEAM_GET,
	STORE_SEAM_SET,
	STORE_SEAM_TIDY,
	STORE_COUNT,
	STORE_OUTPUT_GET,
	STORE_OUTPUT_SET,
	STORE_DEAD_ADD,
	STORE_DEAD_TRIM,
	STORE_FORGET,
	STORE_ENDS,
	STORE_CURSORS,
	STORE_TIME,
	STORE_STATEMENTS, /* how many */
};

struct store_endpoint {
	int64_t id; /* 0: none is kept here */
	char key[STORE_ENDPOINT_KEY];
};

struct store {
	sqlite3 *db;
	char *path;
	ino_t inode;
	sqlite3_stmt *statements[STORE_STATEMENTS];
	struct store_endpoint endpoints[STORE_ENDPOINTS];
	uint64_t first, last, committed, committed_first;
	uint64_t bytes_max, age_max_usec;
	bool is_in_transaction, is_damaged;
	int failed; /* negative errno: this transaction cannot be committed */
	char problem[160];
};

int store_error(struct store *store, int code);
int store_exec(struct store *store, const char *sql);
/* A statement that is kept; NULL after store_error(). */
sqlite3_stmt *store_statement(struct store *store, enum store_statement which);
/* Runs a statement that gives no row, and makes it ready for the next time. */
int store_run(struct store *store, sqlite3_stmt *statement);
/* The columns of the first row: 1; 0, and nothing is set, where there is none. */
int store_numbers(struct store *store, sqlite3_stmt *statement, uint64_t *numbers, int n);
/* The transaction that store_commit() ends, where none is under way. */
int store_begin(struct store *store);

/* store_query.c. The bytes of `key`; 0: no address. */
int store_address_key(const struct pf_address *address,
		      unsigned char key[static STORE_ADDRESS_KEY]);
