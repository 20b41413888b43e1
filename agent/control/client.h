/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

/* The asking end of the control socket: one call at a time, and it waits. */
struct control_client;

struct control_reply {
	struct json_object *tree;	/* owns the rest */
	struct json_object *parameters; /* never NULL */
	const char *error;		/* NULL: none */
	bool continues;
};

/* The errno of connect(): -ENOENT and -ECONNREFUSED where no agent runs, -EACCES. */
PF_MUST_CHECK int control_client_open(const char *path, struct control_client **ret_client);
struct control_client *control_client_free(struct control_client *client);

/* `parameters`: an object as text; NULL: none. */
PF_MUST_CHECK int control_client_call(struct control_client *client, const char *method,
				      const char *parameters, bool wants_more);
/* The next reply, to be freed with control_reply_done(). -EPIPE: the agent closed; -EBADMSG: it talks
 * nonsense; -EAGAIN: it said nothing for so many seconds (0: no limit). */
PF_MUST_CHECK int control_client_reply(struct control_client *client, unsigned seconds,
				       struct control_reply *ret_reply);
void control_reply_done(struct control_reply *reply);
