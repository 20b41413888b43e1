/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The cluster is written a few seconds after it changed, so that a burst is written once, and only
 * after the server has given all its lists: what is on disk stays good until better is known. A
 * failure is said and tried again with the next change. */
#include "daemon/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/state_file.h"
#include "kube/last_known.h"

#define DELAY_USEC (2 * 1000000u)
#define TRIM_USEC  (30 * 1000000u)

void last_known_read(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct cluster *cluster = NULL;
	struct pod_list *pods;
	struct report report;

	if (!directory[0])
		return;
	report_init(&report);
	int r = last_known_load(directory, daemon->node_name, &report, &cluster);
	if (!report_is_empty(&report))
		diag_state_damaged(&report);
	report_done(&report);
	if (r == 0)
		r = cluster_pods(cluster, &pods);
	if (r == 0) {
		diag_state_used(pods->n_pods);
		pod_list_free(pods);
		cluster_free(daemon->cluster);
		daemon->cluster = cluster;
		daemon->version_on_disk = cluster_version(cluster);
		return;
	}
	cluster_free(cluster);
	if (r < 0 && r != -ENOENT)
		diag_cannot("read what was known of the cluster (state.directory)", r);
}

static void write_now(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct buffer text = BUFFER_INIT;
	char boot[STATE_BOOT_MAX];

	if (!directory[0] || cluster_version(daemon->cluster) == daemon->version_on_disk)
		return;
	state_boot_id(boot);
	last_known_format(boot, daemon->cluster, &text);
	int r = last_known_save(directory, &text);
	buffer_done(&text);
	if (r < 0)
		diag_cannot("keep what is known of the cluster (state.directory)", r);
	else
		daemon->version_on_disk = cluster_version(daemon->cluster);
}

/* Lists are taken apart in memory that is free afterwards, in pieces between what stays: a quarter of all after
 * 10,000 pods. */
static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	write_now(daemon);
	if (now - daemon->trimmed_usec >= TRIM_USEC) {
		(void)malloc_trim(0);
		daemon->trimmed_usec = now;
	}
	return 0;
}

void last_known_write_soon(struct daemon *daemon)
{
	int enabled = SD_EVENT_OFF, r;

	if (!api_is_synced(daemon->api) ||
	    cluster_version(daemon->cluster) == daemon->version_on_disk)
		return;
	if (!daemon->last_known_source) {
		r = sd_event_add_time_relative(daemon->loop, &daemon->last_known_source,
					       CLOCK_MONOTONIC, DELAY_USEC, 0, on_time, daemon);
		if (r >= 0)
			r = sd_event_source_set_priority(daemon->last_known_source, PRIORITY_REST);
		if (r < 0)
			diag_cannot("keep what is known of the cluster", r);
		return;
	}
	(void)sd_event_source_get_enabled(daemon->last_known_source, &enabled);
	if (enabled != SD_EVENT_OFF)
		return;
	(void)sd_event_source_set_time_relative(daemon->last_known_source, DELAY_USEC);
	(void)sd_event_source_set_enabled(daemon->last_known_source, SD_EVENT_ONESHOT);
}

void last_known_done(struct daemon *daemon)
{
	if (daemon->api && api_is_synced(daemon->api))
		write_now(daemon);
	sd_event_source_disable_unref(daemon->last_known_source);
}
