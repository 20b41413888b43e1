/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

/* A netlink socket that hears of links and routes of this namespace and of addresses of every
 * namespace that has an id here. */
struct monitor;

PF_MUST_CHECK int monitor_open(struct monitor **ret_monitor);
struct monitor *monitor_free(struct monitor *monitor);
int monitor_fd(const struct monitor *monitor);

/* Reads what is there without waiting, at most 1000 messages. 1: something a view shows has
 * changed, or messages were lost; 0: nothing; else negative errno. */
PF_MUST_CHECK int monitor_drain(struct monitor *monitor);
