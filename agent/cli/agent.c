/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What a person reads when the agent cannot be asked, or says no. */
#include "cli/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"

#define DEFAULT_SOCKET "/run/podfence/podfenced.sock"
#define REPLY_SECONDS  30
#define WATCH_SECONDS  2
#define SERVICE	       "org.varlink.service."
#define AGENT	       "io.podfence.Agent."

static const char *socket_path(const struct cli *cli)
{
	const char *path = cli_value(cli, "socket");

	if (!path)
		path = getenv("PODFENCE_SOCKET");
	return path && path[0] ? path : DEFAULT_SOCKET;
}

bool agent_is_there(const struct cli *cli)
{
	struct control_client *client;

	if (control_client_open(socket_path(cli), &client) < 0)
		return false;
	control_client_free(client);
	return true;
}

static int fail_connect(const char *path, int error)
{
	switch (error) {
	case -ENOENT:
		return cli_fail(3,
				"podfenced does not run on this node, or control.socket is "
				"another: no %s (systemctl status podfenced)",
				path);
	case -ECONNREFUSED:
		return cli_fail(3,
				"podfenced does not run: nobody answers at %s (systemctl status "
				"podfenced); rules it made before are still in force",
				path);
	case -EACCES:
	case -EPERM:
		return cli_fail(3,
				"no permission to open %s: be root, or a member of group "
				"podfence to look (usermod -aG podfence USER)",
				path);
	default: return cli_fail(3, "cannot reach podfenced at %s: %s", path, strerror(-error));
	}
}

static int fail_reply(int error)
{
	switch (error) {
	case -EPIPE: return cli_fail(3, "podfenced ended the connection; is it stopping?");
	case -EAGAIN: return cli_fail(3, "podfenced did not answer in %d s", REPLY_SECONDS);
	case -EBADMSG: return cli_fail(3, "podfenced answered with what is no reply");
	default: return cli_fail(3, "cannot talk to podfenced: %s", strerror(-error));
	}
}

static const char *text_of(struct json_object *parameters, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value))
		return "";
	return json_object_get_type(value) == json_type_string ? json_object_get_string(value) : "";
}

static int fail_no_endpoint(struct json_object *parameters)
{
	char near[TABLE_CELL_MAX];
	struct json_object *names = table_value(parameters, "near");
	const char *namespace = text_of(parameters, "namespace");
	const char *in = namespace[0] ? namespace : "unit", *between = namespace[0] ? "/" : ":";

	table_text(names, near);
	if (json_object_get_type(names) == json_type_array && json_object_array_length(names))
		return cli_fail(1, "no endpoint %s%s%s on this node; did you mean %s?", in, between,
				text_of(parameters, "name"), near);
	return cli_fail(1, "no endpoint %s%s%s on this node (podfence pods lists them)", in,
			between, text_of(parameters, "name"));
}

static int fail_error(const char *error, struct json_object *parameters)
{
	const char *reason = text_of(parameters, "reason");

	if (!strcmp(error, SERVICE "PermissionDenied"))
		return cli_fail(1, "podfenced says no: looking needs root or group podfence, "
				   "changing needs root");
	if (!strcmp(error, SERVICE "MethodNotFound") || !strcmp(error, SERVICE "InterfaceNotFound"))
		return cli_fail(1, "the podfenced that runs here is of another version and cannot "
				   "do this (podfence status shows its version)");
	if (!strcmp(error, SERVICE "InvalidParameter"))
		return cli_fail(2, "podfenced does not take this %s",
				text_of(parameters, "parameter"));
	if (!strcmp(error, AGENT "QuarantineRefused"))
		return cli_fail(1, "%s", reason);
	if (!strcmp(error, AGENT "NoSuchEndpoint"))
		return fail_no_endpoint(parameters);
	return cli_fail(1, "podfenced says no: %s", reason[0] ? reason : error);
}

/* Takes each reply's parameters until there is no more. */
typedef int (*reply_fn)(void *userdata, struct json_object *parameters);

static int ask(const struct cli *cli, const char *method, const char *parameters, bool wants_more,
	       reply_fn take, void *userdata)
{
	const char *path = socket_path(cli);
	struct control_client *client;
	struct control_reply reply = {};
	int r = control_client_open(path, &client), status = 0;

	if (r < 0)
		return fail_connect(path, r);
	r = control_client_call(client, method, parameters, wants_more);
	do {
		control_reply_done(&reply);
		if (r == 0)
			r = control_client_reply(client, REPLY_SECONDS, &reply);
		if (r < 0)
			status = fail_reply(r);
		else if (reply.error)
			status = fail_error(reply.error, reply.parameters);
		else if ((r = take(userdata, reply.parameters)) < 0)
			status = r == -ENOMEM ? cli_fail(1, "out of memory") : fail_reply(r);
	} while (!status && reply.continues);
	control_reply_done(&reply);
	control_client_free(client);
	return status;
}

static int keep(void *userdata, struct json_object *parameters)
{
	*(struct json_object **)userdata = json_object_get(parameters);
	return 0;
}

int agent_ask(const struct cli *cli, const char *method, const char *parameters,
	      struct json_object **ret_parameters)
{
	struct json_object *kept = NULL;
	int status = ask(cli, method, parameters, false, keep, &kept);

	if (status)
		json_object_put(kept);
	else
		*ret_parameters = kept;
	return status;
}

struct joining {
	const char *member;
	struct json_object *items;
};

