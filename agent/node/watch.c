/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * cgroupfs tells a directory's watcher nothing when that directory itself is removed, and keeps the
 * watch and with it the dead directory's inode: on a node where pods come and go that would use up
 * the user's limit. So whoever reads something again makes a new list of watches, and what only the
 * old list had is removed.
 *
 * Descriptors are added through /proc/self/fd: the directory that is read is the one watched,
 * whatever stands under its name meanwhile. Lists are short; they are searched one by one. */
#include "node/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define READS_MAX 64

struct watch {
	int fd;
};

int watch_open(struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0) {
		int r = -errno;
		free(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

struct watch *watch_free(struct watch *watch)
{
	if (!watch)
		return NULL;
	close(watch->fd);
	free(watch);
	return NULL;
}

int watch_fd(const struct watch *watch)
{
	return watch->fd;
}

bool watch_list_has(const struct watch_list *list, int descriptor)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->descriptors[i] == descriptor)
			return true;
	return false;
}

static int note(struct watch_list *list, int descriptor)
{
	if (watch_list_has(list, descriptor))
		return 0;
	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 4;
		int *grown = reallocarray(list->descriptors, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		list->descriptors = grown;
		list->capacity = capacity;
	}
	list->descriptors[list->n++] = descriptor;
	return 0;
}

static void forget(struct watch *watch, int descriptor)
{
	/* EINVAL: the kernel removed it already */
	(void)inotify_rm_watch(watch->fd, descriptor);
}

static int add(struct watch *watch, struct watch_list *list, int directory, const char *file,
	       uint32_t mask)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d%s", directory, file);
	int descriptor = inotify_add_watch(watch->fd, path, mask);
	if (descriptor < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	int r = note(list, descriptor);
	if (r < 0)
		forget(watch, descriptor);
	return r;
}

int watch_add_directory(struct watch *watch, struct watch_list *list, int directory)
{
	return add(watch, list, directory, "",
		   IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
}

int watch_add_population(struct watch *watch, struct watch_list *list, int directory)
{
	return add(watch, list, directory, "/cgroup.events", IN_MODIFY);
}

void watch_list_drop(struct watch *watch, struct watch_list *list)
{
	watch_list_replace(watch, list, &(struct watch_list){});
}

void watch_list_replace(struct watch *watch, struct watch_list *list, struct watch_list *next)
{
	for (size_t i = 0; i < list->n; i++)
		if (!watch_list_has(next, list->descriptors[i]))
			forget(watch, list->descriptors[i]);
	free(list->descriptors);
	*list = *next;
	*next = (struct watch_list){};
}

void watch_list_join(struct watch *watch, struct watch_list *list, struct watch_list *more)
{
	for (size_t i = 0; i < more->n; i++)
		if (note(list, more->descriptors[i]) < 0)
			forget(watch, more->descriptors[i]);
	free(more->descriptors);
	*more = (struct watch_list){};
}

/* A directory made or removed, a changed cgroup.events, or lost events. Files of cgroupfs come and
 * go with controllers, and IN_IGNORED is what our own removals answer. */
static bool matters(const struct inotify_event *event)
{
	if (event->mask & IN_IGNORED)
		return false;
	return event->mask & (IN_ISDIR | IN_MODIFY | IN_Q_OVERFLOW);
}

int watch_drain(struct watch *watch, watch_fn heard, void *userdata)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	int changed = 0;

	for (unsigned i = 0; i < READS_MAX; i++) {
		ssize_t n = read(watch->fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? changed : -errno;
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (const void *)at;
			if (matters(event)) {
				heard(userdata, event->wd);
				changed = 1;
			}
			at += sizeof(*event) + event->len;
		}
	}
	return changed;
}
