/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Which process has the netfilter netlink socket with this port open: the first one of those that do.
 * 0: none that can be seen from here (another pid namespace). Reads /proc: for messages, not for work. */
pid_t socket_owner_find(uint32_t port);
