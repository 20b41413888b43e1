/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "event/event.h"

/* Something that happened to the agent's own rules or configuration, or was changed in what holds for an
 * endpoint: no packet. */
struct agent_event {
	const char *action;  /* event.action: "rules-tampered" */
	const char *message; /* one sentence, for people */
	uint32_t pid;	     /* of the process that did it, as the host numbers it; 0: not known */
	const char *process; /* its name; NULL or "": not known */
	uint64_t time_usec;  /* CLOCK_REALTIME */
	uint64_t sequence;   /* of this agent's events, flows among them */
	const char *reason;  /* event.reason; NULL: the message */
	bool has_uid;	     /* who asked for it is known */
	uint32_t uid;
	/* Whom it is about; name NULL: nobody. The endpoint is NULL where it is not on this node. */
	const char *namespace, *name;
	const struct endpoint *endpoint;
	bool is_wanted; /* somebody asked for it: no alarm */
};

/* One ECS 8.11 object and a newline, appended to the buffer. Pure. */
void agent_event_format(const struct agent_event *event, const struct event_context *context,
			struct buffer *buffer);
