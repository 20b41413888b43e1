/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "control/server.h"
#include "daemon/daemon.h"

/* The methods of io.podfence.Agent, a file for each subject. `userdata` of a request is the daemon. */

/* control_status.c */
int control_get_status(struct control_request *request, struct json *reply);
/* Those members of it that are of bounded size. */
void control_status_numbers(struct json *json, const struct daemon *daemon);

/* control_endpoints.c */
#define CONTROL_NAME_MAX 253 /* bytes of a name of Kubernetes */

/* What is asked for, and where the list stands. */
struct control_endpoints {
	const char *namespace, *name;
	bool only_unresolved;
	bool has_begun;
	char last_namespace[CONTROL_NAME_MAX + 1], last_name[CONTROL_NAME_MAX + 1];
};
int control_start_endpoints(struct control_request *request);
int control_list_endpoints(struct control_request *request, struct json *reply);

/* control.c */
int control_no_parameters(struct control_request *request);
/* NULL after control_fail(): no such endpoint, with near names. */
const struct endpoint *control_find_endpoint(struct control_request *request, const char *namespace,
					     const char *name);
