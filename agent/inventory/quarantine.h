/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>
#include <podfence/attributes.h>

#include "base/buffer.h"
#include "base/report.h"
#include "config/config.h"
#include "inventory/snapshot.h"

/* Who is cut off from everything. By name, so that it holds for whatever runs under that name, after a restart
 * of the agent and of the node too. A person sets one by hand, and only a person or time lifts it; the label
 * below does the same as long as it is there. */

#define QUARANTINE_LABEL	"podfence.io/quarantine" /* any value but "false" */
#define QUARANTINE_LABEL_PROBES "keep-probes"
#define QUARANTINE_MAX		256
#define QUARANTINE_ALLOW_MAX	8
#define QUARANTINE_REASON_MAX	256

struct quarantine {
	char *namespace, *name;
	char *reason;	     /* "" */
	uint64_t since_usec; /* CLOCK_REALTIME */
	uint64_t until_usec; /* 0: until it is released */
	bool keeps_probes;   /* processes of this node may open connections to it */
	struct prefix_list allow;
	uint32_t uid; /* who set it */
};

struct quarantine_list {
	struct quarantine *items; /* sorted by namespace and name */
	size_t n_items;
};

void quarantine_done(struct quarantine *quarantine);
void quarantine_list_done(struct quarantine_list *list);
const struct quarantine *quarantine_find(const struct quarantine_list *list, const char *namespace,
					 const char *name);
/* Takes the content over, also when it fails; one of the same name is replaced. -ENOSPC, -ENOMEM. */
PF_MUST_CHECK int quarantine_set(struct quarantine_list *list, struct quarantine *quarantine);
/* Out of the list, to be freed with quarantine_done(); false: there is none. */
bool quarantine_take(struct quarantine_list *list, const char *namespace, const char *name,
		     struct quarantine *ret_quarantine);
/* One that is over by now; NULL: none. */
const struct quarantine *quarantine_find_over(const struct quarantine_list *list,
					      uint64_t now_usec);
/* When the next one ends; 0: none does. */
uint64_t quarantine_next_end(const struct quarantine_list *list);

/* What holds for an endpoint. */
enum quarantine_origin { QUARANTINE_NONE, QUARANTINE_MANUAL, QUARANTINE_LABELLED };
struct quarantine_terms {
	enum quarantine_origin origin;
	bool keeps_probes;
	const struct prefix_list *allow; /* the list's; NULL: none */
};
/* list may be NULL: labels alone. */
struct quarantine_terms quarantine_terms(const struct quarantine_list *list,
					 const struct endpoint *endpoint);

/* The body of the file, and back. */
void quarantine_list_write(const struct quarantine_list *list, struct buffer *buffer);
enum {
	QUARANTINE_E_INVALID = 1, /* the report says why */
};
PF_MUST_CHECK int quarantine_list_parse(const char *place, const char *text, size_t length,
					struct report *report, struct quarantine_list *ret_list);
