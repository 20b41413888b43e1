/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What the kernel has counted: named counters before and after the elements of the sets, which become flows of
 * the agent's table; and elements that are removed, whose echo says what they counted last. */
#include "daemon/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "compile/compile.h"

static const char *const counters[LEDGER_CLASS_N][3] = {
	[LEDGER_DENIED] = {"denied", "pending_denied", "denied_unkept"},
	[LEDGER_AUDITED] = {"audited", "pending_audited", "audited_unkept"},
	[LEDGER_ALLOWED] = {"allowed", "", "allowed_unkept"},
	[LEDGER_SPOOFED] = {"spoofed", "", "spoofed_unkept"},
	[LEDGER_TUNNELED] = {"tunneled", "", "tunneled_unkept"},
	[LEDGER_QUARANTINED] = {"quarantined", "", "quarantined_unkept"},
	[LEDGER_BACKSTOPPED] = {"backstopped", "", "backstopped_unkept"},
};
static const enum pf_family tables[LEDGER_TABLES] = {PF_FAMILY_INET, PF_FAMILY_BRIDGE,
						     PF_FAMILY_NETDEV};

/* The named counters at one time, of all tables. */
struct reading {
	uint64_t counted[LEDGER_CLASS_N], unkept[LEDGER_CLASS_N], logged;
};

static uint64_t value_of(const struct pf_counter_value *values, size_t n, enum pf_family family,
			 const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (values[i].family == family && !strcmp(values[i].name, name))
			return values[i].packets;
	return 0;
}

/* A counter that says less than before was made anew: somebody had deleted the table. */
static uint64_t follow(struct ledger_counter *counter, uint64_t value)
{
	if (value < counter->last)
		counter->before += counter->last;
	counter->last = value;
	return counter->before + value;
}

static void reading_add(struct ledger_table *table, const struct pf_counter_value *values, size_t n,
			enum pf_family family, struct reading *reading)
{
	for (unsigned i = 0; i < LEDGER_CLASS_N; i++) {
		uint64_t counted = value_of(values, n, family, counters[i][0]) +
				   value_of(values, n, family, counters[i][1]);
		reading->counted[i] += follow(&table->counted[i], counted);
		reading->unkept[i] += follow(&table->unkept[i],
					     value_of(values, n, family, counters[i][2]));
	}
	reading->logged += follow(&table->logged, value_of(values, n, family, "logged"));
}

static int read_counters(struct daemon *daemon, struct reading *ret_reading)
{
	struct ledger *ledger = &daemon->ledger;
	struct pf_counter_value *values;
	size_t n;
	int r = fence_counters(daemon->fence, &values, &n);

	if (r < 0)
		return r;
	*ret_reading = (struct reading){};
	for (unsigned i = 0; i < LEDGER_TABLES; i++)
		reading_add(&ledger->tables[i], values, n, tables[i], ret_reading);
	free(values);
	return 0;
}

int ledger_read_counted(struct daemon *daemon, uint64_t ret_counted[static LEDGER_CLASS_N])
{
	struct reading reading;
	int r = read_counters(daemon, &reading);

	if (r == 0)
		memcpy(ret_counted, reading.counted, sizeof(reading.counted));
	return r;
}

/* One set being read. */
struct dump {
	struct daemon *daemon;
	uint8_t set;
	uint64_t now_usec;
	bool is_final; /* the echo of a removal: of flows that are known */
	size_t n_lost; /* for want of memory */
};

static void on_count(const struct pf_count *count, void *userdata)
{
	struct dump *dump = userdata;
	struct ledger *ledger = &dump->daemon->ledger;
	const struct flow_key key = {dump->set, count->key};
	const struct flow_count value = {count->packets, count->bytes};
	struct flow *flow = flow_table_find(ledger->flows, &key);

	if (!flow && !dump->is_final) {
		flow = flow_table_add(ledger->flows, &key, dump->now_usec, ledger->salt);
		if (flow) {
			flow->is_fresh = ledger_sets[dump->set].class != LEDGER_ALLOWED;
			flow->owner = ledger_owner_id(dump->daemon->snapshot, &key);
		}
	}
	if (flow)
		flow_see(flow, &value, dump->now_usec);
	else
		dump->n_lost++;
}

