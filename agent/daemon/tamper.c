/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Whose rules these are: one agent in a network namespace, and nobody else's changes. Where the tables
 * have an owner there is nothing to hear; where they have none, a change is repaired as soon as the
 * kernel tells of it. That nothing stayed untold is asked every ten seconds. */
#include "daemon/daemon.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/diag.h"
#include "compile/compile.h"
#include "node/socket_owner.h"

#define RETRY_USEC 1000000u
#define POLL_USEC  (10 * 1000000u)

/* Before anything is opened that two agents would fight for. */
int tamper_lock(struct daemon *daemon)
{
	uint32_t port;
	int r = pf_nft_lock(PODFENCE_LOCK, &daemon->lock, &port);

	if (r == -EBUSY)
		diag_running(port, socket_owner_find(port));
	else if (r < 0)
		diag_cannot("open nf_tables (needs CAP_NET_ADMIN)", r);
	return r;
}

static void say_tampered(struct daemon *daemon, const struct pf_nft_culprit *culprit, int outcome)
{
	if (outcome < 0)
		daemon_schedule(daemon, RETRY_USEC);
	else if (outcome > 0)
		stream_tell(daemon, "rules-tampered",
			    "nftables rules of podfence were changed by another program and are "
			    "repaired",
			    culprit);
}

static int on_tamper(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	struct pf_nft_culprit culprit;

	say_tampered(daemon, &culprit, fence_heard(daemon->fence, &culprit));
	return 0;
}

static int on_poll(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	struct pf_nft_culprit culprit;
	int r;

	say_tampered(daemon, &culprit, fence_poll(daemon->fence, &culprit));
	r = fence_prepare(daemon->fence);
	if (r < 0)
		diag_cannot("make the transactions that answer a flush", r);
	history_forget(&daemon->history, clock_usec(CLOCK_REALTIME));
	if (detours_look(daemon))
		daemon_schedule(daemon, 0);
	(void)sd_event_source_set_time_relative(source, POLL_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

int tamper_watch(struct daemon *daemon)
{
	int r = sd_event_add_io(daemon->loop, &daemon->fence_source, fence_fd(daemon->fence),
				EPOLLIN, on_tamper, daemon);

	if (r >= 0)
		r = sd_event_source_set_priority(daemon->fence_source, PRIORITY_TAMPER);
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->loop, &daemon->poll_source, CLOCK_MONOTONIC,
					       POLL_USEC, POLL_USEC / 10, on_poll, daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(daemon->poll_source, PRIORITY_REST);
	return r;
}
