/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * After a change of configuration or policies that changed rules, the agent asks whether it still reaches the
 * API server, if it did before. Its own cgroup is exempt, but what carries its packets may not be: a proxy
 * in a host pod, a gateway, whoever answers at the server's address.
 *
 *	settled --a change--> unsure --answer--> settled
 *	                         |
 *	                         `-time is up--> what was before is in force, back --answer--> it stays
 *	                                                                      |
 *	                                                                      `-time is up--> no fault of the
 *	                                                               change: in force again, settled
 *
 * A policy set that was refused in this way is tried again when it becomes another one, a configuration when it
 * is read again. Any status of a reply counts: whoever refuses us is reached. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/diag.h"

#define PROBE_USEC 1000000u

static void cancel(struct daemon *daemon)
{
	struct confirm *confirm = &daemon->confirm;

	if (daemon->api)
		api_probe(daemon->api, NULL, NULL);
	confirm->deadline = sd_event_source_disable_unref(confirm->deadline);
	confirm->again = sd_event_source_disable_unref(confirm->again);
}

/* What is in force now is what we would go back to. */
static void settle(struct daemon *daemon)
{
	struct confirm *confirm = &daemon->confirm;

	cancel(daemon);
	confirm->stage = CONFIRM_SETTLED;
	config_free(confirm->config);
	confirm->config = NULL;
	policy_list_free(confirm->policies);
	confirm->policies = confirm->seen ? policy_list_ref(confirm->seen) : NULL;
}

static void on_answer(void *userdata, bool is_reached);

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	if (!daemon->api || api_probe(daemon->api, on_answer, daemon) < 0)
		on_answer(daemon, false);
	return 0;
}

static int plan(struct daemon *daemon, sd_event_source **source, uint64_t usec,
		sd_event_time_handler_t handler)
{
	int r;

	if (*source) {
		r = sd_event_source_set_time_relative(*source, usec);
		return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
	}
	r = sd_event_add_time_relative(daemon->loop, source, CLOCK_MONOTONIC, usec, 0, handler,
				       daemon);
	return r < 0 ? r : sd_event_source_set_priority(*source, PRIORITY_REST);
}

static void on_answer(void *userdata, bool is_reached)
{
	struct daemon *daemon = userdata;
	struct confirm *confirm = &daemon->confirm;

	if (!is_reached) {
		if (plan(daemon, &confirm->again, PROBE_USEC, on_again) < 0)
			settle(daemon);
		return;
	}
	if (confirm->stage == CONFIRM_BACK) {
		/* What was refused stays so. */
		cancel(daemon);
		confirm->stage = CONFIRM_SETTLED;
		config_free(confirm->config);
		confirm->config = NULL;
		return;
	}
	settle(daemon);
}

static void say(struct daemon *daemon, const char *action, const char *message)
{
	diag_changed(message);
	stream_tell(daemon, action, message, NULL);
}

/* The other configuration in the place of this one. */
static void swap_config(struct daemon *daemon)
{
	struct config *other = daemon->confirm.config;
	struct report report;

	daemon->confirm.config = NULL;
	if (!other)
		return;
	report_init(&report);
	if (reload_to(daemon, other, &report, &daemon->confirm.config) != 0)
		diag_config_refused(&report);
	report_done(&report);
}

static void go_back(struct daemon *daemon)
{
	struct confirm *confirm = &daemon->confirm;
	char text[256];

	snprintf(text, sizeof(text),
		 "the API server was not reached for %u seconds after a change of %s; what was "
		 "before is "
		 "in force again",
		 daemon->config->policies.confirm_seconds,
		 confirm->config ? "the configuration" : "policies");
	confirm->stage = CONFIRM_BACK;
	confirm->is_config_refused = confirm->config != NULL;
	if (confirm->seen != confirm->policies) {
		policy_list_free(confirm->refused);
		confirm->refused = policy_list_ref(confirm->seen);
	}
	swap_config(daemon);
	say(daemon, "policies-rolled-back", text);
	daemon_schedule(daemon, 0);
}

