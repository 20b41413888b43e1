/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The program of a kubeconfig's exec entry runs as a grandchild. Between stands a child that is forked before the
 * agent takes on its filter of system calls, which knows neither fork nor exec. The child has the command from the
 * fork and hears nothing but "now": whoever takes over the agent can run this one program and no other. It gives up
 * all capabilities; `no new privileges` keeps a program that root executes from getting them back.
 *
 * What the program writes is bounded in size and time. It has a process group of its own that is killed when its
 * first process has ended, was too slow or wrote too much, so that nothing of it stays. */
#include "daemon/plugin_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "privilege/privilege.h"

#define OUTPUT_MAX (256u << 10)
#define SAID_MAX   4096u /* of standard error: its end */

/* Where the child has what it needs. */
enum { CHANNEL = 3, FIRST_OTHER = 4 };

/* An answer on the channel; `length` bytes of output follow. */
struct head {
	int32_t outcome, number;
	uint32_t length;
	char said[200];
};

struct plugin_process {
	int channel;
	struct buffer received;
};

/* --- the child --- */

static const struct privilege_profile nothing = {};

struct run {
	const struct exec_command *command;
	unsigned seconds;
	pid_t pid;
	int process; /* pidfd */
	int output, errors,
		failure; /* pipes, our ends; failure: errno of what kept it from running */
	struct buffer out, err;
	uint64_t end_usec;
};

static _Noreturn void become(const struct exec_command *command, const int ends[3], pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
	    dup2(ends[0], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0)
		execvp(command->path, command->arguments);
	int error = errno;
	(void)!write(ends[2], &error, sizeof(error));
	_exit(127);
}

/* The kubeconfig's come after ours, in place of those of the same name. */
static void set_environment(const struct exec_command *command)
{
	for (char **one = command->environment; *one; one++)
		(void)putenv(*one);
}

/* ret_theirs: the end that the program gets. */
static int open_pipe(int *ret_ours, int *ret_theirs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_ours = ends[0];
	*ret_theirs = ends[1];
	return 0;
}

