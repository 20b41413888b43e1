/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The loop: what wakes the agent, in which order, how fast.
 *
 *	SIGHUP		-> read the configuration again
 *	pods file	-> read it again, at most once a second
 *	policies	-> read their directory again, at most five times a second
 *	node		-> look again, at once, then after three times as long as that took
 *	our tables	-> changed by somebody else: read back and repair at once
 *	10 seconds	-> ask whether there was a change that was not told, or a new way around the rules
 *	5 minutes	-> read the rules back
 *	a failure	-> try again after 1, 2, 4 ... 60 s
 *
 * SIGTERM and SIGINT end the loop; the rules stay in the kernel. */
#include "daemon/daemon.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/diag.h"
#include "control/server.h"
#include "culprit/gate.h"
#include "daemon/privileges.h"
#include "daemon/quarantine.h"

#define NODE_PACE_MIN_USEC 1000u
#define NODE_PACE_MAX_USEC 50000u
#define NODE_PACE_FACTOR   3 /* at most a quarter of a processor, whatever a pod does */
#define VERIFY_USEC	   (300 * 1000000u)
#define RETRY_MAX	   60u
#define PENDING_PACE_USEC  1000000u

static uint64_t now_usec(const struct daemon *daemon)
{
	uint64_t now = 0;

	(void)sd_event_now(daemon->loop, CLOCK_MONOTONIC, &now);
	return now;
}

static bool has_pending(const struct snapshot *snapshot)
{
	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++)
		if (snapshot->endpoints[i].coverage == COVERAGE_PENDING)
			return true;
	return false;
}

static void retry_later(struct daemon *daemon)
{
	daemon->retry_seconds = daemon->retry_seconds ? daemon->retry_seconds * 2 : 1;
	if (daemon->retry_seconds > RETRY_MAX)
		daemon->retry_seconds = RETRY_MAX;
	daemon_schedule(daemon, (uint64_t)daemon->retry_seconds * 1000000u);
}

static int on_node(sd_event_source *source, int fd, uint32_t events, void *userdata);

int daemon_watch_node(struct daemon *daemon)
{
	daemon->node_source = sd_event_source_disable_unref(daemon->node_source);
	int r = sd_event_add_io(daemon->loop, &daemon->node_source, node_fd(daemon->node), EPOLLIN,
				on_node, daemon);
	return r < 0 ? r : sd_event_source_set_priority(daemon->node_source, PRIORITY_NODE);
}

/* What the API says now; where it has not been heard yet, what was known before. */
static void take_pods(struct daemon *daemon)
{
	struct pod_list *pods;
	int r = cluster_pods(daemon->cluster, &pods);

	if (r < 0) {
		diag_cannot("list the pods", r);
		return;
	}
	pod_list_free(daemon->pods);
	daemon->pods = pods;
	last_known_write_soon(daemon);
}

/* A burst is taken together, but nobody waits for a burst to come. */
static void keep_pace(struct daemon *daemon, uint64_t begun_usec)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC);
	uint64_t pace = (now - begun_usec) * NODE_PACE_FACTOR;

	if (pace < NODE_PACE_MIN_USEC)
		pace = NODE_PACE_MIN_USEC;
	if (pace > NODE_PACE_MAX_USEC)
		pace = NODE_PACE_MAX_USEC;
	daemon->next_look_usec = now + pace;
}

static void count_delay(struct delays *delays, uint64_t usec)
{
	static const uint64_t bounds[DELAY_BOUNDS] = {1000,  2000,  5000,   10000,
						      20000, 50000, 100000, 1000000};
	size_t i = 0;

	while (i < DELAY_BOUNDS && usec > bounds[i])
		i++;
	delays->counts[i]++;
	delays->sum_usec += usec;
}

/* A change that needs no other rules is none. */
static void note_in_force(struct daemon *daemon, uint64_t changed_usec, uint64_t generation)
{
	if (changed_usec && generation != daemon->generation)
		count_delay(&daemon->delays, clock_usec(CLOCK_MONOTONIC) - changed_usec);
}

