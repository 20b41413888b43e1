/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <json-c/json.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/table.h"

/* Asking the agent, for commands: what goes wrong is said to a person and becomes an exit status. */

/* One reply; its parameters are handed over, to be freed with json_object_put(). `parameters`: a JSON object
 * as text, or NULL. 0, or the exit status. */
PF_MUST_CHECK int agent_ask(const struct cli *cli, const char *method, const char *parameters,
			    struct json_object **ret_parameters);
/* All replies: the arrays under `member` joined to one, which the caller frees. */
PF_MUST_CHECK int agent_list(const struct cli *cli, const char *method, const char *parameters,
			     const char *member, struct json_object **ret_items);

/* Each reply's parameters, which are the caller's for the time of the call. `take`: 0, -ENOMEM, or -EBADMSG for what is
 * no reply. */
PF_MUST_CHECK int agent_each(const struct cli *cli, const char *method, const char *parameters,
			     int (*take)(void *userdata, struct json_object *parameters),
			     void *userdata);

/* Somebody listens at the socket; nothing is printed. */
bool agent_is_there(const struct cli *cli);

/* An endpoint by NAMESPACE/NAME, pod/NAME or NAME: the namespace is that of -n, or "default" for kubectl,
 * or the only one that has such a pod. `name` has room for both. */
struct agent_endpoint {
	char namespace[256], name[256];
};
PF_MUST_CHECK int agent_endpoint(const struct cli *cli, const char *text,
				 struct agent_endpoint *ret_endpoint);

/* Parameters of a call, a JSON object: begun with whom it is about, where namespace and name are not NULL; what follows
 * is the caller's to add; and ended. 0, or the exit status. */
void agent_parameters_begin(struct json *json, struct buffer *parameters, const char *namespace,
			    const char *name);
PF_MUST_CHECK int agent_parameters_end(struct json *json);
/* Begun for a list: of the endpoint that the command's argument names, else of the namespace of -n, else all. 0, or the
 * exit status. */
PF_MUST_CHECK int agent_parameters_list(const struct cli *cli, struct json *json,
					struct buffer *parameters);

/* Prints the items, which it takes over, as the last thing a command does. The exit status. */
PF_MUST_CHECK int agent_show(struct table *table, struct json_object *items);

/* Once, or again and again with --watch. */
PF_MUST_CHECK int agent_watch(const struct cli *cli, int (*show)(const struct cli *cli));
