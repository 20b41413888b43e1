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

#define SCHEMA_MAX	64 /* keys */
#define SCHEMA_PATH_MAX 64 /* bytes of a path, with its NUL */

/* Every key of the configuration: the only place that knows it. */
enum schema_type {
	SCHEMA_STRING,
	SCHEMA_NAME,	    /* a name as nodes have them, or nothing */
	SCHEMA_PATH,	    /* absolute, or nothing */
	SCHEMA_ENUM,	    /* one of words[], stored as its place */
	SCHEMA_NUMBER,	    /* minimum to maximum */
	SCHEMA_CGROUP_LIST, /* paths below the cgroup root; maximum is of items from here on */
	SCHEMA_DEVICE_LIST,
	SCHEMA_PREFIX_LIST,
	SCHEMA_NAT64_LIST,
	SCHEMA_NUMBER_LIST, /* each from minimum to maximum; at most SCHEMA_NUMBERS_MAX */
};

#define SCHEMA_NUMBERS_MAX 64

struct schema_key {
	const char *path; /* "network.tunnels.udpPorts" */
	enum schema_type type;
	size_t offset; /* in struct config */
	uint32_t minimum, maximum;
	const char *fallback; /* default, as a file would say it; lists: separated by blanks */
	const char *const *words;
	const char *help;
	const char *example; /* in the sample file, commented; NULL: the default */
};

extern const struct schema_key schema[];
extern const size_t schema_length;

/* NULL where there is none. */
const struct schema_key *schema_find(const char *path);
/* A key of any depth begins with this path and a dot. */
bool schema_is_section(const char *path);
bool schema_is_list(const struct schema_key *key);
size_t schema_items_max(const struct schema_key *key);
/* The key or section that somebody who wrote `path` may have meant; false where none is near. */
bool schema_nearest(const char *path, char ret_nearest[static SCHEMA_PATH_MAX]);

/* One value of a file, as it was written. */
struct schema_value {
	const char *place; /* for messages */
	const char *text;
	bool is_quoted;
};

/* Stores a value, or appends one item to a list. 0; CONFIG_E_INVALID after a report entry;
 * -ENOMEM. */
PF_MUST_CHECK int schema_store(const struct schema_key *key, const struct schema_value *value,
			       struct config *config, struct report *report);
/* 0; -ENOMEM; -EINVAL where the schema refuses its own default. */
PF_MUST_CHECK int schema_defaults(struct config *config);
/* Forgets a list's items: the items of a file replace the default. */
void schema_list_clear(const struct schema_key *key, struct config *config);