static int join(void *userdata, struct json_object *parameters)
{
	struct joining *joining = userdata;
	struct json_object *piece = table_value(parameters, joining->member);

	if (json_object_get_type(piece) != json_type_array)
		return 0;
	for (size_t i = 0; i < json_object_array_length(piece); i++) {
		struct json_object *item = json_object_get(json_object_array_get_idx(piece, i));
		if (json_object_array_add(joining->items, item) < 0) {
			json_object_put(item);
			return -ENOMEM;
		}
	}
	return 0;
}

int agent_each(const struct cli *cli, const char *method, const char *parameters,
	       int (*take)(void *userdata, struct json_object *parameters), void *userdata)
{
	return ask(cli, method, parameters, true, take, userdata);
}

int agent_list(const struct cli *cli, const char *method, const char *parameters,
	       const char *member, struct json_object **ret_items)
{
	struct joining joining = {member, json_object_new_array()};

	if (!joining.items)
		return cli_fail(1, "out of memory");
	int status = ask(cli, method, parameters, true, join, &joining);
	if (status)
		json_object_put(joining.items);
	else
		*ret_items = joining.items;
	return status;
}

void agent_parameters_begin(struct json *json, struct buffer *parameters, const char *namespace,
			    const char *name)
{
	json_init(json, parameters);
	json_object_begin(json, NULL);
	json_string(json, "namespace", namespace);
	json_string(json, "name", name);
}

int agent_parameters_end(struct json *json)
{
	json_object_end(json);
	buffer_add_char(json->buffer, '\0');
	return json->buffer->is_broken ? cli_fail(1, "out of memory") : 0;
}

int agent_show(struct table *table, struct json_object *items)
{
	int r = table_print(table, items, stdout);

	json_object_put(items);
	return r < 0 ? cli_fail(1, "out of memory") : cli_finish();
}

/* The only namespace that has a pod of this name. */
static int find_namespace(const struct cli *cli, struct agent_endpoint *endpoint)
{
	struct json_object *found;
	struct buffer parameters = BUFFER_INIT;
	struct json json;

	agent_parameters_begin(&json, &parameters, NULL, endpoint->name);
	int status = agent_parameters_end(&json);
	if (!status)
		status = agent_list(cli, AGENT "ListEndpoints", parameters.bytes, "endpoints",
				    &found);
	buffer_done(&parameters);
	if (status)
		return status;
	size_t n = json_object_array_length(found);
	if (n > 1) {
		fprintf(stderr, "podfence: \"%s\" is ambiguous, say which one:", endpoint->name);
		for (size_t i = 0; i < n; i++)
			fprintf(stderr, " %s/%s",
				text_of(json_object_array_get_idx(found, i), "namespace"),
				endpoint->name);
		fputc('\n', stderr);
		status = 2;
	} else if (n == 1) {
		snprintf(endpoint->namespace, sizeof(endpoint->namespace), "%s",
			 text_of(json_object_array_get_idx(found, 0), "namespace"));
	} else {
		strcpy(endpoint->namespace, "default"); /* the agent says what is like it */
	}
	json_object_put(found);
	return status;
}

int agent_endpoint(const struct cli *cli, const char *text, struct agent_endpoint *ret_endpoint)
{
	const char *namespace = cli_value(cli, "namespace");
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : 0;
	bool is_kind = slash &&
		       (!strncmp(text, "pod/", 4) || !strncmp(text, "pods/", 5) ||
			!strncmp(text, "po/", 3)) &&
		       (namespace || cli->is_kubectl);
	struct agent_endpoint endpoint = {};

	if (!strncmp(text, "unit:", 5) && text[5] && strlen(text) < sizeof(endpoint.name)) {
		strcpy(endpoint.name, text + 5); /* a unit is in no namespace */
		*ret_endpoint = endpoint;
		return 0;
	}
	if (slash && !is_kind)
		snprintf(endpoint.namespace, sizeof(endpoint.namespace), "%.*s", (int)length, text);
	else if (namespace || cli->is_kubectl)
		snprintf(endpoint.namespace, sizeof(endpoint.namespace), "%s",
			 namespace ? namespace : "default");
	snprintf(endpoint.name, sizeof(endpoint.name), "%s", slash ? slash + 1 : text);
	if (!endpoint.name[0] || strchr(endpoint.name, '/') ||
	    length >= sizeof(endpoint.namespace) || (slash && !length))
		return cli_fail(2,
				"\"%s\" is no endpoint: NAMESPACE/NAME, or NAME with -n NAMESPACE",
				text);
	if (!endpoint.namespace[0]) {
		int status = find_namespace(cli, &endpoint);
		if (status)
			return status;
	}
	*ret_endpoint = endpoint;
	return 0;
}

int agent_watch(const struct cli *cli, int (*show)(const struct cli *cli))
{
	bool is_screen = isatty(STDOUT_FILENO);

	if (!cli_has(cli, "watch"))
		return show(cli);
	for (;;) {
		if (is_screen)
			fputs("\033[H\033[2J", stdout);
		int status = show(cli);
		if (status > 1 || cli_finish() != 0)
			return status ? status : 1;
		sleep(WATCH_SECONDS);
	}
}

int agent_parameters_list(const struct cli *cli, struct json *json, struct buffer *parameters)
{
	struct agent_endpoint endpoint;
	int status = 0;

	if (!cli->n_arguments) {
		agent_parameters_begin(json, parameters, cli_value(cli, "namespace"), NULL);
		return 0;
	}
	status = agent_endpoint(cli, cli->arguments[0], &endpoint);
	if (!status)
		agent_parameters_begin(json, parameters, endpoint.namespace, endpoint.name);
	return status;
}
