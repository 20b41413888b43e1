/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Pods are written a few seconds after they changed, so that a burst is written once, and only
 * after the server has given a whole list: what is on disk stays good until better is known. A
 * failure is said and tried again with the next change. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/file.h"
#include "kube/last_known.h"

#define DELAY_USEC (2 * 1000000u)

void last_known_read(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct pod_list *pods = NULL;
	struct report report;

	if (!directory[0])
		return;
	report_init(&report);
	int r = last_known_load(directory, daemon->node_name, &report, &pods);
	if (!report_is_empty(&report))
		diag_state_damaged(&report);
	report_done(&report);
	if (r == 0)
		r = api_know(daemon->api, pods);
	if (r == 0) {
		diag_state_used(pods->n_pods);
		daemon->pods_on_disk = pods;
		return;
	}
	pod_list_free(pods);
	if (r < 0 && r != -ENOENT)
		diag_cannot("read the pods known last (state.directory)", r);
}

static void read_boot_id(char boot[static 40])
{
	char *text;
	size_t length;

	boot[0] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", 4096, &text, &length) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	strncat(boot, text, 39);
	free(text);
}

static void write_now(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct buffer text = BUFFER_INIT;
	char boot[40];

	if (!directory[0] || !daemon->pods || daemon->pods == daemon->pods_on_disk)
		return;
	read_boot_id(boot);
	last_known_format(daemon->node_name, boot, daemon->pods, &text);
	int r = last_known_save(directory, &text);
	buffer_done(&text);
	if (r < 0) {
		diag_cannot("keep the pods for the next start (state.directory)", r);
		return;
	}
	pod_list_free(daemon->pods_on_disk);
	daemon->pods_on_disk = pod_list_ref(daemon->pods);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	write_now(userdata);
	return 0;
}

void last_known_write_soon(struct daemon *daemon)
{
	int enabled = SD_EVENT_OFF, r;

	if (!api_is_synced(daemon->api) || daemon->pods == daemon->pods_on_disk)
		return;
	if (!daemon->last_known_source) {
		r = sd_event_add_time_relative(daemon->loop, &daemon->last_known_source,
					       CLOCK_MONOTONIC, DELAY_USEC, 0, on_time, daemon);
		if (r >= 0)
			r = sd_event_source_set_priority(daemon->last_known_source, PRIORITY_REST);
		if (r < 0)
			diag_cannot("keep the pods for the next start", r);
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
	pod_list_free(daemon->pods_on_disk);
}
