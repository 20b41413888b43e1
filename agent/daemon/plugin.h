/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include <systemd/sd-event.h>

#include <podfence/attributes.h>

#include "http/client.h"
#include "kube/exec_credential.h"

/* The credentials that the program of a kubeconfig's exec entry gives: kept until they are over or refused, then
 * asked for again. One for the life of the agent, as it can run no other program. */
struct plugin;

/* Takes the command over, also where it fails. Forks: the caller has one thread. */
PF_MUST_CHECK int plugin_new(struct exec_command *command, struct plugin **ret_plugin);
struct plugin *plugin_free(struct plugin *plugin);
/* Before any of the functions below. */
PF_MUST_CHECK int plugin_attach(struct plugin *plugin, sd_event *loop, int64_t priority);

bool plugin_runs(const struct plugin *plugin, const struct exec_command *command);

/* True where there are credentials that hold for a few seconds more. Else fn is called, from the loop, each time
 * the program has answered, until there are. Who asked last is told. */
PF_MUST_CHECK bool plugin_ask(struct plugin *plugin, void (*fn)(void *userdata), void *userdata);
void plugin_forget(struct plugin *plugin, const void *userdata); /* who asked does not any more */
/* Sets the credentials of a request, which must not outlive the next turn of the loop; a number for plugin_judge(). */
unsigned plugin_apply(const struct plugin *plugin, struct http_request *request);
/* What the server said to credentials of this number. */
void plugin_judge(struct plugin *plugin, unsigned number, unsigned status);
/* Why there are none, a sentence; "". */
const char *plugin_problem(const struct plugin *plugin);
