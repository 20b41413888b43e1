/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

/* inotify over the cgroup directories one view was made of. Between watch_begin() and watch_end()
 * everything that shall be heard of is added (again: adding twice is the same as once); what was
 * added in an earlier round only is forgotten. Add first, then read: nothing is missed. */
struct watch;

PF_MUST_CHECK int watch_open(struct watch **ret_watch);
struct watch *watch_free(struct watch *watch);
int watch_fd(const struct watch *watch);

void watch_begin(struct watch *watch);
/* Directories made and removed in this one. 0 also where it is gone; -ENOSPC: the user's limit of
 * watches (fs.inotify.max_user_watches) is reached. */
PF_MUST_CHECK int watch_add_directory(struct watch *watch, int directory);
/* Its first process came or its last one went, below it included (cgroup.events). */
PF_MUST_CHECK int watch_add_population(struct watch *watch, int directory);
void watch_end(struct watch *watch);

/* Reads what is there without waiting. 1: something happened, 0: nothing, or negative errno. */
PF_MUST_CHECK int watch_drain(struct watch *watch);