static int start(struct run *run)
{
	int ends[] = {-1, -1, -1};
	pid_t self = getpid();
	int r = open_pipe(&run->output, &ends[0]);

	if (r == 0)
		r = open_pipe(&run->errors, &ends[1]);
	if (r == 0)
		r = open_pipe(&run->failure, &ends[2]);
	if (r == 0) {
		run->pid = fork();
		if (run->pid == 0)
			become(run->command, ends, self);
		r = run->pid < 0 ? -errno : 0;
	}
	for (size_t i = 0; i < 3; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	if (r < 0)
		return r;
	(void)setpgid(run->pid, run->pid); /* whoever is first */
	run->process = (int)syscall(SYS_pidfd_open, run->pid, 0);
	return run->process < 0 ? -errno : 0;
}

/* Some of what is there; closes the pipe at its end. */
static void take(int *pipe, struct buffer *buffer)
{
	char bytes[4096];
	ssize_t n = read(*pipe, bytes, sizeof(bytes));

	if (n > 0) {
		buffer_add(buffer, bytes, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	close(*pipe);
	*pipe = -1;
}

static void take_errors(struct run *run)
{
	struct buffer *err = &run->err;

	take(&run->errors, err);
	if (err->length > SAID_MAX) {
		memmove(err->bytes, err->bytes + err->length - SAID_MAX, SAID_MAX);
		err->length = SAID_MAX;
	}
}

/* True once it has ended and nothing more of it is there. */
static bool follow(struct run *run, enum plugin_outcome *ret_outcome)
{
	struct pollfd polled[] = {
		{.fd = run->output, .events = POLLIN},
		{.fd = run->errors, .events = POLLIN},
		{.fd = run->process, .events = POLLIN},
	};
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	*ret_outcome = run->out.length > OUTPUT_MAX ? PLUGIN_TOO_LARGE : PLUGIN_TOO_SLOW;
	if (run->out.length > OUTPUT_MAX || now >= run->end_usec)
		return true;
	if (poll(polled, 3, (int)((run->end_usec - now) / 1000 + 1)) <= 0)
		return false;
	if (polled[0].revents)
		take(&run->output, &run->out);
	if (polled[1].revents)
		take_errors(run);
	*ret_outcome = PLUGIN_EXITED;
	return polled[2].revents && !polled[0].revents && !polled[1].revents;
}

/* The last line that is not empty. */
static void last_line(const struct buffer *buffer, char said[static 200])
{
	size_t end = buffer->length, n = 0;

	while (end && strchr(" \t\r\n", buffer->bytes[end - 1]))
		end--;
	size_t begin = end;
	while (begin && buffer->bytes[begin - 1] != '\n')
		begin--;
	for (; begin < end && n < 199; begin++) {
		char c = buffer->bytes[begin];
		said[n++] = c >= ' ' && c < 0x7f ? c : '?';
	}
	said[n] = '\0';
}

static void close_all(struct run *run)
{
	const int fds[] = {run->process, run->output, run->errors, run->failure};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void judge(struct run *run, enum plugin_outcome outcome, int r, struct head *head)
{
	int status = 0, error = 0;

	if (run->pid > 0) {
		(void)kill(-run->pid, SIGKILL);
		while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	head->outcome = outcome;
	if (r == 0 && read(run->failure, &error, sizeof(error)) == sizeof(error))
		r = -error;
	if (r < 0) {
		head->outcome = PLUGIN_NOT_STARTED;
		head->number = -r;
	} else if (outcome == PLUGIN_TOO_SLOW) {
		head->number = (int)run->seconds;
	} else if (outcome == PLUGIN_TOO_LARGE) {
		head->number = (int)OUTPUT_MAX;
	} else if (WIFSIGNALED(status)) {
		head->outcome = PLUGIN_KILLED;
		head->number = WTERMSIG(status);
	} else {
		head->number = WEXITSTATUS(status);
	}
	if (run->out.is_broken || run->err.is_broken) {
		head->outcome = PLUGIN_NOT_STARTED;
		head->number = ENOMEM;
	}
	last_line(&run->err, head->said);
	if (head->outcome == PLUGIN_EXITED && head->number == 0)
		head->length = (uint32_t)run->out.length;
}

static bool send_all(const void *bytes, size_t length)
{
	for (const char *at = bytes; length;) {
		ssize_t n = send(CHANNEL, at, length, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return false;
		at += n < 0 ? 0 : n;
		length -= n < 0 ? 0 : (size_t)n;
	}
	return true;
}

static bool run_once(const struct exec_command *command, unsigned seconds)
{
	struct run run = {
		.command = command,
		.seconds = seconds,
		.process = -1,
		.output = -1,
		.errors = -1,
		.failure = -1,
		.end_usec = clock_usec(CLOCK_MONOTONIC) + (uint64_t)seconds * 1000000u,
	};
	enum plugin_outcome outcome = PLUGIN_EXITED;
	struct head head = {};
	int r = start(&run);

	while (r == 0 && !follow(&run, &outcome))
		;
	judge(&run, outcome, r, &head);
	close_all(&run);
	bool is_sent = send_all(&head, sizeof(head)) && send_all(run.out.bytes, head.length);
	if (run.out.bytes)
		explicit_bzero(run.out.bytes, run.out.length);
	buffer_done(&run.out);
	buffer_done(&run.err);
	return is_sent;
}

/* Nothing of the agent's: what it writes to ends when it does, and not with us. */
static bool leave_all_behind(int channel)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return false;
	channel = fcntl(channel, F_DUPFD_CLOEXEC, 16);
	if (channel < 0 || dup3(channel, CHANNEL, O_CLOEXEC) < 0)
		return false;
	for (int fd = 0; fd < CHANNEL; fd++)
		if (dup2(null, fd) < 0)
			return false;
	return close_range(FIRST_OTHER, ~0u, 0) == 0;
}

static _Noreturn void child(int channel, const struct exec_command *command, unsigned seconds,
			    pid_t maker)
{
	char now;

	(void)prctl(PR_SET_NAME, "podfence-plugin");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != maker)
		_exit(1);
	if (!leave_all_behind(channel) || privilege_begin(&nothing) < 0 ||
	    privilege_settle(&nothing) < 0)
		_exit(1);
	set_environment(command);
	while (recv(CHANNEL, &now, 1, 0) == 1)
		if (!run_once(command, seconds))
			break;
	_exit(0);
}

/* --- the agent --- */

int plugin_process_open(const struct exec_command *command, unsigned seconds,
			struct plugin_process **ret_process)
{
	struct plugin_process *process = calloc(1, sizeof(*process));
	int ends[2];

	if (!process)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		int r = -errno;
		free(process);
		return r;
	}
	pid_t maker = getpid(), pid = fork();
	int r = pid < 0 ? -errno : 0;
	if (pid == 0)
		child(ends[1], command, seconds, maker);
	close(ends[1]);
	process->channel = ends[0];
	if (r < 0) {
		plugin_process_free(process);
		return r;
	}
	*ret_process = process;
	return 0;
}

struct plugin_process *plugin_process_free(struct plugin_process *process)
{
	if (!process)
		return NULL;
	close(process->channel);
	buffer_done(&process->received);
	free(process);
	return NULL;
}

int plugin_process_fd(const struct plugin_process *process)
{
	return process->channel;
}

int plugin_process_ask(struct plugin_process *process)
{
	if (process->received.bytes)
		explicit_bzero(process->received.bytes, process->received.length);
	buffer_clear(&process->received);
	ssize_t n = send(process->channel, "!", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n == 1 ? 0 : -errno;
}

static int receive(struct plugin_process *process)
{
	struct buffer *received = &process->received;
	char bytes[4096];
	ssize_t n = recv(process->channel, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	buffer_add(received, bytes, (size_t)n);
	explicit_bzero(bytes, sizeof(bytes));
	return received->is_broken ? -ENOMEM : 1;
}

int plugin_process_answer(struct plugin_process *process, struct plugin_answer *ret_answer)
{
	struct buffer *received = &process->received;
	struct head head;
	int r;

	do
		r = receive(process);
	while (r > 0);
	if (received->length < sizeof(head))
		return r;
	memcpy(&head, received->bytes, sizeof(head));
	if (head.length > OUTPUT_MAX)
		return -EPIPE;
	if (received->length < sizeof(head) + head.length)
		return r;
	*ret_answer = (struct plugin_answer){
		.outcome = (enum plugin_outcome)head.outcome,
		.number = head.number,
		.output = received->bytes + sizeof(head),
		.length = head.length,
	};
	memcpy(ret_answer->said, head.said, sizeof(ret_answer->said) - 1);
	return 1;
}
