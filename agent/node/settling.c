/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A container runtime puts its child into the pod's cgroup first and lets it join the pod's network
 * namespace a moment later. The first event finds it in the node's namespace, and the change to its
 * own makes no event at all. Likewise a sandbox that vanished or could not be read while we looked
 * may be there the next moment, its event long consumed.
 *
 * So what is new in one of these states is looked at again after 1, 2, 4 ... 4096 ms, which is
 * one stat() for each, and only what moved is read again. True host pods stay as they are and cost
 * nothing after eight seconds. */
#include "node/settling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FIRST_MSEC     1
#define STEPS	       13
#define UNWATCHED_MSEC 1000

struct pending {
	uint64_t cgroup;
	pid_t pid; /* 0: only reading again can tell */
};

struct settling {
	int fd;
	unsigned step;
	bool is_unwatched;
	uint64_t own_netns;
	struct pending *pending; /* in the order of the view */
	size_t n_pending;
};

int settling_open(struct settling **ret_settling)
{
	struct settling *settling = calloc(1, sizeof(*settling));

	if (!settling)
		return -ENOMEM;
	settling->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (settling->fd < 0) {
		int r = -errno;
		free(settling);
		return r;
	}
	*ret_settling = settling;
	return 0;
}

struct settling *settling_free(struct settling *settling)
{
	if (!settling)
		return NULL;
	close(settling->fd);
	free(settling->pending);
	free(settling);
	return NULL;
}

int settling_fd(const struct settling *settling)
{
	return settling->fd;
}

/* Sets the timer for the current step, or stops it. */
static int arm(struct settling *settling)
{
	unsigned msec = 0;

	if (settling->n_pending && settling->step < STEPS)
		msec = FIRST_MSEC << settling->step;
	if (settling->is_unwatched && (!msec || msec > UNWATCHED_MSEC))
		msec = UNWATCHED_MSEC;
	struct itimerspec when = {
		.it_value = {.tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000L},
	};
	return timerfd_settime(settling->fd, 0, &when, NULL) < 0 ? -errno : 0;
}

static bool may_change(const struct node_view *view, const struct node_sandbox *sandbox)
{
	switch (sandbox->state) {
	case SANDBOX_OK: return view->netnses[sandbox->netns].is_host;
	case SANDBOX_NO_PROCESS: return false; /* its cgroup.events tells */
	default: return true;
	}
}

static bool is_known(const struct pending *pending, size_t n, uint64_t cgroup)
{
	for (size_t i = 0; i < n; i++)
		if (pending[i].cgroup == cgroup)
			return true;
	return false;
}

int settling_begin(struct settling *settling, const struct node_view *view, uint64_t own_netns,
		   bool is_unwatched)
{
	struct pending *pending = calloc(view->n_sandboxes + 1, sizeof(*pending));
	size_t n = 0;
	bool has_new = false;

	if (!pending)
		return -ENOMEM;
	for (size_t i = 0; i < view->n_sandboxes; i++) {
		const struct node_sandbox *sandbox = &view->sandboxes[i];
		if (!may_change(view, sandbox))
			continue;
		pending[n++] = (struct pending){
			.cgroup = sandbox->cgroup,
			.pid = sandbox->state == SANDBOX_OK ? sandbox->pid : 0,
		};
		has_new |= !is_known(settling->pending, settling->n_pending, sandbox->cgroup);
	}
	free(settling->pending);
	settling->pending = pending;
	settling->n_pending = n;
	settling->own_netns = own_netns;
	settling->is_unwatched = is_unwatched;
	if (has_new)
		settling->step = 0;
	return arm(settling);
}

static bool has_moved(const struct settling *settling, const struct pending *pending)
{
	struct stat status;
	char path[64];

	if (!pending->pid)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pending->pid);
	return stat(path, &status) < 0 || status.st_ino != settling->own_netns;
}

int settling_look(struct settling *settling, settling_fn moved, void *userdata)
{
	uint64_t expirations;
	int changed = settling->is_unwatched;

	if (read(settling->fd, &expirations, sizeof(expirations)) < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (settling->is_unwatched)
		moved(userdata, 0);
	for (size_t i = 0; i < settling->n_pending; i++) {
		if (!has_moved(settling, &settling->pending[i]))
			continue;
		moved(userdata, settling->pending[i].cgroup);
		changed = 1;
	}
	if (settling->step < STEPS)
		settling->step++;
	int r = arm(settling);
	return r < 0 ? r : changed;
}
