/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "config/config.h"

/* Every key of the configuration: the only place that knows it. */
enum schema_type {
	SCHEMA_STRING,
	SCHEMA_PATH,	    /* absolute */
	SCHEMA_ENUM,	    /* one of words[], stored as its place */
	SCHEMA_NUMBER,	    /* minimum to maximum */
	SCHEMA_STRING_LIST, /* relative cgroup paths */
	SCHEMA_DEVICE_LIST,
	SCHEMA_PREFIX_LIST,
	SCHEMA_NAT64_LIST,
	SCHEMA_NUMBER_LIST,
};

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
/* The known key or section that looks most like this one; NULL where none is near. */
const char *schema_nearest(const char *path);

/* Stores a value, or one more item of a list (`item`). 0; CONFIG_E_INVALID after a report entry at
 * `place`; -ENOMEM. */
PF_MUST_CHECK int schema_store(const struct schema_key *key, const char *text,
			       struct config *config, const char *place, struct report *report);
bool schema_is_list(const struct schema_key *key);
PF_MUST_CHECK int schema_defaults(struct config *config);
/* Forgets a list's items: the first item of a file replaces the default. */
void schema_list_clear(const struct schema_key *key, struct config *config);
