/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The kernel keeps the ledger; the agent reads it every few seconds, if a counter of the table has moved:
 *
 *	a flow is new, and its NFLOG message came	the event was written when it came
 *	a flow is new, and it did not			one reading later it is told without detail
 *	an allowed flow is new				told at once, and never with detail
 *	packets keep coming				an update, once per ledger.reportSeconds
 *	no packet for ledger.idleSeconds		the element is removed; the echo says its last count
 *	somebody else is behind its key, or what
 *	decides about it is another now			the same, before the new state is taken over
 *
 * A flow of the agent's table is an element of the kernel's, found by the same bytes. Counts are the kernel's
 * alone and absolute: a message that is lost, a reading that fails, an agent that is killed change when
 * something is told, not how much. */
#include "daemon/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/state_file.h"
#include "compile/compile.h"

#define READ_USEC_MAX	 5000000u
#define READ_PACE_FACTOR 20 /* at most a twentieth of a processor: the kernel's dump is quadratic */

/* Flows whose elements are to be removed. */
struct removal {
	struct flow **flows;
	size_t n, capacity;
};

static bool removal_add(struct removal *removal, struct flow *flow)
{
	if (removal->n == removal->capacity) {
		size_t capacity = removal->capacity ? 2 * removal->capacity : 64;
		struct flow **flows = reallocarray(removal->flows, capacity, sizeof(struct flow *));
		if (!flows)
			return false;
		removal->flows = flows;
		removal->capacity = capacity;
	}
	removal->flows[removal->n++] = flow;
	return true;
}

static int compare_sets(const void *a, const void *b)
{
	const struct flow *const *x = a, *const *y = b;

	return (int)(*x)->key.set - (int)(*y)->key.set;
}

static uint64_t *removed_of(struct ledger *ledger, const struct flow *flow)
{
	const struct ledger_set *set = flow_set(&flow->key);

	return set->kind == LEDGER_OVER ? &ledger->removed_over[set->class]
					: &ledger->removed[set->class];
}

static void flow_end(struct daemon *daemon, struct flow *flow, uint64_t now_usec)
{
	ledger_tell(daemon, flow, EVENT_FLOW_END, now_usec);
	*removed_of(&daemon->ledger, flow) += flow_total(flow).packets;
	flow_table_remove(daemon->ledger.flows, flow);
}

static int end_flows(struct daemon *daemon, struct removal *removal, uint64_t now_usec)
{
	int failure = 0;

	qsort(removal->flows, removal->n, sizeof(*removal->flows), compare_sets);
	for (size_t i = 0, end; i < removal->n; i = end) {
		for (end = i; end < removal->n && end - i < PF_COUNTS_REMOVE_MAX &&
			      removal->flows[end]->key.set == removal->flows[i]->key.set;)
			end++;
		int r = ledger_remove(daemon, &removal->flows[i], end - i, now_usec);
		failure = r < 0 ? r : failure;
		for (size_t k = i; k < end; k++)
			if (removal->flows[k])
				flow_end(daemon, removal->flows[k], now_usec);
	}
	return failure;
}

/* Whatever is due, by the last reading. Returns how many events. */
static size_t tell_what_is_due(struct daemon *daemon, uint64_t now_usec)
{
	const struct config *config = daemon->config;
	const struct flow_times times = {
		.report_usec = (uint64_t)config->ledger.report_seconds * 1000000u,
		.idle_usec = (uint64_t)config->ledger.idle_seconds * 1000000u,
	};
	struct flow_table *flows = daemon->ledger.flows;
	struct removal removal = {};
	size_t n = 0;

	for (struct flow *flow = flow_table_next(flows, NULL); flow;
	     flow = flow_table_next(flows, flow)) {
		enum flow_due due = flow_due(flow, &times, now_usec);
		flow->is_fresh = false;
		if (due == FLOW_DUE_END && removal_add(&removal, flow))
			continue;
		if (due == FLOW_DUE_START || due == FLOW_DUE_UPDATE)
			ledger_tell(daemon, flow,
				    due == FLOW_DUE_START ? EVENT_FLOW_START : EVENT_FLOW_UPDATE,
				    now_usec);
		n += due == FLOW_DUE_START || due == FLOW_DUE_UPDATE;
	}
	int r = removal.n ? end_flows(daemon, &removal, now_usec) : 0;
	if (r < 0)
		diag_cannot("remove flows from the ledger", r);
	n += removal.n;
	free(removal.flows);
	return n;
}

