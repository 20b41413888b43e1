/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <podfence/attributes.h>

/* The privileges of podfenced (privilege/privilege.h says what the two steps are). What fails is said.
 *
 * 0, PRIVILEGE_EXIT where one is missing, or a negative errno. */
PF_MUST_CHECK int privileges_begin(void);
/* Enters the host's cgroup namespace, gives up what only that needs, and filters system calls. */
PF_MUST_CHECK int privileges_settle(void);
