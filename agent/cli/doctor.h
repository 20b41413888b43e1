/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "cli/cli.h"
#include "config/config.h"
#include "inventory/snapshot.h"

/* podfence doctor: what is looked at, found, and to be done about it. */

enum health {
	HEALTH_OK,
	HEALTH_UNKNOWN, /* it could not be looked at */
	HEALTH_WARNING, /* the fence stands; something about it is worse than it could be */
	HEALTH_PROBLEM, /* packets can get past, or nothing is fenced */
};

struct doctor {
	const struct cli *cli;
	const struct config *config;
	struct json_object *findings; /* an array: check, health, finding, advice */
	enum health worst;
	int failure; /* -ENOMEM; nothing more is added then */
};

/* `advice` may be NULL. */
PF_PRINTF(5, 6)
void doctor_find(struct doctor *doctor, const char *check, enum health health, const char *advice,
		 const char *format, ...);

void doctor_permissions(struct doctor *doctor); /* doctor_node.c */
void doctor_kernel(struct doctor *doctor);	/* doctor_kernel.c */
void doctor_node(struct doctor *doctor);
/* What can take packets past the rules (doctor_conflicts.c). The node: NULL where it cannot be looked at. */
void doctor_conflicts(struct doctor *doctor, const struct snapshot *node);
void doctor_clock(struct doctor *doctor);
void doctor_disk(struct doctor *doctor);
void doctor_agent(struct doctor *doctor); /* doctor_agent.c */
void doctor_probe(struct doctor *doctor); /* doctor_probe.c */
