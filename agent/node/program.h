/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

#include "node/netlink.h"
#include "node/view.h"

/* Finds the links (sorted by index) whose incoming packets a BPF program sees first, of which XDP is known
 * already. Of tcx and netkit only those are asked about that lead into another namespace. ret_is_hidden: we were not
 * allowed to. 0 or negative errno. */
PF_MUST_CHECK int programs_find(struct netlink *netlink, struct node_link *links, size_t n,
				bool *ret_is_hidden);
