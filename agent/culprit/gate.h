/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

/* A process of its own that opens sockets in other network namespaces, so that nobody else needs CAP_SYS_ADMIN. */
struct gate;

/* Forks: the caller has one thread and CAP_SYS_ADMIN still. -EPERM: it has not. The process ends with its
 * maker. */
PF_MUST_CHECK int gate_open(struct gate **ret_gate);
struct gate *gate_free(struct gate *gate);

/* A bound socket of NETLINK_SOCK_DIAG in the namespace behind this descriptor. Waits 10 milliseconds at most:
 * -ETIMEDOUT. -EPIPE: the process is gone; else what setns() or socket() said. */
PF_MUST_CHECK int gate_socket(struct gate *gate, int netns, int *ret_socket);

/* Closes what came too late, which would hold its namespace. */
void gate_drain(struct gate *gate);