static int read_sets(struct daemon *daemon, const bool has_moved[static LEDGER_CLASS_N],
		     uint64_t now_usec)
{
	struct dump dump = {.daemon = daemon, .now_usec = now_usec};

	for (size_t i = 0; i < n_ledger_sets; i++) {
		if (!has_moved[ledger_sets[i].class])
			continue;
		dump.set = (uint8_t)i;
		int r = fence_counts(daemon->fence, &ledger_sets[i], on_count, &dump);
		if (r < 0 && r != -ENOENT) /* there are no rules, or no bridge table, yet */
			return r;
	}
	return dump.n_lost ? -ENOMEM : 0;
}

static void add_up(struct ledger *ledger, const struct reading *before, const struct reading *after)
{
	struct books *books = &ledger->books;

	for (unsigned i = 0; i < LEDGER_CLASS_N; i++)
		books->classes[i] = (struct class_books){
			.counted_before = before->counted[i],
			.counted = after->counted[i],
			.ledger = ledger->removed[i],
			.overflow = ledger->removed_over[i],
			.unkept = after->unkept[i],
		};
	for (struct flow *flow = flow_table_next(ledger->flows, NULL); flow;
	     flow = flow_table_next(ledger->flows, flow)) {
		const struct ledger_set *set = flow_set(&flow->key);
		struct class_books *class = &books->classes[set->class];
		*(set->kind == LEDGER_OVER ? &class->overflow
					   : &class->ledger) += flow_total(flow).packets;
	}
	books->logged = after->logged - ledger->logged_at_bind;
	books->readings++;
	books->read_usec = clock_usec(CLOCK_REALTIME);
}

static void count_messages(struct daemon *daemon)
{
	struct pf_nflog_counts counts = stream_nflog_counts(&daemon->stream);
	struct books *books = &daemon->ledger.books;

	books->received = counts.received - daemon->stream.n_foreign;
	books->lost = counts.lost;
}

/* Messages on the way are taken first. */
int ledger_read_kernel(struct daemon *daemon, uint64_t now_usec)
{
	struct ledger *ledger = &daemon->ledger;
	struct reading before, after;
	bool has_moved[LEDGER_CLASS_N];
	int r = read_counters(daemon, &before);

	if (r == 0)
		stream_drain(daemon);
	for (unsigned i = 0; r == 0 && i < LEDGER_CLASS_N; i++)
		has_moved[i] = before.counted[i] != ledger->books.classes[i].counted ||
			       class_books_difference(&ledger->books.classes[i]) != 0 ||
			       !ledger->books.readings;
	if (r == 0)
		r = read_sets(daemon, has_moved, now_usec);
	if (r == 0)
		r = read_counters(daemon, &after);
	if (r < 0)
		return r;
	add_up(ledger, &before, &after);
	count_messages(daemon);
	return 0;
}

static int remove_elements(struct daemon *daemon, struct flow **flows, size_t n, uint64_t now_usec)
{
	struct pf_key keys[PF_COUNTS_REMOVE_MAX];
	struct dump dump = {
		.daemon = daemon,
		.set = flows[0]->key.set,
		.now_usec = now_usec,
		.is_final = true,
	};

	for (size_t i = 0; i < n; i++)
		keys[i] = flows[i]->key.key;
	return fence_remove_counted(daemon->fence, &ledger_sets[dump.set], keys, n, on_count,
				    &dump);
}

/* All or none: one that somebody else removed is found by trying each. */
int ledger_remove(struct daemon *daemon, struct flow **flows, size_t n, uint64_t now_usec)
{
	int failure = 0, r = remove_elements(daemon, flows, n, now_usec);

	if (r == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		r = r == -ENOBUFS ? r : remove_elements(daemon, &flows[i], 1, now_usec);
		daemon->ledger.books.forgotten += r == -ENOENT || r == -ENOBUFS;
		if (r == 0 || r == -ENOENT || r == -ENOBUFS)
			continue;
		failure = r;
		flows[i] = NULL;
	}
	return failure;
}

int ledger_read_logged(uint64_t *ret_logged)
{
	struct pf_counter_value *values = NULL;
	struct pf_nft *nft;
	size_t n = 0;
	int r = pf_nft_open(&nft);

	if (r < 0)
		return r;
	r = pf_nft_counters(nft, PODFENCE_TABLE, &values, &n);
	*ret_logged = 0;
	for (unsigned i = 0; r == 0 && i < LEDGER_TABLES; i++)
		*ret_logged += value_of(values, n, tables[i], "logged");
	free(values);
	pf_nft_free(nft);
	return r;
}
