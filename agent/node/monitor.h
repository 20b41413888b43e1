/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

/* A netlink socket that hears of links and routes of this namespace and of addresses of every
 * namespace that has an id here. */
struct monitor;

PF_MUST_CHECK int monitor_open(struct monitor **ret_monitor);
struct monitor *monitor_free(struct monitor *monitor);
int monitor_fd(const struct monitor *monitor);

#define MONITOR_NSIDS_MAX 64

/* What changed, gathered over calls until somebody clears it. */
struct monitor_news {
	bool links, routes, own_addresses;
	bool nsids;	 /* ids were given to or taken from namespaces */
	bool everything; /* messages were lost, or too many namespaces spoke */
	int32_t address_nsids[MONITOR_NSIDS_MAX]; /* whose addresses changed */
	size_t n_address_nsids;
};

/* Reads what is there without waiting, at most 1000 messages. 1: there are news, 0: none, or
 * negative errno. */
PF_MUST_CHECK int monitor_drain(struct monitor *monitor, struct monitor_news *news);
