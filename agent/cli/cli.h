/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <podfence/attributes.h>

/* The commands of `podfence`, one file each, in one table: usage, help, shell completion and podfence(8) are
 * made of it (commands.c). */

struct cli;

struct cli_option {
	const char *name;
	char letter;	      /* 0: none */
	const char *argument; /* NULL: takes none */
	const char *words;    /* for completion: what it can be, or CLI_FILES, CLI_ENDPOINTS */
	const char *help;     /* sentences */
};

#define CLI_FILES     "@files"
#define CLI_ENDPOINTS "@endpoints"

enum cli_trait {
	CLI_CONFIG = 1 << 0,	/* --config FILE */
	CLI_AGENT = 1 << 1,	/* --socket PATH */
	CLI_OUTPUT = 1 << 2,	/* -o FORMAT, --no-headers */
	CLI_WATCH = 1 << 3,	/* -w */
	CLI_NAMESPACE = 1 << 4, /* -n NAMESPACE */
	CLI_STORE = 1 << 5,	/* --store DIRECTORY */
};

struct command {
	const char *name;
	const char *arguments; /* for the usage line: "FILE..." */
	size_t arguments_min, arguments_max;
	const char *words;   /* for completion of the arguments; NULL: none */
	const char *summary; /* one line, without a full stop */
	const char *text;    /* the manual's paragraph: sentences */
	unsigned traits;     /* enum cli_trait */
	const struct cli_option
		*options; /* beside those of the traits; NULL or ends with name NULL */
	/* The exit status: 0 good, 1 it said no, 2 bad usage or input, 3 the agent is not reachable. */
	int (*run)(const struct cli *cli);
};

#define CLI_ARGUMENTS_MANY 4096

extern const struct command commands[]; /* commands.c; ends with a name of NULL */

/* A command as it was given. */
#define CLI_OPTIONS_MAX 32
struct cli {
	const struct command *command;
	bool is_kubectl;		     /* called as kubectl-podfence */
	const char *values[CLI_OPTIONS_MAX]; /* by the order of cli_options(); NULL: not given */
	char **arguments;
	size_t n_arguments;
};

/* The options of a command, with those of its traits: at most CLI_OPTIONS_MAX, its number. */
size_t cli_options(const struct command *command,
		   const struct cli_option *ret_options[static CLI_OPTIONS_MAX]);
const struct command *cli_find(const char *name); /* NULL: none */
/* argv[0] is the command. 0, or the exit status after the reason was printed; 0 with ret_is_help where help
 * was asked for and printed. */
PF_MUST_CHECK int cli_parse(int argc, char **argv, struct cli *ret_cli, bool *ret_is_help);
/* Its argument; "" where it takes none; NULL: not given. */
const char *cli_value(const struct cli *cli, const char *option);
bool cli_has(const struct cli *cli, const char *option);

/* "podfence: TEXT" on stderr; returns the status. */
PF_PRINTF(2, 3) int cli_fail(int status, const char *format, ...);
/* The usage line on stderr; returns 2. */
int cli_usage(const struct command *command);
/* What --help says, on stdout. */
void cli_help(const struct command *command);
/* What was printed went out: 0, else 1 after a message. */
int cli_finish(void);

int cli_boot(const struct cli *cli);
int cli_check(const struct cli *cli);
int cli_completion(const struct cli *cli);
int cli_doctor(const struct cli *cli);
int cli_events(const struct cli *cli);
int cli_flows(const struct cli *cli);
int cli_show_config(const struct cli *cli);
int cli_pods(const struct cli *cli);
int cli_plan(const struct cli *cli);
int cli_quarantine(const struct cli *cli);
int cli_release(const struct cli *cli);
int cli_render(const struct cli *cli);
int cli_status(const struct cli *cli);
int cli_uninstall(const struct cli *cli);
int cli_who(const struct cli *cli);
int cli_why(const struct cli *cli);
