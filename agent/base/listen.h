/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <sys/types.h>

#include <podfence/attributes.h>

#define GROUP_NONE ((gid_t)-1)

/* GROUP_NONE where there is no such group. */
gid_t group_find(const char *name);
/* A listening stream socket at a path: 0660 for the group, 0600 where it is GROUP_NONE. It is made
 * under another name and moved into place, so that it is never there with a wrong owner; one that
 * is left over from a killed process is replaced. -EADDRINUSE: somebody answers there. */
PF_MUST_CHECK int listen_at(const char *path, gid_t group, int backlog, int *ret_fd);
