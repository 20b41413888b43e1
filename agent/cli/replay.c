/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "cli/replay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "cli/history.h"
#include "policy/classify.h"
#include "policy/verdict.h"

#define SHOWN_MAX 100

struct replay {
	const struct offline *offline;
	const struct decisions *before;
	size_t n, n_gone, n_other;
};

static const struct endpoint *find(const struct offline *offline, const struct store_flow *flow)
{
	const struct snapshot *snapshot = &offline->snapshot;

	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		const struct pod *pod = snapshot->endpoints[i].pod;
		if (!strcmp(pod->name, flow->name) && !strcmp(pod->namespace, flow->namespace))
			return &snapshot->endpoints[i];
	}
	return NULL;
}

static enum ruling_verdict judge(const struct offline *offline, const struct decisions *decisions,
				 const struct endpoint *endpoint,
				 const struct policy_packet *packet)
{
	const struct decision *decision = decisions_of(decisions, &offline->snapshot, endpoint);
	struct ruling ruling;

	decision_judge(decision, packet, &offline->config->network.nat64, &ruling);
	return ruling.verdict;
}

static void print(const struct store_flow *flow, enum ruling_verdict old, enum ruling_verdict new)
{
	static const char *const verdicts[] = {
		[RULING_ALLOW] = "allowed",
		[RULING_AUDIT] = "audited",
		[RULING_DENY] = "denied",
	};
	bool is_six = flow->destination.family == AF_INET6;
	char address[PF_ADDRESS_TEXT], when[32] = "", port[16] = "";
	time_t seconds = (time_t)(flow->last_usec / 1000000);
	struct tm calendar;

	if (gmtime_r(&seconds, &calendar))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &calendar);
	if (flow->port)
		snprintf(port, sizeof(port), ":%u", flow->port);
	pf_address_format(&flow->destination, address);
	const char *transport = flow->protocol == 6	? "tcp"
				: flow->protocol == 17	? "udp"
				: flow->protocol == 132 ? "sctp"
							: NULL;
	printf("  %s/%s to %s%s%s%s/", flow->namespace, flow->name, is_six && port[0] ? "[" : "",
	       address, is_six && port[0] ? "]" : "", port);
	if (transport)
		fputs(transport, stdout);
	else
		printf("%u", flow->protocol);
	printf(": %s -> %s (%llu events, %llu packets, last %s)\n", verdicts[old], verdicts[new],
	       (unsigned long long)flow->events, (unsigned long long)flow->packets, when);
}

static int take(void *userdata, const struct store_flow *flow)
{
	struct replay *replay = userdata;
	const struct offline *offline = replay->offline;
	struct policy_packet packet = {
		.destination = flow->destination,
		.protocol = flow->protocol,
		.has_port = flow->port > 0,
		.port = flow->port,
	};
	struct destination_facts facts;

	replay->n++;
	const struct endpoint *endpoint = find(offline, flow);
	if (!endpoint) {
		replay->n_gone++;
		return 0;
	}
	destination_classify(offline->config, offline->networks, &packet, &facts);
	if (facts.class != DESTINATION_EXTERNAL && facts.class != DESTINATION_METADATA)
		return 0;
	enum ruling_verdict old = judge(offline, replay->before, endpoint, &packet);
	enum ruling_verdict new = judge(offline, offline->decisions, endpoint, &packet);
	if (old == new)
		return 0;
	if (replay->n_other++ == 0)
		puts("\nrecorded flows that would be decided otherwise:");
	if (replay->n_other <= SHOWN_MAX)
		print(flow, old, new);
	return 0;
}

int replay_print(const struct cli *cli, const struct offline *offline,
		 const struct decisions *before)
{
	struct replay replay = {.offline = offline, .before = before};
	struct store_query query = {};
	struct store *store;
	int status = history_times(cli, clock_usec(CLOCK_REALTIME), &query);

	if (status)
		return status;
	if (!cli_has(cli, "store") && !history_is_there(cli)) {
		puts("\nrecorded flows: none, podfence-ship keeps no events here");
		return 0;
	}
	status = history_open(cli, &store);
	if (status)
		return status;
	if (store_flows(store, query.from_usec, take, &replay) < 0)
		status = history_fail(store);
	store_free(store);
	if (status)
		return status;
	if (replay.n_other > SHOWN_MAX)
		printf("  and %zu more\n", replay.n_other - SHOWN_MAX);
	printf("\nrecorded flows: %zu of %zu would be decided otherwise, %zu are of pods that are "
	       "gone\n",
	       replay.n_other, replay.n, replay.n_gone);
	return 0;
}
