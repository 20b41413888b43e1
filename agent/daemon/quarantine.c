/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The file holds names and times of day, no id of a kernel: what a restart or a reboot finds in it is
 * resolved anew. A change that cannot be written holds all the same, and that it will not outlive the agent
 * is said. A damaged file is set aside loudly: nothing of it can be believed. */
#include "daemon/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/state_file.h"
#include "event/agent_event.h"

#define FILE_NAME "quarantine.json"
#define FILE_MAX  (4u << 20)
#define MAGIC	  "quarantine"
#define VERSION	  1

static void save(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct buffer body = BUFFER_INIT, text = BUFFER_INIT;
	char boot[STATE_BOOT_MAX];

	daemon->quarantines.is_kept = false;
	if (!directory[0])
		return;
	state_boot_id(boot);
	const struct state_head head = {MAGIC, VERSION, daemon->node_name, boot};
	quarantine_list_write(&daemon->quarantines.list, &body);
	state_format(&head, &body, &text);
	int r = state_save(directory, FILE_NAME, &text);
	buffer_done(&body);
	buffer_done(&text);
	if (r < 0)
		diag_cannot("keep the quarantines (state.directory)", r);
	else
		daemon->quarantines.is_kept = true;
}

static const struct endpoint *find_endpoint(const struct daemon *daemon, const char *namespace,
					    const char *name)
{
	const struct snapshot *snapshot = daemon->snapshot;

	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		if (!strcmp(endpoint_namespace(endpoint), namespace) &&
		    !strcmp(endpoint_name(endpoint), name))
			return endpoint;
	}
	return NULL;
}

/* caller NULL: nobody, it happened by itself. */
static void tell(struct daemon *daemon, const char *action, const struct quarantine *quarantine,
		 const char *how, const struct control_caller *caller)
{
	char message[640];
	const struct agent_event event = {
		.action = action,
		.message = message,
		.reason = quarantine->reason && quarantine->reason[0] ? quarantine->reason : NULL,
		.pid = caller ? (uint32_t)caller->pid : 0,
		.process = caller ? caller->process : NULL,
		.has_uid = caller != NULL,
		.uid = caller ? caller->uid : 0,
		.namespace = quarantine->namespace,
		.name = quarantine->name,
		.endpoint = find_endpoint(daemon, quarantine->namespace, quarantine->name),
		.is_wanted = true,
	};

	snprintf(message, sizeof(message), "%s/%s %s", quarantine->namespace, quarantine->name,
		 how);
	diag_changed(message);
	stream_event(daemon, &event);
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata);

/* For the next one that ends. */
static void plan(struct daemon *daemon)
{
	struct quarantines *quarantines = &daemon->quarantines;
	uint64_t end = quarantine_next_end(&quarantines->list);
	int r = 0;

	quarantines->timer = sd_event_source_disable_unref(quarantines->timer);
	if (end)
		r = sd_event_add_time(daemon->loop, &quarantines->timer, CLOCK_REALTIME, end, 0,
				      on_end, daemon);
	if (r >= 0 && end)
		r = sd_event_source_set_priority(quarantines->timer, PRIORITY_SOURCES);
	if (r < 0)
		diag_cannot("plan the end of a quarantine", r);
}

/* Whether there was any. */
static bool end_those_over(struct daemon *daemon)
{
	struct quarantine_list *list = &daemon->quarantines.list;
	uint64_t now = clock_usec(CLOCK_REALTIME);
	bool is_any = false;

	for (const struct quarantine *over; (over = quarantine_find_over(list, now));) {
		struct quarantine taken;
		if (!quarantine_take(list, over->namespace, over->name, &taken))
			break;
		tell(daemon, "quarantine-expired", &taken, "is out of quarantine: its time is over",
		     NULL);
		quarantine_done(&taken);
		is_any = true;
	}
	return is_any;
}

static void changed(struct daemon *daemon)
{
	save(daemon);
	plan(daemon);
	daemon_schedule(daemon, 0);
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	if (end_those_over(daemon))
		changed(daemon);
	else
		plan(daemon); /* the clock was set back */
	return 0;
}

