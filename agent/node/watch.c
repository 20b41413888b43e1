/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Rounds of inotify watches. cgroupfs tells a directory's watcher nothing when that directory
 * itself is removed, and keeps the watch and with it the dead directory's inode: on a node where
 * pods come and go that would use up the user's limit. So each round notes the descriptors it
 * added, and whatever the round before had and this one has not is removed.
 *
 * Descriptors are added through /proc/self/fd: the directory that is read is the one watched,
 * whatever stands under its name meanwhile. */
#include "node/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define READS_MAX 64

struct round {
	int *descriptors;
	size_t n, capacity;
};

struct watch {
	int fd;
	struct round now, before;
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
	free(watch->now.descriptors);
	free(watch->before.descriptors);
	free(watch);
	return NULL;
}

int watch_fd(const struct watch *watch)
{
	return watch->fd;
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

/* A round that was not ended, because reading failed, is carried on: what it added stays known. */
static void carry_on(struct round *round)
{
	size_t n = 0;

	if (round->n)
		qsort(round->descriptors, round->n, sizeof(int), compare);
	for (size_t i = 0; i < round->n; i++)
		if (!n || round->descriptors[n - 1] != round->descriptors[i])
			round->descriptors[n++] = round->descriptors[i];
	round->n = n;
}

void watch_begin(struct watch *watch)
{
	if (watch->before.n) {
		carry_on(&watch->now);
		return;
	}
	struct round empty = watch->before;
	watch->before = watch->now;
	watch->now = empty;
}

static int note(struct round *round, int descriptor)
{
	if (round->n == round->capacity) {
		size_t capacity = round->capacity ? round->capacity * 2 : 64;
		int *grown = reallocarray(round->descriptors, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		round->descriptors = grown;
		round->capacity = capacity;
	}
	round->descriptors[round->n++] = descriptor;
	return 0;
}

static int add(struct watch *watch, int directory, const char *file, uint32_t mask)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d%s", directory, file);
	int descriptor = inotify_add_watch(watch->fd, path, mask);
	if (descriptor < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	return note(&watch->now, descriptor);
}

int watch_add_directory(struct watch *watch, int directory)
{
	return add(watch, directory, "",
		   IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
}

int watch_add_population(struct watch *watch, int directory)
{
	return add(watch, directory, "/cgroup.events", IN_MODIFY);
}

void watch_end(struct watch *watch)
{
	struct round *now = &watch->now, *before = &watch->before;

	if (now->n)
		qsort(now->descriptors, now->n, sizeof(int), compare);
	for (size_t i = 0; i < before->n; i++) {
		const int *old = &before->descriptors[i];
		if (!now->n || !bsearch(old, now->descriptors, now->n, sizeof(int), compare))
			/* EINVAL: the kernel removed it already, or it stood here twice */
			(void)inotify_rm_watch(watch->fd, *old);
	}
	before->n = 0;
}

/* 1 for a directory made or removed, a changed cgroup.events, or lost events. Files of cgroupfs
 * come and go with controllers, and IN_IGNORED is what our own removals answer. */
static int matters(const struct inotify_event *event)
{
	if (event->mask & IN_IGNORED)
		return 0;
	return (event->mask & (IN_ISDIR | IN_MODIFY | IN_Q_OVERFLOW)) != 0;
}

int watch_drain(struct watch *watch)
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
			changed |= matters(event);
			at += sizeof(*event) + event->len;
		}
	}
	return changed;
}
