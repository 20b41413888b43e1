/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/view.h"

/* The uplinks of a node: devices of its default routes in any table, of any kind but tunnels, and
 * devices without a kind, bonds, teams and vlans that have a route over a gateway (inter-node
 * routes). Everything else is pod-facing: what comes out of a tunnel device is judged, because a
 * pod can make a node decapsulate what it likes. Pure. Writes at most `capacity` ifindexes, sorted,
 * and returns how many there are. */
size_t uplinks_derive(const struct node_view *view, uint32_t *indexes, size_t capacity);

bool link_is_tunnel(const struct node_link *link);