static void go_forth(struct daemon *daemon)
{
	struct confirm *confirm = &daemon->confirm;

	confirm->refused = policy_list_free(confirm->refused);
	confirm->is_config_refused = false;
	swap_config(daemon);
	config_free(confirm->config);
	confirm->config = NULL;
	cancel(daemon);
	confirm->stage = CONFIRM_SETTLED;
	confirm->was_good = false;
	say(daemon, "policies-restored",
	    "the API server is not reached with what was before either; the change is in force "
	    "again");
	daemon_schedule(daemon, 0);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	if (daemon->confirm.stage == CONFIRM_UNSURE)
		go_back(daemon);
	else
		go_forth(daemon);
	return 0;
}

void confirm_config(struct daemon *daemon, struct config *before, bool was_good)
{
	struct confirm *confirm = &daemon->confirm;

	confirm->was_good = was_good || confirm->stage != CONFIRM_SETTLED;
	confirm->is_config_refused = false;
	/* Of several changes in a row it is the first one that we would go back to. */
	if (confirm->stage == CONFIRM_UNSURE && confirm->config) {
		config_free(before);
		return;
	}
	config_free(confirm->config);
	confirm->config = before;
}

struct policy_list *confirm_choose(struct daemon *daemon, struct policy_list *now)
{
	struct confirm *confirm = &daemon->confirm;

	if (!confirm->refused)
		return now;
	if (confirm->refused == now && confirm->policies)
		return confirm->policies;
	confirm->refused = policy_list_free(confirm->refused); /* another set: another try */
	return now;
}

static void watch(struct daemon *daemon, enum confirm_stage stage)
{
	struct confirm *confirm = &daemon->confirm;
	uint64_t patience = daemon->config->policies.confirm_seconds * (uint64_t)1000000;

	confirm->stage = stage;
	if (daemon->api) /* what was asked before says nothing of now */
		api_probe(daemon->api, NULL, NULL);
	if (confirm->deadline) /* of the first change in a row */
		patience = 0;
	if ((patience && plan(daemon, &confirm->deadline, patience, on_deadline) < 0) ||
	    plan(daemon, &confirm->again, 0, on_again) < 0) {
		diag_cannot("watch whether the API server is still reached", -ENOMEM);
		settle(daemon);
	}
}

void confirm_follow(struct daemon *daemon, struct policy_list *policies, bool are_rules_others)
{
	struct confirm *confirm = &daemon->confirm;
	bool is_new = confirm->seen != policies || confirm->version != daemon->config_version;
	bool is_first = !confirm->version;
	bool was_good = confirm->config ? confirm->was_good
					: daemon->api && api_is_good(daemon->api);

	if (!is_new)
		return;
	policy_list_free(confirm->seen);
	confirm->seen = policies ? policy_list_ref(policies) : NULL;
	confirm->version = daemon->config_version;
	if (confirm->stage == CONFIRM_BACK) {
		confirm->deadline = sd_event_source_disable_unref(confirm->deadline);
		watch(daemon, CONFIRM_BACK);
	} else if (confirm->stage == CONFIRM_UNSURE) {
		watch(daemon, CONFIRM_UNSURE);
	} else if (is_first || !are_rules_others || !was_good ||
		   !daemon->config->policies.confirm_seconds) {
		settle(daemon);
	} else {
		watch(daemon, CONFIRM_UNSURE);
	}
}

const char *confirm_problem(const struct daemon *daemon)
{
	return daemon->confirm.refused || daemon->confirm.is_config_refused
		       ? "a change cut the agent off from the API server, what "
			 "was before is in force"
		       : NULL;
}

void confirm_done(struct daemon *daemon)
{
	struct confirm *confirm = &daemon->confirm;

	cancel(daemon);
	config_free(confirm->config);
	policy_list_free(confirm->policies);
	policy_list_free(confirm->seen);
	policy_list_free(confirm->refused);
}
