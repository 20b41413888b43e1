/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From a packet to a process:
 *
 *	packet -> socket (both ends; datagrams: local port) -> cgroup that made it -> processes of that cgroup
 *	       -> the one that has the socket open
 *
 * Only the cgroup's own processes are looked at and, where the socket was handed on, those of the endpoint. At
 * every step the answer may be that nobody knows: the sender has ended, the port is another's by now, several
 * can have done it. That is what is said then; nobody is named because nobody else is left.
 *
 * The loop waits for this, so it is bounded: a look-up ends after DEADLINE_USEC whatever it has found, and all
 * of them together take SHARE of the time at most, with BURST_USEC to spare. What comes beyond is answered
 * without looking.
 *
 * Of packets that were all there when one of them is asked for, a socket's are asked for once: whatever was true
 * of it then is as true of the others. Of later packets it is not, so nothing of that is kept for them. */
#include "culprit/culprit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "culprit/look.h"

#define BURST_USEC 50000
#define SHARE	   4 /* a quarter of a processor */

int culprits_new(const struct culprit_options *options, struct culprits **ret_culprits)
{
	struct culprits *culprits = calloc(1, sizeof(*culprits));
	char path[48];

	if (!culprits)
		return -ENOMEM;
	culprits->tree.fd = -1;
	culprits->diags.gate = options->gate;
	culprits->reader.arguments_limit = options->arguments_limit;
	culprits->credit_usec = BURST_USEC;
	culprits->credited_usec = clock_usec(CLOCK_MONOTONIC);
	culprits->reader.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = culprits->reader.proc < 0 ? -errno : 0;
	if (r == 0)
		r = cgroup_tree_open(options->cgroup_root, &culprits->tree);
	if (r == 0) {
		snprintf(path, sizeof(path), "self/fd/%d", culprits->tree.fd);
		ssize_t n = readlinkat(culprits->reader.proc, path, culprits->root, PATH_MAX - 1);
		r = n < 0 ? -errno : 0;
	}
	if (r < 0) {
		culprits_free(culprits);
		return r;
	}
	culprits->places = (struct places){
		.tree = &culprits->tree,
		.proc = culprits->reader.proc,
		.root = culprits->root,
	};
	*ret_culprits = culprits;
	return 0;
}

struct culprits *culprits_free(struct culprits *culprits)
{
	if (!culprits)
		return NULL;
	sock_diags_done(&culprits->diags);
	places_forget(&culprits->places);
	processes_forget(&culprits->known);
	if (culprits->tree.fd >= 0)
		cgroup_tree_close(&culprits->tree);
	if (culprits->reader.proc >= 0)
		close(culprits->reader.proc);
	free(culprits);
	return NULL;
}

void culprits_keep(struct culprits *culprits, const uint64_t *netnses, size_t n)
{
	sock_diags_keep(&culprits->diags, netnses, n);
	places_forget(&culprits->places);
	processes_forget(&culprits->known);
}

struct culprit_counts culprits_counts(const struct culprits *culprits)
{
	return culprits->counts;
}

static bool has_credit(struct culprits *culprits, uint64_t now_usec)
{
	uint64_t passed = now_usec - culprits->credited_usec;

	culprits->credited_usec = now_usec;
	if (passed > BURST_USEC * SHARE)
		passed = BURST_USEC * SHARE;
	culprits->credit_usec += (int64_t)(passed / SHARE);
	if (culprits->credit_usec > BURST_USEC)
		culprits->credit_usec = BURST_USEC;
	return culprits->credit_usec > 0;
}

/* Who began after the packet did not send it. */
static bool began_before(const struct culprit *culprit, const struct culprit_query *query)
{
	return culprit->holder == CULPRIT_HOLDER_NONE ||
	       culprit->first_start_usec <= query->time_usec + CULPRIT_START_SLACK_USEC;
}

/* Whether the socket of the answer sent this one too. */
static bool is_from(struct look *look, const struct answer *answer)
{
	const struct culprit_query *query = look->query;

	if (answer->is_frame)
		return query->frame && query->has_user && query->user == answer->socket.uid;
	return !query->frame && answer->protocol == query->packet->protocol &&
	       !query->packet->fragment_offset && !query->packet->is_truncated &&
	       look_is_from(look, &answer->socket);
}

/* The answer to an earlier question of the same batch, where it holds for this packet too; NULL: there is none.
 * Everything it rests on was looked at when this packet had been sent. */
static const struct culprit *answer_again(struct culprits *culprits,
					  const struct culprit_query *query)
{
	for (size_t i = 0; query->batch && i < ANSWERS_MAX; i++) {
		struct answer *answer = &culprits->answers[i];
		struct look look = {
			.culprits = culprits,
			.query = query,
			.culprit = &answer->culprit,
		};
		if (answer->batch != query->batch || answer->netns != query->netns ||
		    answer->endpoint_path != query->endpoint_path ||
		    answer->device != query->device || !began_before(&answer->culprit, query) ||
		    !is_from(&look, answer))
			continue;
		if (!answer->is_frame)
			look_at_socket(&look, &answer->socket);
		return &answer->culprit;
	}
	return NULL;
}

static void remember(const struct look *look, struct answer *answer)
{
	const struct culprit_query *query = look->query;

	answer->batch = query->batch;
	answer->netns = query->netns;
	answer->endpoint_path = query->endpoint_path;
	answer->device = query->device;
	answer->protocol = query->packet->protocol;
	answer->is_frame = query->frame != NULL;
	answer->socket = look->sockets[0];
}

static const struct culprit *ask(struct culprits *culprits, const struct culprit_query *query)
{
	struct answer *answer = &culprits->answers[culprits->next_answer];
	struct look look = {
		.culprits = culprits,
		.query = query,
		.culprit = &answer->culprit,
		.cgroup = answer->cgroup,
		.begun_usec = clock_usec(CLOCK_MONOTONIC),
	};

	culprits->next_answer = (culprits->next_answer + 1) % ANSWERS_MAX;
	answer->batch = 0;
	answer->culprit = (struct culprit){
		.why = "",
		.container = {.kind = CGROUP_OTHER, .runtime = ""},
		.has_user = query->has_user,
		.user = query->user,
	};
	if (!has_credit(culprits, look.begun_usec)) {
		culprits->counts.skipped++;
		look_give_up(&look, "too many look-ups at once");
		return look.culprit;
	}
	look_find_sockets(&look);
	bool is_for_others = look.is_alone && look.n_sockets == 1;
	if (look.n_sockets)
		look_find_process(&look);
	if (is_for_others)
		remember(&look, answer);
	culprits->credit_usec -= (int64_t)(clock_usec(CLOCK_MONOTONIC) - look.begun_usec);
	return look.culprit;
}

const struct culprit *culprits_ask(struct culprits *culprits, const struct culprit_query *query)
{
	const struct culprit *culprit = answer_again(culprits, query);

	culprits->counts.asked++;
	if (!culprit)
		culprit = ask(culprits, query);
	culprits->counts.named += culprit->holder != CULPRIT_HOLDER_NONE;
	return culprit;
}
