/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A netlink socket belongs to the network namespace it was made in. To make one in a pod's takes setns(), and
 * that takes CAP_SYS_ADMIN, which is nearly all of root. So it stays behind in a child that is forked before
 * the agent gives it up: a loop of seven system calls, that is handed the descriptor of a namespace and hands a
 * socket back. It holds nothing else, parses nothing, and returns to its own namespace each time, because
 * standing in a pod's would keep that from ending.
 *
 * Requests are numbered: the answer to one that was given up is still on its way when the next is made. */
#include "culprit/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/netlink.h>

#include "base/clock.h"
#include "privilege/privilege.h"

#define PATIENCE_USEC 10000u

/* Where the child has what it needs. */
enum { CHANNEL = 3, HOME = 4, FIRST_OTHER = 5 };

struct gate {
	int channel;
	uint32_t number; /* of the last request */
};

/* With a descriptor: of the namespace there, of the socket back. */
struct note {
	uint32_t number;
	int32_t error; /* negative errno */
};

/* -errno, or whether there was a whole note; *ret_fd is -1 where none came with it. */
static int note_receive(int channel, int flags, struct note *note, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec vector = {note, sizeof(*note)};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(channel, &message, flags | MSG_CMSG_CLOEXEC);
	int error = errno;

	*ret_fd = -1;
	if (n < 0)
		return -error;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
	return n == sizeof(*note);
}

static int note_send(int channel, const struct note *note, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec vector = {(void *)note, sizeof(*note)};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	return sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* --- the child --- */

static const char *const gate_calls[] = {
	"recvmsg", "sendmsg", "setns",	    "socket",	    "bind",
	"close",   "exit",    "exit_group", "rt_sigreturn", NULL,
};
static const struct privilege kept[] = {{CAP_SYS_ADMIN, false, NULL, "to enter namespaces"}};
static const int families[] = {AF_NETLINK};
static const struct privilege_profile profile = {
	.privileges = kept,
	.n_privileges = 1,
	.calls = gate_calls,
	.families = families,
	.n_families = 1,
};

static int socket_there(int netns, int *ret_fd)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK};

	if (setns(netns, CLONE_NEWNET) < 0)
		return -errno;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r = fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
											   : 0;
	if (r < 0 && fd >= 0)
		close(fd);
	if (setns(HOME, CLONE_NEWNET) < 0)
		_exit(1);
	*ret_fd = r < 0 ? -1 : fd;
	return r;
}

static _Noreturn void serve(void)
{
	struct note note;
	int netns, socket;

	while (note_receive(CHANNEL, 0, &note, &netns) == 1) {
		socket = -1;
		note.error = netns < 0 ? -EBADF : socket_there(netns, &socket);
		(void)note_send(CHANNEL, &note, socket); /* who does not read has gone on */
		if (socket >= 0)
			close(socket);
		if (netns >= 0)
			close(netns);
	}
	_exit(0);
}

/* Nothing of the agent's: what it writes to ends when it does, and not with us. */
static bool leave_all_behind(int channel, int home)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return false;
	channel = fcntl(channel, F_DUPFD_CLOEXEC, 16);
	home = fcntl(home, F_DUPFD_CLOEXEC, 16);
	if (channel < 0 || home < 0 || dup2(channel, CHANNEL) < 0 || dup2(home, HOME) < 0)
		return false;
	for (int fd = 0; fd < CHANNEL; fd++)
		if (dup2(null, fd) < 0)
			return false;
	return close_range(FIRST_OTHER, ~0u, 0) == 0;
}

static _Noreturn void child(int channel, int home, pid_t maker)
{
	(void)prctl(PR_SET_NAME, "podfence-gate");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != maker)
		_exit(1);
	if (!leave_all_behind(channel, home) || privilege_settle(&profile) < 0)
		_exit(1);
	(void)!privilege_filter(&profile); /* the agent says it where the kernel has none */
	serve();
}

/* --- the agent --- */

int gate_open(struct gate **ret_gate)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int ends[2];

	if (!gate)
		return -ENOMEM;
	gate->channel = -1;
	if (privilege_is_missing(&kept[0])) {
		gate_free(gate);
		return -EPERM;
	}
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = home < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno
											    : 0;
	if (r == 0) {
		pid_t maker = getpid(), pid = fork();
		if (pid == 0)
			child(ends[1], home, maker);
		r = pid < 0 ? -errno : 0;
		close(ends[1]);
		gate->channel = ends[0];
	}
	if (home >= 0)
		close(home);
	if (r < 0) {
		gate_free(gate);
		return r;
	}
	*ret_gate = gate;
	return 0;
}

struct gate *gate_free(struct gate *gate)
{
	if (gate && gate->channel >= 0)
		close(gate->channel);
	free(gate);
	return NULL;
}

static int wait_note(const struct gate *gate, uint64_t end_usec)
{
	struct pollfd poll_one = {.fd = gate->channel, .events = POLLIN};
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	if (now >= end_usec)
		return -ETIMEDOUT;
	int n = poll(&poll_one, 1, (int)((end_usec - now + 999) / 1000));
	return n < 0 && errno != EINTR ? -errno : 0;
}

int gate_socket(struct gate *gate, int netns, int *ret_socket)
{
	const struct note request = {.number = ++gate->number};
	uint64_t end = clock_usec(CLOCK_MONOTONIC) + PATIENCE_USEC;
	struct note answer;
	int r = note_send(gate->channel, &request, netns), fd;

	while (r == 0) {
		r = note_receive(gate->channel, MSG_DONTWAIT, &answer, &fd);
		if (r == 1 && answer.number == request.number) {
			*ret_socket = fd;
			return answer.error ? answer.error : fd < 0 ? -EBADMSG : 0;
		}
		if (fd >= 0)
			close(fd); /* of a request that was given up */
		if (r == -EAGAIN || r == -EINTR)
			r = wait_note(gate, end);
		else
			r = r == 1 ? 0 : r < 0 ? r : -EPIPE;
	}
	return r;
}

void gate_drain(struct gate *gate)
{
	struct note answer;
	int fd;

	while (note_receive(gate->channel, MSG_DONTWAIT, &answer, &fd) == 1)
		if (fd >= 0)
			close(fd);
}