static int work(struct daemon *daemon)
{
	uint64_t changed_usec = daemon->node_changed_usec, generation = daemon->generation;

	if (daemon->must_read_config)
		reload_config(daemon);
	if (daemon->api)
		take_pods(daemon);
	else if (daemon->must_read_pods)
		pod_file_read(daemon);
	if (daemon->policies.must_read)
		policy_files_read(daemon);
	bool is_listening = daemon->stream.nflog || !stream_open_nflog(daemon, daemon->config);
	uint64_t begun = clock_usec(CLOCK_MONOTONIC);
	int r = reconcile(daemon);
	if (r >= 0) {
		note_in_force(daemon, changed_usec, generation);
		daemon->node_changed_usec = 0;
	}
	keep_pace(daemon, begun);
	daemon->n_works++;
	if (r < 0) {
		daemon->n_refused++;
		snprintf(daemon->failure, sizeof(daemon->failure),
			 "the rules could not be changed, the old ones stay: %s", strerror(-r));
		retry_later(daemon);
		diag_rules_kept(daemon->retry_seconds);
		return r;
	}
	daemon->failure[0] = '\0';
	if (is_listening) {
		daemon->retry_seconds = 0;
	} else {
		retry_later(daemon);
		diag_not_listening(daemon->retry_seconds);
	}
	if (!daemon->is_ready) {
		daemon->is_ready = true;
		diag_ready();
	}
	(void)sd_notifyf(0, "READY=1\nSTATUS=generation %llu",
			 (unsigned long long)daemon->generation);
	if (has_pending(daemon->snapshot))
		daemon_schedule(daemon, PENDING_PACE_USEC);
	return 0;
}

static int on_work(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)work(userdata); /* a failure has planned its own next try */
	control_worked(userdata);
	return 0;
}

void daemon_schedule(struct daemon *daemon, uint64_t delay_usec)
{
	uint64_t wanted = now_usec(daemon) + delay_usec, planned;
	int enabled = SD_EVENT_OFF;

	if (sd_event_source_get_enabled(daemon->work_source, &enabled) >= 0 &&
	    enabled != SD_EVENT_OFF &&
	    sd_event_source_get_time(daemon->work_source, &planned) >= 0 && planned <= wanted)
		return;
	(void)sd_event_source_set_time(daemon->work_source, wanted);
	(void)sd_event_source_set_enabled(daemon->work_source, SD_EVENT_ONESHOT);
}

static int on_node(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	int r = node_changed(daemon->node);

	if (r < 0)
		diag_cannot("hear what changes on this node", r);
	if (r != 0) {
		uint64_t now = clock_usec(CLOCK_MONOTONIC);
		if (!daemon->node_changed_usec)
			daemon->node_changed_usec = now;
		daemon_schedule(daemon,
				now < daemon->next_look_usec ? daemon->next_look_usec - now : 0);
	}
	return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *daemon = userdata;

	(void)sd_notify(0, "RELOADING=1");
	daemon->must_read_config = true;
	daemon_schedule(daemon, 0);
	return 0;
}

static int on_books(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	ledger_say(userdata);
	return 0;
}

