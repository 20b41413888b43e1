/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence why: what a packet to a destination would meet, and because of what: asked of the agent, or decided with
 * the same functions on what the files of the node say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/agent.h"
#include "cli/answer.h"
#include "cli/destination.h"
#include "cli/offline.h"
#include "policy/answer.h"

/* "key=value,key=value" */
static int parse_labels(const char *text, struct label_list *labels)
{
	char *copy = strdup(text), *rest = copy;
	int status = copy ? 0 : cli_fail(2, "out of memory");

	for (char *one; !status && (one = strsep(&rest, ",")) != NULL;) {
		char *value = strchr(one, '=');
		if (!value || value == one) {
			status = cli_fail(2, "--labels: \"%s\" is not KEY=VALUE", one);
			break;
		}
		*value++ = '\0';
		if (label_list_put(labels, one, value) < 0)
			status = cli_fail(2, "out of memory");
	}
	free(copy);
	return status;
}

/* A pod that is not there, with labels as one would have. */
static int add_hypothetical(const struct cli *cli, struct offline *offline, const char *name)
{
	const char *namespace = cli_value(cli, "namespace"), *slash = strchr(name, '/');
	struct pod *pod = calloc(1, sizeof(*pod));

	if (!pod)
		return cli_fail(2, "out of memory");
	pod->n_references = 1;
	pod->is_host_network = cli_has(cli, "host");
	pod->namespace = slash ? strndup(name, (size_t)(slash - name))
			       : strdup(namespace ? namespace : "default");
	pod->name = strdup(slash ? slash + 1 : name);
	int status = pod->namespace && pod->name
			     ? parse_labels(cli_value(cli, "labels"), &pod->labels)
			     : cli_fail(2, "out of memory");
	if (status) {
		pod_free(pod);
		return status;
	}
	return offline_add_pod(offline, pod) < 0 ? cli_fail(2, "out of memory") : 0;
}

/* What the files of the node say. */
static int decide(const struct cli *cli, struct offline *offline,
		  const struct policy_packet *packet, struct answer *answer)
{
	const char *name = cli->arguments[0];
	int status = cli_value(cli, "labels") ? add_hypothetical(cli, offline, name) : 0;

	if (status)
		return status;
	if (offline_decide(offline) < 0)
		return cli_fail(2, "out of memory");
	const struct endpoint *endpoint = offline_find(cli, offline, name);
	if (!endpoint)
		return 2;
	const struct answer_input input = {
		.config = offline->config,
		.networks = offline->networks,
		.endpoint = endpoint,
		.decision = decisions_of(offline->decisions, &offline->snapshot, endpoint),
		.packet = *packet,
	};
	answer_make(&input, answer);
	return 0;
}

static int write_answer(const struct answer *answer, struct json_object **ret_answer)
{
	struct buffer buffer = BUFFER_INIT;
	struct json json;

	json_init(&json, &buffer);
	json_object_begin(&json, NULL);
	answer_write(answer, &json);
	json_object_end(&json);
	buffer_add_char(&buffer, '\0');
	*ret_answer = buffer.is_broken ? NULL : json_tokener_parse(buffer.bytes);
	buffer_done(&buffer);
	return *ret_answer ? 0 : cli_fail(1, "out of memory");
}

static int ask_files(const struct cli *cli, const struct policy_packet *packet,
		     struct json_object **ret_answer)
{
	struct offline offline = {};
	struct answer answer;
	int status = offline_read(cli, &offline);

	if (!status)
		status = decide(cli, &offline, packet, &answer);
	if (!status)
		status = write_answer(&answer, ret_answer);
	offline_done(&offline);
	return status;
}

static int ask_agent(const struct cli *cli, const struct policy_packet *packet,
		     struct json_object **ret_answer)
{
	struct buffer parameters = BUFFER_INIT;
	struct agent_endpoint endpoint;
	struct json_object *reply;
	struct json json;
	int status = agent_endpoint(cli, cli->arguments[0], &endpoint);

	if (status)
		return status;
	agent_parameters_begin(&json, &parameters, endpoint.namespace, endpoint.name);
	json_address(&json, "destination", &packet->destination);
	json_uint(&json, "protocol", packet->protocol);
	if (packet->has_port)
		json_uint(&json, "port", packet->port);
	status = agent_parameters_end(&json);
	if (!status)
		status = agent_ask(cli, "io.podfence.Agent.Why", parameters.bytes, &reply);
	buffer_done(&parameters);
	if (status)
		return status;
	*ret_answer = json_object_get(table_value(reply, "answer"));
	json_object_put(reply);
	return *ret_answer ? 0 : cli_fail(1, "podfenced answered with what is no reply");
}

static int print(const struct cli *cli, struct json_object *answer)
{
	const char *verdict = json_object_get_string(table_value(answer, "verdict"));
	struct table table = {};
	int status = table_init(cli, &table);

	if (status)
		return status;
	if (table.format == TABLE_JSON || table.format == TABLE_JSONL)
		puts(json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		answer_print(answer, cli->arguments[1], stdout);
	status = cli_finish();
	bool is_denied = verdict && (!strcmp(verdict, "denied") || !strcmp(verdict, "quarantined"));
	return status ? status : is_denied;
}

int cli_why(const struct cli *cli)
{
	struct policy_packet packet;
	struct json_object *answer;
	int status = cli_destination(cli->arguments[1], &packet);

	if (!status)
		status = offline_wants_agent(cli) ? ask_agent(cli, &packet, &answer)
						  : ask_files(cli, &packet, &answer);
	if (status) /* 1 is an answer: denied */
		return status == 1 ? 2 : status;
	status = print(cli, answer);
	json_object_put(answer);
	return status;
}
