/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "config/config.h"

#define SCHEMA_MAX	64 /* keys of one table */
#define SCHEMA_PATH_MAX 64 /* bytes of a path, with its NUL */

/* Every key of the configuration: the only place that knows it. A table describes a struct: struct config, or
 * the items of a list of objects, which have a table of their own and may have lists of objects again. */
enum schema_type {
	SCHEMA_STRING,
	SCHEMA_NAME,	 /* a name as nodes have them, or nothing */
	SCHEMA_PATH,	 /* absolute, or nothing */
	SCHEMA_SERVER,	 /* http or https URL that paths are appended to, or nothing */
	SCHEMA_ENUM,	 /* one of words[], stored as its place */
	SCHEMA_NUMBER,	 /* minimum to maximum */
	SCHEMA_SELECTOR, /* of labels, as kubectl takes them */
	/* Lists; maximum is of items from here on. */
	SCHEMA_CGROUP_LIST, /* paths below the cgroup root */
	SCHEMA_DEVICE_LIST,
	SCHEMA_UNIT_LIST, /* globs of unit names or, after a slash, of cgroup paths */
	SCHEMA_PREFIX_LIST,
	SCHEMA_NAT64_LIST,
	SCHEMA_NUMBER_LIST, /* each from minimum to maximum; at most SCHEMA_NUMBERS_MAX */
	SCHEMA_DESTINATION_LIST,
	SCHEMA_OBJECT_LIST, /* mappings, as the table `items` has it */
};

#define SCHEMA_NUMBERS_MAX 64

struct schema_table {
	const struct schema_key *keys;
	size_t n_keys;
	size_t size; /* of the struct */
};

struct schema_key {
	const char *path; /* "network.tunnels.udpPorts" */
	enum schema_type type;
	size_t offset; /* in the table's struct */
	uint32_t minimum, maximum;
	const char *fallback; /* default, as a file would say it; lists: separated by blanks */
	const char *const *words;
	const char *help;
	const char *example; /* in the sample file, commented; NULL: the default */
	const struct schema_table *items;
	/* Of keys of items: */
	bool is_required; /* and of a list, that it is not empty */
	bool is_unique;	  /* a string that no other item of the list has */
	const char *
		inherits; /* ENUM or NUMBER: what this key of the configuration says, where it says nothing */
};

extern const struct schema_table config_schema;

/* NULL where there is none. */
const struct schema_key *schema_find(const struct schema_table *table, const char *path);
/* A key of any depth begins with this path and a dot. */
bool schema_is_section(const struct schema_table *table, const char *path);
bool schema_is_list(const struct schema_key *key);
size_t schema_items_max(const struct schema_key *key);
/* The default as a file would say it. */
const char *schema_fallback(const struct schema_key *key);
/* The key or section that somebody who wrote `path` may have meant; false where none is near. */
bool schema_nearest(const struct schema_table *table, const char *path,
		    char ret_nearest[static SCHEMA_PATH_MAX]);

/* One value of a file, as it was written. */
struct schema_value {
	const char *place; /* for messages */
	const char *text;
	bool is_quoted;
};

/* store.c: stores a value in its field of the table's struct, or appends one item to a list. 0;
 * CONFIG_E_INVALID after a report entry; -ENOMEM. */
PF_MUST_CHECK int schema_store(const struct schema_key *key, const struct schema_value *value,
			       void *object, struct report *report);

/* object.c: what a table describes, from its defaults to its end. */

/* Every list of a configuration is laid out as this. */
struct schema_list {
	void *items;
	size_t n;
};

/* Of an object that is all zeroes. 0; -ENOMEM; -EINVAL where the schema refuses its own default. */
PF_MUST_CHECK int object_defaults(const struct schema_table *table, void *object);
void object_done(const struct schema_table *table, void *object);
/* What is inherited, once everything is read. */
void object_inherit(const struct schema_table *table, void *object, const struct config *config);
struct schema_list object_list(const struct schema_key *key, const void *object);
/* Room for one more item at the end, all zeroes; NULL without memory. */
void *object_list_grow(const struct schema_key *key, void *object);
/* Forgets a list's items: the items of a file replace the default. */
void object_list_clear(const struct schema_key *key, void *object);
/* An earlier item of the list than its last says the same in this key of an item. */
bool object_list_has_twin(const struct schema_key *list, const void *object,
			  const struct schema_key *key);

/* reader.c: fills a configuration that has its defaults. 0; CONFIG_E_INVALID; -ENOMEM. */
PF_MUST_CHECK int config_fill(const char *name, const char *text, size_t length,
			      struct report *report, struct config *config);
