/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What was told, on disk: the next agent goes on where this one stopped. It is written when something was told by
 * a reading, after the events. An agent that is killed between the two, or while flows begin, leaves a file that
 * is a reading old: what it told since then is told again, and nothing is left out. */
#include "daemon/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/file.h"
#include "base/state_file.h"

#define FILE_NAME "ledger"
#define FILE_MAX  (1u << 30)
#define MAGIC	  "ledger"
#define VERSION	  1

void ledger_save(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct ledger *ledger = &daemon->ledger;
	struct saved_ledger head = {};
	struct buffer body = BUFFER_INIT;

	if (!directory[0])
		return;
	state_boot_id(head.boot);
	for (unsigned i = 0; i < LEDGER_CLASS_N; i++) {
		for (unsigned k = 0; k < LEDGER_TABLES; k++)
			head.counted[i] += ledger->tables[k].counted[i].last;
		head.removed[i] = ledger->removed[i];
		head.removed_over[i] = ledger->removed_over[i];
	}
	saved_head_write(&head, &body);
	for (struct flow *flow = flow_table_next(ledger->flows, NULL); flow;
	     flow = flow_table_next(ledger->flows, flow))
		saved_flow_write(flow, &body);
	const struct state_head state = {MAGIC, VERSION, daemon->node_name, head.boot};
	buffer_clear(&ledger->text);
	state_format(&state, &body, &ledger->text);
	buffer_done(&body);
	int r = state_save_loosely(directory, FILE_NAME, &ledger->text);
	if (r < 0)
		diag_cannot("keep what was told of flows (state.directory)", r);
}

struct restoring {
	struct daemon *daemon;
	size_t n;
};

static int on_flow(const struct flow *saved, void *userdata)
{
	struct restoring *restoring = userdata;
	struct ledger *ledger = &restoring->daemon->ledger;

	if (flow_table_find(ledger->flows, &saved->key))
		return SAVED_E_INVALID;
	struct flow *flow = flow_table_add(ledger->flows, &saved->key, saved->start_usec,
					   ledger->salt);
	if (!flow)
		return -ENOMEM;
	memcpy(flow->id, saved->id, sizeof(flow->id));
	flow->rule = saved->rule;
	flow->owner = saved->owner;
	flow->sequence = saved->sequence;
	flow->moved_usec = saved->moved_usec;
	flow->told_usec = saved->told_usec;
	flow->seen = saved->seen;
	flow->before = saved->before;
	flow->told = saved->told;
	restoring->n++;
	return 0;
}

static void forget_all(struct ledger *ledger)
{
	struct flow *flow;

	while ((flow = flow_table_next(ledger->flows, NULL)))
		flow_table_remove(ledger->flows, flow);
}

/* Of another boot, or of tables that are gone: then the counters are younger than the file. */
static bool is_of_these_tables(const struct saved_ledger *saved,
			       const uint64_t counted[static LEDGER_CLASS_N])
{
	char boot[STATE_BOOT_MAX];

	state_boot_id(boot);
	for (unsigned i = 0; i < LEDGER_CLASS_N; i++)
		if (counted[i] < saved->counted[i])
			return false;
	return !strcmp(boot, saved->boot);
}

/* 0: it is not of these tables, or damaged, which the report says. */
static unsigned take(struct daemon *daemon, const char *path, const char *text, size_t length,
		     const uint64_t *counted, struct report *report)
{
	const struct state_head head = {MAGIC, VERSION, daemon->node_name, NULL};
	struct restoring restoring = {.daemon = daemon};
	struct saved_ledger saved;
	const char *body;
	size_t body_length;
	unsigned line = 0;
	const char *problem = state_problem(&head, text, length, &body, &body_length);

	if (problem) {
		report_add(report, path, "%s", problem);
		return 0;
	}
	int r = saved_read(body, body_length, &saved, on_flow, &restoring, &line);
	if (r > 0)
		report_add(report, path, "line %u is no flow", line + 1);
	else if (r < 0)
		diag_cannot("take over what was told of flows", r);
	if (r != 0 || !is_of_these_tables(&saved, counted)) {
		forget_all(&daemon->ledger);
		return 0;
	}
	for (unsigned i = 0; i < LEDGER_CLASS_N; i++) {
		daemon->ledger.removed[i] = saved.removed[i];
		daemon->ledger.removed_over[i] = saved.removed_over[i];
	}
	return saved.n_classes;
}

unsigned ledger_restore(struct daemon *daemon, const uint64_t counted[static LEDGER_CLASS_N])
{
	const char *directory = daemon->config->state.directory;
	unsigned n_taken = 0;
	struct report report;
	char *path, *text;
	size_t length;

	if (!directory[0])
		return 0;
	if (asprintf(&path, "%s/%s", directory, FILE_NAME) < 0) {
		diag_cannot("read what was told of flows", -ENOMEM);
		return 0;
	}
	report_init(&report);
	int r = file_read(path, FILE_MAX, &text, &length);
	if (r == 0) {
		n_taken = take(daemon, path, text, length, counted, &report);
		free(text);
	}
	if (!report_is_empty(&report)) {
		r = state_set_aside(directory, FILE_NAME, path, &report);
		diag_state_damaged(&report);
	}
	if (r < 0 && r != -ENOENT)
		diag_cannot("read what was told of flows (state.directory)", r);
	report_done(&report);
	free(path);
	return n_taken;
}
