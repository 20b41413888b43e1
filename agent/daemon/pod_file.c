/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The PodList file: read again when it changes, at most once a second, the newest content last. The
 * directory is watched, not the file, so that a rename onto it is seen like a write to it. */
#include "daemon/daemon.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"

#define PACE_USEC 1000000u

void pod_file_read(struct daemon *daemon)
{
	const char *path = daemon->config->pods.file;
	struct report report;
	struct pod_list *list = NULL;

	daemon->must_read_pods = false;
	daemon->pods_read_usec = clock_usec(CLOCK_MONOTONIC);
	if (!path[0]) {
		daemon->pods = pod_list_free(daemon->pods);
		return;
	}
	report_init(&report);
	int r = podlist_read(path, daemon->node_name, &report, &list);
	if (r != 0) {
		diag_pods_refused(path, r, &report);
	} else {
		if (!report_is_empty(&report))
			diag_pods_partly(path, list->n_refused, &report);
		pod_list_free(daemon->pods);
		daemon->pods = list;
	}
	report_done(&report);
}

static bool is_our_file(const struct daemon *daemon, const struct inotify_event *event)
{
	const char *slash = strrchr(daemon->config->pods.file, '/');

	return event->mask & IN_Q_OVERFLOW ||
	       (event->len && slash && !strcmp(event->name, slash + 1));
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool has_changed = false;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		for (char *at = bytes; at < bytes + n;) {
			const struct inotify_event *event = (const void *)at;
			has_changed |= is_our_file(daemon, event);
			at += sizeof(*event) + event->len;
		}
	if (!has_changed)
		return 0;
	uint64_t since = clock_usec(CLOCK_MONOTONIC) - daemon->pods_read_usec;
	daemon->must_read_pods = true;
	daemon_schedule(daemon, since >= PACE_USEC ? 0 : PACE_USEC - since);
	return 0;
}

int pod_file_watch(struct daemon *daemon)
{
	char directory[PATH_MAX];

	daemon->pods_source = sd_event_source_disable_unref(daemon->pods_source);
	if (daemon->pods_watch >= 0)
		close(daemon->pods_watch);
	daemon->pods_watch = -1;
	if (!daemon->config->pods.file[0])
		return 0;
	if (strlen(daemon->config->pods.file) >= sizeof(directory))
		return -ENAMETOOLONG;
	strcpy(directory, daemon->config->pods.file);
	daemon->pods_watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (daemon->pods_watch < 0 ||
	    inotify_add_watch(daemon->pods_watch, dirname(directory),
			      IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0)
		return -errno;
	int r = sd_event_add_io(daemon->loop, &daemon->pods_source, daemon->pods_watch, EPOLLIN,
				on_change, daemon);
	return r < 0 ? r : sd_event_source_set_priority(daemon->pods_source, PRIORITY_SOURCES);
}
