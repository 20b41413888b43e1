/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "kube/exec_credential.h"

/* A process of its own that can run one command, the same each time, because the agent itself can run none. */
struct plugin_process;

enum plugin_outcome {
	PLUGIN_EXITED,	    /* number: its status */
	PLUGIN_KILLED,	    /* number: the signal, of somebody else's */
	PLUGIN_NOT_STARTED, /* number: errno */
	PLUGIN_TOO_SLOW,    /* number: seconds */
	PLUGIN_TOO_LARGE,   /* number: bytes that it may write */
};

struct plugin_answer {
	enum plugin_outcome outcome;
	int number;
	char said[200];	    /* the last line on its standard error, printable; "": none */
	const char *output; /* the process's until the next question */
	size_t length;
};

/* Forks: the caller has one thread. The process has no capability, and neither has what it runs. It ends with its
 * maker, and the command with it. The command is copied by the fork. */
PF_MUST_CHECK int plugin_process_open(const struct exec_command *command, unsigned seconds,
				      struct plugin_process **ret_process);
struct plugin_process *plugin_process_free(struct plugin_process *process);

int plugin_process_fd(const struct plugin_process *process); /* readable when an answer comes */
/* Runs the command. Nothing may be under way. */
PF_MUST_CHECK int plugin_process_ask(struct plugin_process *process);
/* 0: the answer is not whole yet; 1: it is; -EPIPE: the process is gone. Never waits. */
PF_MUST_CHECK int plugin_process_answer(struct plugin_process *process,
					struct plugin_answer *ret_answer);
