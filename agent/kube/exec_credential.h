/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

#include "kube/object.h"

/* Credentials that a program gives: the exec entry of a kubeconfig's user (client.authentication.k8s.io/v1 and
 * v1beta1), and what the program writes to its standard output. Nothing is run here. */

struct exec_command {
	char *api_version;
	char *path;	    /* a name to be looked for in PATH, or a path with a slash */
	char **arguments;   /* the first is the command as it is written; NULL at the end */
	char **environment; /* "NAME=value" beside the caller's own; NULL at the end */
	char *install_hint; /* NULL: none */
};

/* Of the cluster, for programs that are to be told of it. */
struct exec_cluster {
	const char *server, *server_name, *proxy, *authorities; /* NULL: none; authorities: PEM */
	bool is_insecure;
	struct json_object *config; /* NULL: none */
};

/* A relative path counts from `directory`. What is wrong is in the reader's report. NULL then, and where there is
 * no memory. */
struct exec_command *exec_command_new(struct object_reader *reader, struct json_object *exec,
				      const struct exec_cluster *cluster, const char *directory);
struct exec_command *exec_command_free(struct exec_command *command);
bool exec_command_is_equal(const struct exec_command *a, const struct exec_command *b);

struct exec_credential {
	char *token;		 /* NULL: none */
	char *certificate, *key; /* PEM; NULL: none */
	uint64_t expires_usec;	 /* CLOCK_REALTIME; 0: it does not */
};

#define EXEC_REASON_MAX 200

enum {
	EXEC_E_INVALID = 1, /* the reason says why; it holds no secret */
};

/* -ENOMEM, EXEC_E_INVALID or 0. */
PF_MUST_CHECK int exec_credential_parse(const char *text, size_t length, const char *api_version,
					char reason[static EXEC_REASON_MAX],
					struct exec_credential *ret_credential);
void exec_credential_done(struct exec_credential *credential); /* secrets are overwritten */
