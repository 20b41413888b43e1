/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	asked -> run -> credentials -> used -> over, or refused with 401 -> asked ...
 *	          `-> failed: again after 1, 2, 4 ... 60 s, as long as somebody waits
 *
 * A server that refuses what the program has only just given is asked as seldom as a program that fails. */
#include "daemon/plugin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/diag.h"
#include "daemon/plugin_process.h"

#define RUN_SECONDS    30
#define EARLY_USEC     (10 * 1000000u) /* so long before the end they are over */
#define RETRY_USEC     (1000000u)
#define RETRY_MAX_USEC (60 * 1000000u)

struct plugin {
	struct exec_command *command;
	struct plugin_process *process; /* NULL: it ended */
	struct exec_credential credential;
	bool has_credential, is_running;
	unsigned number; /* of the credentials */
	unsigned n_failures;
	uint64_t due_usec; /* CLOCK_MONOTONIC: not before */
	char problem[480];
	void (*fn)(void *userdata);
	void *userdata;
	sd_event_source *io, *timer;
};

int plugin_new(struct exec_command *command, struct plugin **ret_plugin)
{
	struct plugin *plugin = calloc(1, sizeof(*plugin));

	if (!plugin) {
		exec_command_free(command);
		return -ENOMEM;
	}
	plugin->command = command;
	int r = plugin_process_open(command, RUN_SECONDS, &plugin->process);
	if (r < 0) {
		plugin_free(plugin);
		return r;
	}
	*ret_plugin = plugin;
	return 0;
}

struct plugin *plugin_free(struct plugin *plugin)
{
	if (!plugin)
		return NULL;
	sd_event_source_disable_unref(plugin->io);
	sd_event_source_disable_unref(plugin->timer);
	plugin_process_free(plugin->process);
	exec_credential_done(&plugin->credential);
	exec_command_free(plugin->command);
	free(plugin);
	return NULL;
}

bool plugin_runs(const struct plugin *plugin, const struct exec_command *command)
{
	return plugin && exec_command_is_equal(plugin->command, command);
}

const char *plugin_problem(const struct plugin *plugin)
{
	return plugin->problem;
}

static bool is_good(const struct plugin *plugin)
{
	uint64_t end = plugin->credential.expires_usec;

	return plugin->has_credential && (!end || clock_usec(CLOCK_REALTIME) + EARLY_USEC < end);
}

/* Half of 1, 2, 4 ... 60 s, and up to as much again. */
static void be_late(struct plugin *plugin)
{
	unsigned doublings = plugin->n_failures < 7 ? plugin->n_failures : 6;
	uint64_t most = (uint64_t)RETRY_USEC << doublings;
	uint32_t random = 0;

	plugin->n_failures++;
	if (most > RETRY_MAX_USEC)
		most = RETRY_MAX_USEC;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	plugin->due_usec = clock_usec(CLOCK_MONOTONIC) + most / 2 + (most / 2 * random >> 32);
}

static void plan(struct plugin *plugin)
{
	(void)sd_event_source_set_time(plugin->timer, plugin->due_usec);
	(void)sd_event_source_set_enabled(plugin->timer, SD_EVENT_ONESHOT);
}

static void fail(struct plugin *plugin, const char *what)
{
	snprintf(plugin->problem, sizeof(plugin->problem), "exec plugin %.120s: %s",
		 plugin->command->arguments[0], what);
	be_late(plugin);
}

/* The process is gone: nobody but a person can make another. */
static void give_up(struct plugin *plugin, int error)
{
	char text[160];

	snprintf(text, sizeof(text), "the process that runs it is gone (%s); restart podfenced",
		 strerrordesc_np(-error));
	plugin->io = sd_event_source_disable_unref(plugin->io);
	plugin->process = plugin_process_free(plugin->process);
	plugin->is_running = false;
	fail(plugin, text);
}

static void run(struct plugin *plugin)
{
	int r = plugin->process ? plugin_process_ask(plugin->process) : -EPIPE;

	plugin->is_running = r == 0;
	if (r < 0)
		give_up(plugin, r);
}

static void tell(struct plugin *plugin)
{
	if (plugin->fn)
		plugin->fn(plugin->userdata);
	if (plugin->fn && !is_good(plugin) && !plugin->is_running && plugin->process)
		plan(plugin);
}

static bool is_in_a_home(const char *path)
{
	static const char *const homes[] = {"home/", "root/", "run/user/"};

	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		if (path[0] == '/' && !strncmp(path + 1, homes[i], strlen(homes[i])))
			return true;
	return false;
}

static void describe(const struct plugin *plugin, const struct plugin_answer *answer,
		     char text[320])
{
	const char *hint = plugin->command->install_hint, *said = answer->said[0] ? ": " : "";
	int error = answer->number;

	switch (answer->outcome) {
	case PLUGIN_NOT_STARTED:
		snprintf(text, 320, "cannot be started: %s%s%.160s%s", strerrordesc_np(error),
			 error == ENOENT && hint ? ". " : "", error == ENOENT && hint ? hint : "",
			 is_in_a_home(plugin->command->path)
				 ? " (the unit hides home directories: podfenced(8), Exec plugins)"
				 : "");
		break;
	case PLUGIN_TOO_SLOW:
		snprintf(text, 320, "did not end within %d s and was killed%s%s", answer->number,
			 said, answer->said);
		break;
	case PLUGIN_TOO_LARGE:
		snprintf(text, 320, "wrote more than %d bytes and was killed%s%s", answer->number,
			 said, answer->said);
		break;
	case PLUGIN_KILLED:
		snprintf(text, 320, "was ended by signal %d%s%s", answer->number, said,
			 answer->said);
		break;
	default: snprintf(text, 320, "exit status %d%s%s", answer->number, said, answer->said);
	}
}

static void take_output(struct plugin *plugin, const struct plugin_answer *answer)
{
	struct exec_credential credential;
	char reason[EXEC_REASON_MAX], text[EXEC_REASON_MAX + 64];
	int r = exec_credential_parse(answer->output, answer->length, plugin->command->api_version,
				      reason, &credential);

	if (r < 0)
		snprintf(text, sizeof(text), "its output: %s", strerrordesc_np(-r));
	else if (r > 0)
		snprintf(text, sizeof(text), "its output is not used: %s", reason);
	if (r != 0) {
		fail(plugin, text);
		return;
	}
	exec_credential_done(&plugin->credential);
	plugin->credential = credential;
	plugin->has_credential = true;
	plugin->number++;
	if (!is_good(plugin)) {
		plugin->has_credential = false;
		fail(plugin, "its credentials are over already (status.expirationTimestamp)");
		return;
	}
	plugin->problem[0] = '\0';
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct plugin *plugin = userdata;
	struct plugin_answer answer;
	char text[320];
	int r = plugin_process_answer(plugin->process, &answer);

	if (r == 0)
		return 0;
	plugin->is_running = false;
	if (r < 0) {
		give_up(plugin, r);
	} else if (answer.outcome == PLUGIN_EXITED && answer.number == 0) {
		take_output(plugin, &answer);
	} else {
		describe(plugin, &answer, text);
		fail(plugin, text);
	}
	tell(plugin);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct plugin *plugin = userdata;

	if (!plugin->fn || plugin->is_running || is_good(plugin))
		return 0;
	run(plugin);
	if (!plugin->is_running)
		tell(plugin);
	return 0;
}

int plugin_attach(struct plugin *plugin, sd_event *loop, int64_t priority)
{
	int r = sd_event_add_io(loop, &plugin->io, plugin_process_fd(plugin->process), EPOLLIN,
				on_answer, plugin);

	if (r >= 0)
		r = sd_event_source_set_priority(plugin->io, priority);
	if (r >= 0)
		r = sd_event_add_time(loop, &plugin->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
				      plugin);
	if (r >= 0)
		r = sd_event_source_set_enabled(plugin->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(plugin->timer, priority);
	return r < 0 ? r : 0;
}

bool plugin_ask(struct plugin *plugin, void (*fn)(void *userdata), void *userdata)
{
	plugin->fn = fn;
	plugin->userdata = userdata;
	if (is_good(plugin))
		return true;
	if (!plugin->is_running)
		plan(plugin);
	return false;
}

void plugin_forget(struct plugin *plugin, const void *userdata)
{
	if (plugin->userdata == userdata)
		plugin->fn = NULL;
}

unsigned plugin_apply(const struct plugin *plugin, struct http_request *request)
{
	request->token = plugin->credential.token;
	request->certificate = plugin->credential.certificate;
	request->key = plugin->credential.key;
	return plugin->number;
}

void plugin_judge(struct plugin *plugin, unsigned number, unsigned status)
{
	if (number != plugin->number || !plugin->has_credential)
		return;
	if (status != 401) {
		plugin->n_failures = 0;
		return;
	}
	plugin->has_credential = false;
	if (plugin->n_failures++ == 0)
		plugin->due_usec = 0; /* most often they are over earlier than they say */
	else
		be_late(plugin);
}
