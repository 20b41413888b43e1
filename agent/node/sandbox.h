/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "node/cgroup_tree.h"
#include "node/netns.h"
#include "node/view.h"
#include "node/watch.h"

/* What the reading of one sandbox works with. */
struct sandbox_reader {
	struct watch *watch;
	struct watch_list *watches; /* receives what was looked at */
	struct netns_table *netnses;
	bool is_unwatched; /* set where a watch was refused for the user's limit */
};

/* Looks into a pod's directory (or says what the negative errno in its place means): sets state,
 * error, pid and containers of a sandbox that has none of them yet, and the inode of its network
 * namespace where it is SANDBOX_OK. Fails only where this process is short of memory or
 * descriptors. */
PF_MUST_CHECK int sandbox_read(struct sandbox_reader *reader, int directory,
			       struct node_sandbox *sandbox, uint64_t *ret_netns);

/* The watch is worth having, not worth failing for: 0 instead of -ENOSPC. */
PF_MUST_CHECK int sandbox_watched(struct sandbox_reader *reader, int r);

void sandbox_done(struct node_sandbox *sandbox);
