/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The control socket of the agent: which methods there are. Without it the agent works all the same, so
 * where it cannot be had that is said and tried again with the next configuration. */
#include "daemon/control.h"

#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "control/call.h"
#include "podfence-config.h"

extern const char control_description[]; /* of io.podfence.Agent.varlink, by embed.py */

#define CONTROL_GROUP	   "podfence"
#define CONTROL_QUARANTINE "io.podfence.Agent.Quarantine"
#define CONTROL_RELEASE	   "io.podfence.Agent.Release"

int control_no_parameters(struct control_request *request)
{
	const char *bad;

	if (call_parameters(request->parameters, NULL, 0, NULL, &bad) != 0)
		return control_fail_parameter(request, bad);
	return CONTROL_DONE;
}

int control_open(struct daemon *daemon, const struct config *config)
{
	static const struct control_method methods[] = {
		{"io.podfence.Agent.GetStatus", false, 0, control_no_parameters, control_get_status,
		 NULL},
		{"io.podfence.Agent.ListEndpoints", false, sizeof(struct control_endpoints),
		 control_start_endpoints, control_list_endpoints, NULL},
		{"io.podfence.Agent.ListFlows", false, sizeof(struct control_flows),
		 control_start_flows, control_list_flows, NULL},
		{"io.podfence.Agent.ListKnown", false, sizeof(struct control_known),
		 control_start_known, control_list_known, control_stop_known},
		{"io.podfence.Agent.Why", false, sizeof(struct control_why), control_start_why,
		 control_why, NULL},
		{CONTROL_QUARANTINE, true, sizeof(struct control_quarantine),
		 control_start_quarantine, control_quarantine, NULL},
		{CONTROL_RELEASE, true, sizeof(struct control_quarantine), control_start_release,
		 control_release, NULL},
		{"io.podfence.Agent.ListQuarantines", false, 0, control_no_parameters,
		 control_list_quarantines, NULL},
	};
	static const struct control_interface interface = {
		.name = "io.podfence.Agent",
		.description = control_description,
		.methods = methods,
		.n_methods = sizeof(methods) / sizeof(methods[0]),
	};
	const struct control_options options = {
		.path = config->control.socket,
		.group = CONTROL_GROUP,
		.interface = &interface,
		.version = PODFENCE_VERSION,
		.url = "https://podfence.io",
		.priority = PRIORITY_REST,
		.userdata = daemon,
	};

	if (!options.path[0])
		return 0;
	int r = control_server_new(daemon->loop, &options, &daemon->control);
	if (r == -EADDRINUSE)
		diag_control_held(options.path);
	else if (r < 0)
		diag_cannot("open the control socket (control.socket)", r);
	return r;
}

void control_worked(struct daemon *daemon)
{
	control_wake(daemon->control, CONTROL_QUARANTINE);
	control_wake(daemon->control, CONTROL_RELEASE);
}

void control_change(struct daemon *daemon, const struct config *before)
{
	if (daemon->control && !strcmp(before->control.socket, daemon->config->control.socket))
		return;
	daemon->control = control_server_free(daemon->control);
	(void)control_open(daemon, daemon->config); /* said; the agent goes on without */
}
