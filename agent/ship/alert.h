/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "ship/event.h"
#include "ship/own_event.h"

/* Alerts are no copy of events: those of one endpoint to one destination are a group. Its first one
 * is told at once, then a summary every interval in which there was another, and that it is
 * resolved after a quiet time. An alert is an event line itself (dataset podfence.alert), so it is
 * stored, filtered and delivered like one. Time is an argument. */
struct alerts;

struct alert_options {
	size_t groups_max; /* what is beyond them is one more */
	uint64_t interval_usec, quiet_usec;
	struct own_author *author; /* outlives the alerts */
	uint8_t key[16];
};

/* The monotonic clock is for the intervals; the other for what an alert says of its making. Of the
 * rest it says what the events say. */
struct alert_now {
	uint64_t monotonic_usec, real_usec;
};

PF_MUST_CHECK int alerts_new(const struct alert_options *options, struct alerts **ret_alerts);
struct alerts *alerts_free(struct alerts *alerts);

/* 1: an alert was written to `line`, without newline; 0: none is due; -ENOMEM. */
PF_MUST_CHECK int alerts_see(struct alerts *alerts, const struct ship_event *event,
			     struct json_object *tree, const struct alert_now *now,
			     struct buffer *line);
/* The next alert that is due; 1, 0 or -ENOMEM as above. Call until it is 0. */
PF_MUST_CHECK int alerts_due(struct alerts *alerts, const struct alert_now *now,
			     struct buffer *line);
size_t alerts_groups(const struct alerts *alerts);
