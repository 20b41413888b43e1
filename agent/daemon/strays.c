/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Sockets that processes of endpoints have open and that were made outside: searched for a millisecond out of every
 * twenty, so that on a node with many processes it takes longer and not more of the processor. Between two searches
 * are a thousand times what the last one took of it, twenty seconds at least and five minutes at most: endpoints that did
 * not run cost some ten microseconds each, those that did a few hundred. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "culprit/stray.h"

#define REST_USEC     (20 * 1000000u)
#define REST_MAX_USEC (300 * 1000000u)
#define REST_FACTOR   1000u
#define FIRST_USEC    1000000u
#define STEP_USEC     1000u
#define PAUSE_USEC    19000u

/* Endpoints that were found, and below what sockets are judged: pod roots and units. */
static int begin(struct daemon *daemon)
{
	const struct snapshot *snapshot = daemon->snapshot;
	const struct node_view *view = snapshot->view;
	uint64_t *endpoints = calloc(snapshot->n_endpoints + 1, sizeof(*endpoints));
	const char **judged = calloc(snapshot->n_endpoints + view->n_pod_roots + 1,
				     sizeof(*judged));
	size_t n_endpoints = 0, n_judged = 0;
	int r = endpoints && judged ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		if (!endpoint->cgroup)
			continue;
		endpoints[n_endpoints++] = endpoint->cgroup;
		if (endpoint->unit)
			judged[n_judged++] = endpoint->unit->path;
	}
	for (size_t i = 0; r == 0 && i < view->n_pod_roots; i++)
		judged[n_judged++] = view->pod_roots[i].path;
	if (r == 0)
		r = strays_begin(daemon->strays, endpoints, n_endpoints, judged, n_judged);
	free(endpoints);
	free(judged);
	return r;
}

static void take(struct daemon *daemon)
{
	struct detours *detours = &daemon->detours;
	size_t n;
	const struct stray *found = strays_found(daemon->strays, &n);
	struct detour_socket *sockets = calloc(n + 1, sizeof(*sockets));

	if (!sockets)
		return; /* the next search tells the same */
	for (size_t i = 0; i < n; i++) {
		sockets[i] = (struct detour_socket){.cgroup = found[i].endpoint,
						    .pid = found[i].pid};
		memcpy(sockets[i].maker, found[i].maker, sizeof(sockets[i].maker));
	}
	bool are_same = detour_sockets_are_equal(sockets, n, detours->sockets, detours->n_sockets);
	free(detours->sockets);
	detours->sockets = sockets;
	detours->n_sockets = n;
	if (!are_same)
		daemon_schedule(daemon, 0);
}

static void say_once(struct daemon *daemon, int error)
{
	if (!daemon->were_strays_hidden)
		diag_cannot("look for sockets that were made outside of endpoints", error);
	daemon->were_strays_hidden = true;
}

static uint64_t rest_after(uint64_t cost_usec)
{
	uint64_t rest = cost_usec * REST_FACTOR;

	return rest < REST_USEC ? REST_USEC : rest > REST_MAX_USEC ? REST_MAX_USEC : rest;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	uint64_t next = PAUSE_USEC, begun = clock_usec(CLOCK_THREAD_CPUTIME_ID);
	int r = 0;

	if (!strays_is_busy(daemon->strays))
		r = daemon->snapshot ? begin(daemon) : 0;
	if (r == 0)
		r = strays_step(daemon->strays, STEP_USEC);
	if (r == STRAYS_DONE)
		take(daemon);
	if (r < 0)
		say_once(daemon, r);
	daemon->strays_cost_usec += clock_usec(CLOCK_THREAD_CPUTIME_ID) - begun;
	if (r != 0) {
		next = rest_after(daemon->strays_cost_usec);
		daemon->strays_cost_usec = 0;
	}
	(void)sd_event_source_set_time_relative(source, next);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

void strays_open(struct daemon *daemon)
{
	int r = strays_new(daemon->config->node.cgroup_root, &daemon->strays);

	if (r == 0)
		r = sd_event_add_time_relative(daemon->loop, &daemon->strays_source,
					       CLOCK_MONOTONIC, FIRST_USEC, 1000, on_time, daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(daemon->strays_source, PRIORITY_REST);
	if (r < 0)
		say_once(daemon, r);
}

void strays_close(struct daemon *daemon)
{
	daemon->strays_source = sd_event_source_disable_unref(daemon->strays_source);
	daemon->strays = strays_free(daemon->strays);
}

void strays_change(struct daemon *daemon, const struct config *before)
{
	if (!strcmp(before->node.cgroup_root, daemon->config->node.cgroup_root))
		return;
	strays_close(daemon);
	strays_open(daemon);
}
