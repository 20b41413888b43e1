/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "control/call.h"
#include "daemon/control.h"
#include "policy/answer.h"

int control_start_why(struct control_request *request)
{
	static const struct call_field fields[] = {
		{"namespace", CALL_STRING, true, CONTROL_NAME_MAX,
		 offsetof(struct control_why, namespace)},
		{"name", CALL_STRING, true, CONTROL_NAME_MAX, offsetof(struct control_why, name)},
		{"destination", CALL_STRING, true, PF_ADDRESS_TEXT,
		 offsetof(struct control_why, destination)},
		{"protocol", CALL_NUMBER, false, 255, offsetof(struct control_why, protocol)},
		{"port", CALL_NUMBER, false, 65535, offsetof(struct control_why, port)},
	};
	const char *bad;

	if (call_parameters(request->parameters, fields, sizeof(fields) / sizeof(fields[0]),
			    request->state, &bad) != 0)
		return control_fail_parameter(request, bad);
	return CONTROL_DONE;
}

int control_why(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	const struct control_why *asked = request->state;
	struct answer_input input = {
		.config = daemon->config,
		.networks = daemon->networks,
		.quarantines = &daemon->quarantines.list,
		.packet = {.protocol = (uint8_t)asked->protocol,
			   .has_port = asked->port > 0,
			   .port = (uint16_t)asked->port},
	};
	struct answer answer;

	if (pf_address_parse(asked->destination, &input.packet.destination) != 0)
		return control_fail_parameter(request, "destination");
	input.endpoint = control_find_endpoint(request, asked->namespace, asked->name);
	if (!input.endpoint)
		return CONTROL_FAILED;
	if (!daemon->decisions) {
		json_string(control_fail(request, "io.podfence.Agent.Failed"), "reason",
			    "nothing is decided yet");
		return CONTROL_FAILED;
	}
	input.decision = decisions_of(daemon->decisions, daemon->snapshot, input.endpoint);
	answer_make(&input, &answer);
	json_object_begin(reply, "answer");
	answer_write(&answer, reply);
	if (answer.is_judged && input.endpoint->kind != ENDPOINT_POD)
		json_string(reply, "packet_sockets", backstop_mode(daemon));
	json_object_end(reply);
	return CONTROL_DONE;
}
