/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

/* inotify over cgroup directories. Watches stand in lists, one for each thing that is read as a
 * whole; an event names its watch, the lists say whose it is. Add first, then read: nothing is
 * missed. */
struct watch;

struct watch_list {
	int *descriptors;
	size_t n, capacity;
};

PF_MUST_CHECK int watch_open(struct watch **ret_watch);
struct watch *watch_free(struct watch *watch);
int watch_fd(const struct watch *watch);

/* Directories made and removed in this one. 0 also where it is gone; -ENOSPC: the user's limit of
 * watches (fs.inotify.max_user_watches) is reached. Adding twice is the same as once. */
PF_MUST_CHECK int watch_add_directory(struct watch *watch, struct watch_list *list, int directory);
/* Its first process came or its last one went, below it included (cgroup.events). */
PF_MUST_CHECK int watch_add_population(struct watch *watch, struct watch_list *list, int directory);

bool watch_list_has(const struct watch_list *list, int descriptor);
/* From what was watched until now to `next`, which is emptied. */
void watch_list_replace(struct watch *watch, struct watch_list *list, struct watch_list *next);
/* `more` is watched too; where there is no memory to remember it, it is not. */
void watch_list_join(struct watch *watch, struct watch_list *list, struct watch_list *more);
void watch_list_drop(struct watch *watch, struct watch_list *list);

/* Reads what is there without waiting; `heard` is called for each event that matters, with
 * descriptor -1 where events were lost. 1: it was called, 0: nothing, or negative errno. */
typedef void (*watch_fn)(void *userdata, int descriptor);
PF_MUST_CHECK int watch_drain(struct watch *watch, watch_fn heard, void *userdata);
