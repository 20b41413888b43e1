/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Questions to the store: one statement whose conditions are those that were asked for, so that
 * SQLite finds the index. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ship/store_internal.h"

int store_address_key(const struct pf_address *address, unsigned char key[static STORE_ADDRESS_KEY])
{
	int n = address->family == AF_INET ? 4 : address->family == AF_INET6 ? 16 : 0;

	if (!n)
		return 0;
	key[0] = n == 4 ? 4 : 6;
	memcpy(key + 1, address->bytes, (size_t)n);
	return n + 1;
}

static void read_address(const unsigned char *key, int length, struct pf_address *address)
{
	*address = (struct pf_address){};
	if (!key || (length != 5 && length != 17))
		return;
	address->family = length == 5 ? AF_INET : AF_INET6;
	memcpy(address->bytes, key + 1, (size_t)length - 1);
}

static void read_row(sqlite3_stmt *statement, struct store_row *row)
{
	*row = (struct store_row){
		.seq = (uint64_t)sqlite3_column_int64(statement, 0),
		.kind = (enum ship_kind)sqlite3_column_int(statement, 1),
		.action = (enum ship_action)sqlite3_column_int(statement, 2),
		.time_usec = (uint64_t)sqlite3_column_int64(statement, 3),
		.protocol = (uint8_t)sqlite3_column_int(statement, 5),
		.port = (uint16_t)sqlite3_column_int(statement, 6),
		.severity = (unsigned)sqlite3_column_int(statement, 7),
		.packets = (uint64_t)sqlite3_column_int64(statement, 8),
		.bytes = (uint64_t)sqlite3_column_int64(statement, 9),
		.line = (const char *)sqlite3_column_text(statement, 10),
		.length = (size_t)sqlite3_column_bytes(statement, 10),
		.id = (const char *)sqlite3_column_text(statement, 14),
		.endpoint_kind = (const char *)sqlite3_column_text(statement, 11),
		.namespace = (const char *)sqlite3_column_text(statement, 12),
		.name = (const char *)sqlite3_column_text(statement, 13),
	};
	read_address(sqlite3_column_blob(statement, 4), sqlite3_column_bytes(statement, 4),
		     &row->destination);
}

/* Where an index leads to few rows, these are sorted afterwards; "+" keeps SQLite, which knows nothing
 * of how many there are, from walking the whole table only because that is in order. */
static void make_text(const struct store_query *query, char text[static 768])
{
	bool is_few = (query->has_destination || query->name) && !query->is_tail;

	snprintf(text, 768,
		 "SELECT seq, event.kind, action, time, destination, protocol, port, severity, "
		 "packets, bytes, line, endpoint.kind, namespace, name, event.id FROM event JOIN "
		 "endpoint ON "
		 "event.endpoint = endpoint.id WHERE %sseq > ?1%s%s%s%s%s%s ORDER BY seq %s LIMIT "
		 "?2",
		 is_few ? "+" : "", query->up_to ? " AND seq <= ?3" : "",
		 query->from_usec ? " AND time >= ?4" : "", query->to_usec ? " AND time < ?5" : "",
		 query->namespace ? " AND namespace = ?6" : "", query->name ? " AND name = ?7" : "",
		 query->has_destination ? " AND destination BETWEEN ?8 AND ?9" : "",
		 query->newest_first ? "DESC" : "ASC");
}

static void bind_query(sqlite3_stmt *statement, const struct store_query *query)
{
	unsigned char low[STORE_ADDRESS_KEY], high[STORE_ADDRESS_KEY];

	/* A parameter that is not in the text is refused, which is what is wanted. */
	sqlite3_bind_int64(statement, 1, (int64_t)query->after);
	sqlite3_bind_int64(statement, 2, query->limit ? (int64_t)query->limit : -1);
	sqlite3_bind_int64(statement, 3, (int64_t)query->up_to);
	sqlite3_bind_int64(statement, 4, (int64_t)query->from_usec);
	sqlite3_bind_int64(statement, 5, (int64_t)query->to_usec);
	sqlite3_bind_text(statement, 6, query->namespace, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(statement, 7, query->name, -1, SQLITE_TRANSIENT);
	if (!query->has_destination)
		return;
	sqlite3_bind_blob(statement, 8, low, store_address_key(&query->lowest, low),
			  SQLITE_TRANSIENT);
	sqlite3_bind_blob(statement, 9, high, store_address_key(&query->highest, high),
			  SQLITE_TRANSIENT);
}

int store_rows(struct store *store, const struct store_query *query, store_row_fn take,
	       void *userdata)
{
	sqlite3_stmt *statement;
	char text[768];
	int code, r = 0;

	make_text(query, text);
	code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
	if (code != SQLITE_OK)
		return store_error(store, code);
	bind_query(statement, query);
	while (r == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_row row;
		read_row(statement, &row);
		r = take(userdata, &row);
	}
	if (r == 0 && code != SQLITE_DONE)
		r = store_error(store, code);
	sqlite3_finalize(statement);
	return r < 0 ? r : 0;
}

static void read_flow(sqlite3_stmt *statement, struct store_flow *flow)
{
	*flow = (struct store_flow){
		.endpoint_kind = (const char *)sqlite3_column_text(statement, 0),
		.namespace = (const char *)sqlite3_column_text(statement, 1),
		.name = (const char *)sqlite3_column_text(statement, 2),
		.protocol = (uint8_t)sqlite3_column_int(statement, 4),
		.port = (uint16_t)sqlite3_column_int(statement, 5),
		.events = (uint64_t)sqlite3_column_int64(statement, 6),
		.packets = (uint64_t)sqlite3_column_int64(statement, 7),
		.last_usec = (uint64_t)sqlite3_column_int64(statement, 8),
	};
	read_address(sqlite3_column_blob(statement, 3), sqlite3_column_bytes(statement, 3),
		     &flow->destination);
}

int store_flows(struct store *store, uint64_t from_usec, store_flow_fn take, void *userdata)
{
	static const char text[] =
		"SELECT endpoint.kind, namespace, name, destination, protocol, port, count(*), "
		"sum(packets), max(time) FROM event JOIN endpoint ON event.endpoint = endpoint.id "
		"WHERE event.kind = 0 AND destination IS NOT NULL AND time >= ?1 "
		"GROUP BY event.endpoint, destination, protocol, port";
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL), r = 0;

	if (code != SQLITE_OK)
		return store_error(store, code);
	sqlite3_bind_int64(statement, 1, (int64_t)from_usec);
	while (r == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_flow flow;
		read_flow(statement, &flow);
		r = take(userdata, &flow);
	}
	if (r == 0 && code != SQLITE_DONE)
		r = store_error(store, code);
	sqlite3_finalize(statement);
	return r < 0 ? r : 0;
}
