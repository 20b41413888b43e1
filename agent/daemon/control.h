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

/* control_flows.c */
struct control_flows {
	const char *namespace, *name, *destination;
	struct pf_prefix network; /* of destination */
	uint64_t cursor;	  /* of flow_table_scan() */
	bool has_begun;
};
int control_start_flows(struct control_request *request);
int control_list_flows(struct control_request *request, struct json *reply);

/* control_why.c */
struct control_why {
	const char *namespace, *name, *destination;
	uint64_t protocol, port;
};
int control_start_why(struct control_request *request);
int control_why(struct control_request *request, struct json *reply);

/* control_known.c. What was known when it was asked for, and how far it is told. */
struct control_known {
	struct pod_list *pods;
	struct policy_list *policies;
	struct namespace_list *namespaces;
	size_t at;
};
int control_start_known(struct control_request *request);
int control_list_known(struct control_request *request, struct json *reply);
void control_stop_known(struct control_request *request);

/* control_quarantine.c. What is asked for, and how often the rules had been made then. */
struct control_quarantine {
	const char *namespace, *name, *reason;
	uint64_t seconds;
	struct json_object *allow;
	bool probes, kill;
	uint64_t works_before;
};
int control_start_quarantine(struct control_request *request);
int control_start_release(struct control_request *request);
int control_quarantine(struct control_request *request, struct json *reply);
int control_release(struct control_request *request, struct json *reply);
int control_list_quarantines(struct control_request *request, struct json *reply);

/* control.c */
int control_no_parameters(struct control_request *request);
/* The place of the first endpoint behind this name; snapshot may be NULL. */
size_t control_find_behind(const struct snapshot *snapshot, const char *namespace,
			   const char *name);
/* NULL after control_fail(): no such endpoint, with near names. */
const struct endpoint *control_find_endpoint(struct control_request *request, const char *namespace,
					     const char *name);