static int on_verify(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	/* Some of what the rules depend on changes without a word (accept_source_route). */
	if (fence_verify(daemon->fence) < 0)
		diag_rules_kept(VERIFY_USEC / 1000000u);
	node_forget(daemon->node);
	daemon->must_derive = true;
	daemon->policies.must_read = true; /* what links lead to elsewhere is not watched */
	daemon_schedule(daemon, 0);
	(void)malloc_trim(0);
	(void)sd_event_source_set_time(source, now_usec(daemon) + VERIFY_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int add_sources(struct daemon *daemon)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&mask, signals[i]);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	int r = sd_event_add_signal(daemon->loop, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(daemon->loop, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(daemon->loop, &daemon->signal_sources[0], SIGHUP, on_hangup,
					daemon);
	if (r >= 0)
		r = sd_event_add_signal(daemon->loop, &daemon->signal_sources[1], SIGUSR1, on_books,
					daemon);
	if (r >= 0)
		r = sd_event_add_time(daemon->loop, &daemon->work_source, CLOCK_MONOTONIC, 0, 1,
				      on_work, daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(daemon->work_source, PRIORITY_WORK);
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->loop, &daemon->verify_source,
					       CLOCK_MONOTONIC, VERIFY_USEC, 0, on_verify, daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(daemon->verify_source, PRIORITY_REST);
	if (r >= 0)
		r = tamper_watch(daemon);
	if (r >= 0)
		r = daemon_watch_node(daemon);
	if (r >= 0)
		r = pod_file_watch(daemon);
	if (r >= 0)
		r = policy_files_watch(daemon);
	if (r >= 0)
		r = sd_event_set_watchdog(daemon->loop, true);
	return r < 0 ? r : 0;
}

/* As a reload, but what was known before is in a file. */
static int start_api(struct daemon *daemon)
{
	struct report report;

	if (daemon->config->kubernetes.source == CONFIG_SOURCE_NONE)
		return 0;
	report_init(&report);
	int r = cluster_new(daemon->node_name, &daemon->cluster);
	if (r == 0) {
		last_known_read(daemon);
		r = api_open(daemon, daemon->config, daemon->cluster, &report, &daemon->api);
	}
	if (r > 0)
		diag_config_refused(&report);
	else
		diag_access_warnings(&report);
	report_done(&report);
	if (r < 0)
		diag_cannot("prepare to talk to the API server", r);
	return r > 0 ? -EINVAL : r;
}

static int start(struct daemon *daemon)
{
	int r = tamper_lock(daemon);

	if (r < 0)
		return r;
	culprit_open_gate(daemon);
	api_open_plugin(daemon);
	r = privileges_settle();
	if (r < 0)
		return r;
	daemon->node_name = reload_node_name(daemon->config);
	r = daemon->node_name ? sd_event_new(&daemon->loop) : -ENOMEM;
	if (r >= 0 && daemon->plugin)
		r = plugin_attach(daemon->plugin, daemon->loop, PRIORITY_SOURCES);
	if (r >= 0)
		r = reconcile_open_node(daemon->config, &daemon->node);
	if (r >= 0)
		r = ledger_open(daemon);
	if (r >= 0)
		r = stream_open(daemon);
	if (r < 0)
		return r;
	culprit_open(daemon);
	quarantines_read(daemon);
	r = start_api(daemon);
	if (r != 0)
		return r;
	r = fence_open(&daemon->fence);
	if (r < 0) {
		diag_cannot("open nf_tables (needs CAP_NET_ADMIN)", r);
		return r;
	}
	if (daemon->config->tables.owner == CONFIG_OWNER_AUTO)
		r = fence_own(daemon->fence);
	if (r < 0)
		return r;
	backstop_open(daemon);
	strays_open(daemon);
	daemon->must_read_pods = true;
	daemon->policies.must_read = true;
	daemon->must_derive = true;
	daemon->must_say_missing_uplinks = true;
	r = add_sources(daemon);
	if (r < 0) {
		diag_cannot("watch the node, the pods file and signals", r);
		return r;
	}
	(void)control_open(daemon, daemon->config); /* said */
	seam_open(daemon);
	return 0;
}

static void stop(struct daemon *daemon)
{
	stream_close_nflog(daemon);
	ledger_done(daemon);
	seam_close(daemon);
	control_server_free(daemon->control);
	ledger_free(daemon);
	quarantines_done(daemon);
	stream_done(daemon);
	culprits_free(daemon->culprits);
	gate_free(daemon->gate);
	sd_event_source_disable_unref(daemon->fence_source);
	sd_event_source_disable_unref(daemon->node_source);
	sd_event_source_disable_unref(daemon->pods_source);
	sd_event_source_disable_unref(daemon->work_source);
	sd_event_source_disable_unref(daemon->verify_source);
	sd_event_source_disable_unref(daemon->poll_source);
	sd_event_source_disable_unref(daemon->signal_sources[0]);
	sd_event_source_disable_unref(daemon->signal_sources[1]);
	if (daemon->pods_watch >= 0)
		close(daemon->pods_watch);
	confirm_done(daemon);
	policies_done(daemon);
	last_known_done(daemon);
	api_free(daemon->api);
	plugin_free(daemon->plugin);
	cluster_free(daemon->cluster);
	decisions_free(daemon->decisions);
	own_policies_done(&daemon->own);
	history_done(&daemon->history);
	snapshot_free(daemon->snapshot);
	network_list_free(daemon->networks);
	strays_close(daemon);
	detours_done(&daemon->detours);
	pod_list_free(daemon->pods);
	fence_free(daemon->fence);
	pf_nft_free(daemon->lock);
	node_free(daemon->node);
	sd_event_unref(daemon->loop);
	free(daemon->node_name);
	config_free(daemon->config);
}

int daemon_run(const char *config_path, struct config *config)
{
	struct daemon daemon = {.config_path = config_path,
				.config = config,
				.config_version = 1,
				.pods_watch = -1,
				.policies = {.watch = -1},
				.seam = {.listening = -1, .reader = -1},
				.started_usec = clock_usec(CLOCK_REALTIME)};
	int r = start(&daemon);

	/* The first run comes before the loop: events need a snapshot to be attributed with. */
	if (r >= 0)
		r = work(&daemon);
	if (r >= 0)
		r = ledger_start(&daemon);
	if (r >= 0) {
		r = sd_event_loop(daemon.loop);
		(void)sd_notify(0, "STOPPING=1");
	}
	stop(&daemon);
	return r;
}