void ledger_read(struct daemon *daemon)
{
	uint64_t now = clock_usec(CLOCK_REALTIME);
	int r = ledger_read_kernel(daemon, now);

	if (r < 0)
		diag_cannot("read the ledger", r);
	if (tell_what_is_due(daemon, now)) {
		stream_flush(daemon);
		ledger_save(daemon);
	}
}

/* The same endpoint stands behind the key, and the same is decided about it. */
static bool is_unchanged(const struct daemon *daemon, const struct flow *flow,
			 const struct snapshot *snapshot, const struct decisions *decisions)
{
	struct flow_facts facts;

	if (!flow_key_read(&flow->key, &facts))
		return false;
	const struct endpoint *before = ledger_owner(daemon->snapshot, &facts);
	const struct endpoint *after = ledger_owner(snapshot, &facts);
	if ((after ? after->cgroup : 0) != flow->owner)
		return false;
	return !before || !after ||
	       decisions_of(daemon->decisions, daemon->snapshot, before) ==
		       decisions_of(decisions, snapshot, after);
}

void ledger_follow(struct daemon *daemon, const struct snapshot *snapshot,
		   const struct decisions *decisions)
{
	bool is_config_new = daemon->rules_version != daemon->config_version;
	struct flow_table *flows = daemon->ledger.flows;
	struct removal removal = {};
	int r = 0;

	if (!daemon->snapshot)
		return;
	for (struct flow *flow = flow_table_next(flows, NULL); flow;
	     flow = flow_table_next(flows, flow))
		if ((is_config_new || !is_unchanged(daemon, flow, snapshot, decisions)) &&
		    !removal_add(&removal, flow))
			r = -ENOMEM;
	if (removal.n) {
		int failure = end_flows(daemon, &removal, clock_usec(CLOCK_REALTIME));
		r = failure < 0 ? failure : r;
		stream_flush(daemon);
		ledger_save(daemon);
	}
	free(removal.flows);
	if (r < 0)
		diag_cannot("end flows in the ledger", r);
}

