/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * policies.directory: its files *.yaml, *.yml and *.json in the order of their names. All of them are
 * read again when something changes there: an editor's rename, the symbolic link ..data of a mounted
 * ConfigMap. A file that is only made waits a moment, for what will be written into it. What is wrong
 * with an object leaves the last good one in force; a file that is gone takes its objects with it. What is good is
 * kept in state.directory, so that this holds for a file that is refused at start too.
 *
 * A directory that is missing is none. The nearest one above it that is there is watched then. */
#include "daemon/daemon.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/state_file.h"
#include "kube/manifest_saved.h"

#define PACE_USEC 200000u
#define CHANGES                                                                                    \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |   \
	 IN_MOVE_SELF)

static int read_directory(const char *directory, const struct manifest_set *before,
			  struct report *report, struct manifest_set **ret_set)
{
	struct manifest_set *set;
	int r = manifest_set_new(&set);

	if (r < 0)
		return r;
	if (directory[0])
		r = manifest_set_add_directory(set, directory, before, report);
	if (r == 0)
		r = manifest_set_finish(set, report);
	if (r < 0) {
		manifest_set_free(set);
		return r;
	}
	*ret_set = set;
	return 0;
}

/* What the agent before this one found good; NULL: nothing is known of it. */
static struct manifest_set *load_kept(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct manifest_set *set = NULL;
	struct report report;
	char *path, *text;
	size_t length;

	if (!directory[0])
		return NULL;
	if (asprintf(&path, "%s/" MANIFEST_SAVED_NAME, directory) < 0) {
		diag_cannot("read what policies said before (state.directory)", -ENOMEM);
		return NULL;
	}
	report_init(&report);
	int r = file_read(path, MANIFEST_SAVED_MAX, &text, &length);
	if (r == 0) {
		r = manifest_saved_parse(path, text, length, daemon->node_name, &report, &set);
		free(text);
	}
	if (r > 0)
		r = state_set_aside(directory, MANIFEST_SAVED_NAME, path, &report);
	if (!report_is_empty(&report))
		diag_state_damaged(&report);
	if (r < 0 && r != -ENOENT)
		diag_cannot("read what policies said before (state.directory)", r);
	report_done(&report);
	free(path);
	return set;
}

static void save_kept(struct daemon *daemon)
{
	const char *directory = daemon->config->state.directory;
	struct policies *policies = &daemon->policies;
	struct buffer text = BUFFER_INIT;
	char boot[STATE_BOOT_MAX];

	if (!directory[0])
		return;
	state_boot_id(boot);
	manifest_saved_format(boot, daemon->node_name, policies->files, &text);
	bool is_same = !text.is_broken && text.length == policies->files_kept.length &&
		       !memcmp(text.bytes, policies->files_kept.bytes, text.length);
	int r = is_same ? 0 : state_save(directory, MANIFEST_SAVED_NAME, &text);
	if (r < 0)
		diag_cannot("keep what policies say (state.directory)", r);
	buffer_done(r < 0 ? &text : &policies->files_kept);
	if (r == 0)
		policies->files_kept = text;
}

static bool is_same_list(const struct policy_list *a, const struct policy_list *b)
{
	if (a->n_policies != b->n_policies)
		return false;
	for (size_t i = 0; i < a->n_policies; i++)
		if (a->policies[i] != b->policies[i])
			return false;
	return true;
}

void policy_files_read(struct daemon *daemon)
{
	const char *directory = daemon->config->policies.directory;
	struct policies *policies = &daemon->policies;
	struct manifest_set *set;
	struct report report;

	policies->must_read = false;
	policies->read_usec = clock_usec(CLOCK_MONOTONIC);
	/* Before it is read, so that no change falls between. */
	int r = policy_files_watch(daemon);
	if (r < 0)
		diag_cannot("watch policies.directory", r);
	bool is_first = !policies->files;
	struct manifest_set *kept = is_first && directory[0] ? load_kept(daemon) : NULL;
	report_init(&report);
	r = read_directory(directory, is_first ? kept : policies->files, &report, &set);
	manifest_set_free(kept);
	if (r < 0)
		diag_cannot("read policies.directory; what was there before stays in force", r);
	if (!report_is_empty(&report))
		diag_policies_refused(&report);
	report_done(&report);
	if (r < 0)
		return;
	if (set->n_kept)
		diag_policies_kept(set->n_kept, is_first);
	if (policies->files ? !is_same_list(policies->files->policies, set->policies)
			    : set->policies->n_policies > 0)
		diag_policies_read(directory, set->policies->n_policies);
	manifest_set_free(policies->files);
	policies->files = set;
	policies->files_version++;
	save_kept(daemon);
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool is_finished = false, has_changed = false;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		for (char *at = bytes; at < bytes + n;) {
			const struct inotify_event *event = (const void *)at;
			has_changed = true;
			is_finished |= !(event->mask & IN_CREATE);
			at += sizeof(*event) + event->len;
		}
	if (!has_changed)
		return 0;
	uint64_t since = clock_usec(CLOCK_MONOTONIC) - daemon->policies.read_usec;
	daemon->policies.must_read = true;
	daemon_schedule(daemon, is_finished && since >= PACE_USEC ? 0 : PACE_USEC);
	return 0;
}

/* It, or what is there of its path. */
static int add_watch(int fd, const char *directory)
{
	char path[PATH_MAX];

	if (strlen(directory) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, directory);
	while (inotify_add_watch(fd, path, CHANGES | IN_ONLYDIR) < 0) {
		char *slash = strrchr(path, '/');
		if ((errno != ENOENT && errno != ENOTDIR) || !slash || !path[1])
			return -errno;
		slash[slash == path] = '\0';
	}
	return 0;
}

int policy_files_watch(struct daemon *daemon)
{
	struct policies *policies = &daemon->policies;
	const char *directory = daemon->config->policies.directory;

	policies->source = sd_event_source_disable_unref(policies->source);
	if (policies->watch >= 0)
		close(policies->watch);
	policies->watch = -1;
	if (!directory[0])
		return 0;
	policies->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (policies->watch < 0)
		return -errno;
	int r = add_watch(policies->watch, directory);
	if (r >= 0)
		r = sd_event_add_io(daemon->loop, &policies->source, policies->watch, EPOLLIN,
				    on_change, daemon);
	return r < 0 ? r : sd_event_source_set_priority(policies->source, PRIORITY_SOURCES);
}