static int read_file(struct daemon *daemon, const char *path, struct report *report)
{
	const struct state_head head = {MAGIC, VERSION, daemon->node_name, NULL};
	const char *body;
	size_t length, body_length;
	char *text;
	int r = file_read(path, FILE_MAX, &text, &length);

	if (r < 0)
		return r;
	const char *problem = state_problem(&head, text, length, &body, &body_length);
	if (problem)
		report_add(report, path, "%s", problem);
	r = problem ? QUARANTINE_E_INVALID
		    : quarantine_list_parse(path, body, body_length, report,
					    &daemon->quarantines.list);
	free(text);
	return r > 0 ? state_set_aside(daemon->config->state.directory, FILE_NAME, path, report)
		     : r;
}

void quarantines_read(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct report report;
	char *path;

	if (!directory[0])
		return;
	if (asprintf(&path, "%s/%s", directory, FILE_NAME) < 0) {
		diag_cannot("read who is in quarantine", -ENOMEM);
		return;
	}
	report_init(&report);
	int r = read_file(daemon, path, &report);
	if (!report_is_empty(&report))
		diag_state_damaged(&report);
	else if (r < 0 && r != -ENOENT)
		diag_cannot("read who is in quarantine (state.directory)", r);
	report_done(&report);
	free(path);
	daemon->quarantines.is_kept = true;
	if (end_those_over(daemon))
		save(daemon);
	plan(daemon);
}

void quarantines_done(struct daemon *daemon)
{
	sd_event_source_disable_unref(daemon->quarantines.timer);
	quarantine_list_done(&daemon->quarantines.list);
}

int quarantines_set(struct daemon *daemon, struct quarantine *quarantine,
		    const struct control_caller *caller)
{
	char *namespace = strdup(quarantine->namespace), *name = strdup(quarantine->name);
	int r = -ENOMEM;

	if (namespace && name)
		r = quarantine_set(&daemon->quarantines.list, quarantine);
	else
		quarantine_done(quarantine);
	if (r == 0) {
		const struct quarantine *now = quarantine_find(&daemon->quarantines.list, namespace,
							       name);
		tell(daemon, "quarantine-set", now, "is in quarantine", caller);
		changed(daemon);
	}
	free(namespace);
	free(name);
	return r;
}

bool quarantines_release(struct daemon *daemon, const char *namespace, const char *name,
			 const struct control_caller *caller)
{
	struct quarantine taken;

	if (!quarantine_take(&daemon->quarantines.list, namespace, name, &taken))
		return false;
	tell(daemon, "quarantine-released", &taken, "is out of quarantine: released", caller);
	quarantine_done(&taken);
	changed(daemon);
	return true;
}

static bool is_labelled(const struct endpoint *endpoint)
{
	return endpoint->pod && quarantine_terms(NULL, endpoint).origin == QUARANTINE_LABELLED;
}

/* The one of this name in the other snapshot, from place *at on: both are sorted. */
static const struct endpoint *find_same(const struct snapshot *snapshot, size_t *at,
					const struct endpoint *endpoint)
{
	for (; snapshot && *at < snapshot->n_endpoints; (*at)++) {
		const struct endpoint *other = &snapshot->endpoints[*at];
		int order = endpoint_compare(other, endpoint);
		if (order >= 0)
			return order == 0 ? other : NULL;
	}
	return NULL;
}

static void tell_label(struct daemon *daemon, const struct endpoint *endpoint, const char *action,
		       const char *how)
{
	const struct quarantine quarantine = {
		.namespace = endpoint->pod->namespace,
		.name = endpoint->pod->name,
		.reason = (char *)"label " QUARANTINE_LABEL,
	};

	tell(daemon, action, &quarantine, how, NULL);
}

void quarantines_follow(struct daemon *daemon, const struct snapshot *before,
			const struct snapshot *now)
{
	size_t at = 0;

	for (size_t i = 0; i < now->n_endpoints; i++) {
		const struct endpoint *endpoint = &now->endpoints[i];
		if (!is_labelled(endpoint))
			continue;
		const struct endpoint *same = find_same(before, &at, endpoint);
		if (!same || !is_labelled(same))
			tell_label(daemon, endpoint, "quarantine-set",
				   "is in quarantine: by its label");
	}
	at = 0;
	for (size_t i = 0; before && i < before->n_endpoints; i++) {
		const struct endpoint *endpoint = &before->endpoints[i];
		if (!is_labelled(endpoint))
			continue;
		const struct endpoint *same = find_same(now, &at, endpoint);
		if (!same || !is_labelled(same))
			tell_label(daemon, endpoint, "quarantine-released",
				   "is out of quarantine: its label is gone");
	}
}
