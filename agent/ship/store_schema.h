/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

/* Each version as the statements that make it of the one before; user_version says which ran. */
static const char *const store_migrations[] = {
	"CREATE TABLE endpoint (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT "
	"NULL,"
	" name TEXT NOT NULL, UNIQUE (namespace, name, kind));"
	"CREATE TABLE event (seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, action INTEGER NOT "
	"NULL,"
	" time INTEGER NOT NULL, endpoint INTEGER NOT NULL, destination BLOB, protocol INTEGER,"
	" port INTEGER, severity INTEGER, packets INTEGER, bytes INTEGER, id TEXT NOT NULL, line "
	"TEXT NOT NULL);"
	"CREATE INDEX event_destination ON event (destination, time);"
	"CREATE INDEX event_endpoint ON event (endpoint, time);"
	"CREATE INDEX event_time ON event (time);"
	"CREATE TABLE output (name TEXT PRIMARY KEY, begin INTEGER NOT NULL, cursor INTEGER NOT "
	"NULL,"
	" delivered INTEGER NOT NULL, dead INTEGER NOT NULL, dropped INTEGER NOT NULL,"
	" filtered INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE dead (id INTEGER PRIMARY KEY, output TEXT NOT NULL, seq INTEGER NOT NULL,"
	" time INTEGER NOT NULL, reason TEXT NOT NULL, line TEXT NOT NULL);"
	"CREATE TABLE seam (agent TEXT PRIMARY KEY, received INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
};
#define STORE_VERSION ((int)(sizeof(store_migrations) / sizeof(store_migrations[0])))
