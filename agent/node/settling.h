/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>

#include <podfence/attributes.h>

#include "node/view.h"

/* Sandboxes that may turn into something else without any event, looked at again a few times. */
struct settling;

PF_MUST_CHECK int settling_open(struct settling **ret_settling);
struct settling *settling_free(struct settling *settling);
int settling_fd(const struct settling *settling); /* readable: time to look */

/* Takes over what of this view may still change. `is_unwatched`: there is no event for some of it,
 * so that it counts as changed every second. */
PF_MUST_CHECK int settling_begin(struct settling *settling, const struct node_view *view,
				 uint64_t own_netns, bool is_unwatched);

/* Calls `moved` for each sandbox that is out of date by now, with cgroup 0 where every one may be. 1:
 * it was called, 0: none is or it is not time, or negative errno. */
typedef void (*settling_fn)(void *userdata, uint64_t cgroup);
PF_MUST_CHECK int settling_look(struct settling *settling, settling_fn moved, void *userdata);