static uint64_t period_usec(const struct config *config)
{
	uint64_t period = READ_USEC_MAX;
	uint64_t report = (uint64_t)config->ledger.report_seconds * 1000000u;
	uint64_t idle = (uint64_t)config->ledger.idle_seconds * 1000000u;

	period = report < period ? report : period;
	return idle < period ? idle : period;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	uint64_t begun = clock_usec(CLOCK_MONOTONIC), period = period_usec(daemon->config);

	ledger_read(daemon);
	culprit_note_rest(daemon);
	stream_calm(daemon);
	uint64_t pace = READ_PACE_FACTOR * (clock_usec(CLOCK_MONOTONIC) - begun);
	(void)sd_event_source_set_time_relative(source, pace > period ? pace : period);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static void give_culprit_back(const void *extra, void *userdata)
{
	culprit_store_give_back(userdata, extra);
}

int ledger_open(struct daemon *daemon)
{
	struct ledger *ledger = &daemon->ledger;
	char boot[STATE_BOOT_MAX];
	uint8_t secret[16];

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -errno;
	state_boot_id(boot);
	snprintf(ledger->salt, sizeof(ledger->salt), "%s %s", boot, daemon->node_name);
	int r = culprit_store_new(&ledger->culprits);
	if (r == 0)
		r = flow_table_new(secret, &ledger->flows);
	if (r < 0)
		return r;
	flow_table_on_extra(ledger->flows, give_culprit_back, ledger->culprits);
	return ledger_read_logged(&ledger->logged_at_bind);
}

/* What earlier agents removed, or told, without leaving word: the counters that nothing else explains. Of the
 * first `from` classes they left it. */
static void infer_removed(struct ledger *ledger, unsigned from)
{
	for (unsigned i = from; i < LEDGER_CLASS_N; i++) {
		struct class_books *class = &ledger->books.classes[i];
		int64_t missing = class_books_difference(class);
		if (missing <= 0)
			continue;
		bool has_flows = ledger_class_has_flows(i);
		*(has_flows ? &ledger->removed[i] : &ledger->removed_over[i]) += (uint64_t)missing;
		*(has_flows ? &class->ledger : &class->overflow) += (uint64_t)missing;
	}
}

/* While nobody looked somebody else may have come behind the same link or cgroup id. */
static int end_strangers(struct daemon *daemon, uint64_t now_usec)
{
	struct flow_table *flows = daemon->ledger.flows;
	struct removal removal = {};
	int r = 0;

	for (struct flow *flow = flow_table_next(flows, NULL); flow;
	     flow = flow_table_next(flows, flow))
		if (flow->owner != ledger_owner_id(daemon->snapshot, &flow->key) &&
		    !removal_add(&removal, flow))
			r = -ENOMEM;
	if (removal.n && r == 0)
		r = end_flows(daemon, &removal, now_usec);
	free(removal.flows);
	return r;
}

int ledger_start(struct daemon *daemon)
{
	struct ledger *ledger = &daemon->ledger;
	uint64_t counted[LEDGER_CLASS_N];
	uint64_t now = clock_usec(CLOCK_REALTIME);
	int r = ledger_read_counted(daemon, counted);
	unsigned n_restored = r == 0 ? ledger_restore(daemon, counted) : 0;

	if (r == 0)
		r = ledger_read_kernel(daemon, now);
	if (r == 0)
		infer_removed(ledger, n_restored);
	if (r == 0)
		r = end_strangers(daemon, now);
	if (r < 0)
		diag_cannot("read the ledger", r); /* and again in a few seconds */
	r = sd_event_add_time_relative(daemon->loop, &ledger->timer, CLOCK_MONOTONIC,
				       period_usec(daemon->config), 0, on_time, daemon);
	return r < 0 ? r : sd_event_source_set_priority(ledger->timer, PRIORITY_REST);
}

static void say_books(const struct books *books)
{
	struct diag_account accounts[LEDGER_CLASS_N];
	const struct diag_books said = {
		.accounts = accounts,
		.n_accounts = LEDGER_CLASS_N,
		.logged = books->logged,
		.received = books->received,
		.lost = books->lost,
		.difference = books_difference(books),
		.unheard = books_unheard(books),
	};

	for (enum ledger_class i = 0; i < LEDGER_CLASS_N; i++) {
		const struct class_books *class = &books->classes[i];
		accounts[i] = (struct diag_account){ledger_class_name(i), ledger_class_has_flows(i),
						    class->counted,	  class->ledger,
						    class->overflow,	  class->unkept};
	}
	diag_books(&said);
}

void ledger_say(struct daemon *daemon)
{
	ledger_read(daemon);
	say_books(&daemon->ledger.books);
}

/* What is not told yet is told; the flows go on in the kernel, and with the next agent. */
void ledger_done(struct daemon *daemon)
{
	struct ledger *ledger = &daemon->ledger;
	uint64_t now = clock_usec(CLOCK_REALTIME);

	ledger->timer = sd_event_source_disable_unref(ledger->timer);
	if (ledger->books.readings) {
		ledger_read(daemon);
		for (struct flow *flow = flow_table_next(ledger->flows, NULL); flow;
		     flow = flow_table_next(ledger->flows, flow))
			if (flow_untold(flow).packets)
				ledger_tell(daemon, flow,
					    flow->sequence ? EVENT_FLOW_UPDATE : EVENT_FLOW_START,
					    now);
		ledger_save(daemon);
		say_books(&ledger->books);
	}
}

void ledger_free(struct daemon *daemon)
{
	daemon->ledger.flows = flow_table_free(daemon->ledger.flows);
	daemon->ledger.culprits = culprit_store_free(daemon->ledger.culprits);
	buffer_done(&daemon->ledger.text);
}
