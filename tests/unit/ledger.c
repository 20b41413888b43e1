/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Keys of flows from packets and back, the table of flows, what is due of them, and what is kept of them over a
 * restart. That the kernel makes the same keys is tested by real packets (tests/integration/test_ledger.py). */
#include <arpa/inet.h>
#include <stdio.h>

#include "ledger/books.h"
#include "ledger/saved.h"
#include "scene.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND	 1000000u

static const uint8_t secret[16] = "a secret";

static const struct {
	struct scene scene;
	const char *set; /* NULL: no key */
	uint64_t cgroup;
	const char *key; /* hexadecimal; numbers of this machine are little-endian */
} keys[] = {
	{{"tcp", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 6, 50514, 443, SYN}},
	 "denied4_v1",
	 0,
	 "0a0000000a000005cb0071090600000001bb0000"},
	{{"tcp, late", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 6, 5, 443, ACK}},
	 "denied_rest4_v1",
	 0,
	 "0a0000000a000005cb00710906000000"},
	{{"udp6",
	  "podfence:audit",
	  FORWARD,
	  10,
	  2,
	  0,
	  0,
	  {"2001:db8::5", "2001:db8:1::", 17, 4, 53}},
	 "audited6_v1",
	 0,
	 "0a00000020010db800000000000000000000000520010db8000100000000000000000000110000000035000"
	 "0"},
	{{"icmp", "podfence:deny", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 1, 8, 3}},
	 "denied4_v1",
	 0,
	 "0a0000000a000005cb0071090100000008030000"},
	{{"icmp6",
	  "podfence:deny",
	  FORWARD,
	  10,
	  2,
	  0,
	  0,
	  {"2001:db8::5", "2001:db8:1::", 58, 128, 0}},
	 "denied6_v1",
	 0,
	 "0a00000020010db800000000000000000000000520010db80001000000000000000000003a0000008000000"
	 "0"},
	{{"other", "podfence:pending", FORWARD, 77, 2, 0, 0, {"10.9.9.9", EXTERNAL, 253}},
	 "denied_rest4_v1",
	 0,
	 "4d0000000a090909cb007109fd000000"},
	{{"host",
	  "podfence:reject",
	  OUTPUT,
	  0,
	  2,
	  0,
	  0xbeef,
	  {"192.0.2.17", EXTERNAL, 6, 5, 80, SYN}},
	 "denied_out4_v1",
	 0,
	 "efbe0000cb0071090600000000500000"},
	{{"host, audit",
	  "podfence:audit:beef",
	  OUTPUT,
	  0,
	  2,
	  0,
	  7,
	  {"192.0.2.17", EXTERNAL, 132, 5, 6}},
	 "audited_out4_v1",
	 0x10000beef,
	 "efbe000001000000cb0071098400000000060000"},
	{{"host, gone",
	  "podfence:audit:beef",
	  OUTPUT,
	  0,
	  2,
	  0,
	  7,
	  {"192.0.2.17", EXTERNAL, 17, 5, 6}},
	 NULL,
	 0,
	 ""},
	{{"over", "podfence:deny:over", FORWARD, 10, 2, 0, 0, {WEB, EXTERNAL, 6, 5, 443, SYN}},
	 "denied_over4_v1",
	 0,
	 "0a0000000a000005"},
	{{"over, host",
	  "podfence:deny:over",
	  OUTPUT,
	  0,
	  2,
	  0,
	  0xbeef,
	  {"192.0.2.17", EXTERNAL, 17, 5, 4}},
	 "denied_out_over_v1",
	 0,
	 "efbe0000"},
	{{"tunnel", "podfence:tunnel", FORWARD, 10, 0, 0, 0, {WEB, "192.0.2.17", 17, 5, 4789}},
	 "tunneled4_v1",
	 0,
	 "0a0000000a000005"},
	{{"tunnel, host", "podfence:tunnel", OUTPUT, 0, 2, 0, 0xbeef, {WEB, WEB, 17, 5, 4789}},
	 "tunneled_out_v1",
	 0,
	 "efbe0000"},
	{{"tunnel, host, audit",
	  "podfence:tunnel-audit:beef",
	  OUTPUT,
	  0,
	  2,
	  0,
	  7,
	  {WEB, WEB, 17, 5, 4789}},
	 "tunneled_audited_v1",
	 0x10000beef,
	 "efbe000001000000"},
	{{"spoof", "podfence:spoof", PREROUTING, 10, 0, 0, 0, {EXTERNAL, WEB, 17, 5, 53}},
	 "spoofed_v1",
	 0,
	 "0a000000"},
	{{"spoof, bridge", "podfence:spoof-bridge", PREROUTING, 20, 0, 21, 0, {WEB, WEB, 17, 5, 6}},
	 "bridge_spoofed_v1",
	 0,
	 "15000000"},
	{{"spoof, host, nobody's tag",
	  "podfence:spoof-out-audit",
	  OUTPUT,
	  0,
	  2,
	  0,
	  7,
	  {EXTERNAL, WEB, 17, 5, 6}},
	 NULL,
	 0,
	 ""},
	{{"source route", "podfence:source-route", PREROUTING, 10, 0, 0, 0, {WEB, WEB, 17, 5, 6}},
	 "spoofed_v1",
	 0,
	 "0a000000"},
	{{"quarantine", "podfence:quarantine:beef", OUTPUT, 0, 0, 0, 7, {WEB, WEB, 17, 5, 6}},
	 "quarantined_v1",
	 0,
	 "efbe0000"},
	{{"quarantine, to him",
	  "podfence:quarantine-in:beef",
	  NF_INET_POST_ROUTING,
	  0,
	  10,
	  0,
	  7,
	  {WEB, WEB, 17, 5, 6}},
	 "quarantined_in_v1",
	 0,
	 "efbe0000"},
	{{"frame", "podfence:packet", NF_NETDEV_EGRESS, 0, 2, 0, 7, {WEB, EXTERNAL, 17, 5, 6}},
	 "backstopped_v1",
	 0,
	 "02000000"},
};

static void hex(const struct pf_key *key, char text[static 2 * PF_KEY_MAX + 1])
{
	text[0] = '\0';
	for (size_t i = 0; i < key->length; i++)
		snprintf(text + 2 * i, 3, "%02x", key->bytes[i]);
}

static void facts_check(const struct flow_key *key, const struct event *event)
{
	const struct pf_packet *packet = &event->packet;
	const struct ledger_set *set = flow_set(key);
	struct flow_facts facts;

	assert_true(flow_key_read(key, &facts));
	if (set->class != LEDGER_QUARANTINED)
		assert_int_equal(facts.link,
				 set->is_bridge ? event->record->port_in : event->record->link_in);
	assert_int_equal(facts.device,
			 set->class == LEDGER_BACKSTOPPED ? event->record->link_out : 0);
	assert_int_equal(facts.held, set->class == LEDGER_QUARANTINED ? event->meaning.index : 0);
	if (set->kind == LEDGER_OVER)
		return;
	assert_true(pf_address_equal(&facts.destination, &packet->destination));
	assert_int_equal(facts.protocol, packet->protocol);
	if (set->kind == LEDGER_PORTS && packet->has_icmp)
		assert_int_equal(facts.icmp_type, packet->icmp_type);
	else if (set->kind == LEDGER_PORTS)
		assert_int_equal(facts.port, packet->destination_port);
	assert_int_equal(facts.has_port, set->kind == LEDGER_PORTS && !packet->has_icmp);
}

static void keys_are_those_of_the_rules(void **state)
{
	struct snapshot *snapshot = scene_snapshot();
	char text[2 * PF_KEY_MAX + 1];

	for (size_t i = 0; i < N(keys); i++) {
		struct rulebook rulebook = {};
		struct scene_memory memory;
		struct event event = scene_play(&keys[i].scene, snapshot, &rulebook, &memory);
		struct flow_key key = {};
		int r = flow_key_of(&event.meaning, event.record, &event.packet, keys[i].cgroup,
				    &key);
		assert_int_equal(r == 0, keys[i].set != NULL);
		if (r != 0)
			continue;
		hex(&key.key, text);
		assert_string_equal(flow_set(&key)->name, keys[i].set);
		assert_string_equal(text, keys[i].key);
		facts_check(&key, &event);
	}
	snapshot_free(snapshot);
}

/* A key of another length than its set's is none. */
static void wrong_keys_are_refused(void **state)
{
	struct flow_facts facts;

	for (size_t i = 0; i < n_ledger_sets; i++) {
		unsigned n_good = 0;
		for (uint8_t length = 0; length <= PF_KEY_MAX; length++)
			n_good += flow_key_read(&(struct flow_key){(uint8_t)i, {{}, length}},
						&facts);
		assert_int_equal(n_good, 1);
	}
	assert_false(flow_key_read(&(struct flow_key){(uint8_t)n_ledger_sets, {}}, &facts));
}

static struct flow_key number_key(uint32_t number)
{
	struct flow_key key = {};

	memset(&key, (int)(number * 31), sizeof(key)); /* what is not of the key must not count */
	key.set = 0;
	key.key.length = 0;
	memset(key.key.bytes, 0, 20);
	pf_key_add_u32(&key.key, number);
	pf_key_add_u32(&key.key, 7);
	pf_key_add_u32(&key.key, 8);
	pf_key_add_u8(&key.key, 17);
	pf_key_add_port(&key.key, 53);
	key.key.length = 20;
	return key;
}

static void table_keeps_flows(void **state)
{
	struct flow_table *table;
	size_t n = 0;

	assert_int_equal(flow_table_new(secret, &table), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		struct flow_key key = number_key(i);
		assert_null(flow_table_find(table, &key));
		assert_non_null(flow_table_add(table, &key, i, "boot"));
	}
	for (uint32_t i = 0; i < 5000; i += 2) {
		struct flow_key key = number_key(i);
		memset(key.key.bytes + 20, 0x5a, PF_KEY_MAX - 20);
		struct flow *flow = flow_table_find(table, &key);
		assert_non_null(flow);
		assert_int_equal(flow->start_usec, i);
		flow_table_remove(table, flow);
		assert_null(flow_table_find(table, &key));
	}
	for (struct flow *flow = flow_table_next(table, NULL); flow;
	     flow = flow_table_next(table, flow))
		n += flow->start_usec % 2;
	assert_int_equal(n, 2500);
	assert_int_equal(flow_table_count(table), 2500);
	flow_table_free(table);
}

/* Key, time and boot: each alone makes another flow. */
static void ids_differ(void **state)
{
	struct flow_key a = number_key(1), b = number_key(2);
	struct flow_table *table;
	struct flow *flows[5];

	assert_int_equal(flow_table_new(secret, &table), 0);
	flows[0] = flow_table_add(table, &a, 5, "boot");
	flows[1] = flow_table_add(table, &b, 5, "boot");
	flows[2] = flow_table_add(table, &a, 6, "boot");
	flows[3] = flow_table_add(table, &a, 5, "another");
	flows[4] = flow_table_add(table, &a, 5, "boot");
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(flows[i]->id, flows[k]->id, 16);
	assert_memory_equal(flows[0]->id, flows[4]->id, 16);
	flow_table_free(table);
}

static void counts_are_differences(void **state)
{
	struct flow flow = {.moved_usec = 1};

	assert_true(flow_see(&flow, &(struct flow_count){3, 300}, 10));
	assert_int_equal(flow_untold(&flow).packets, 3);
	flow.told = flow_total(&flow);
	assert_false(flow_see(&flow, &(struct flow_count){3, 300}, 20));
	assert_int_equal(flow.moved_usec, 10);
	assert_int_equal(flow_untold(&flow).packets, 0);
	/* The set was flushed: the element begins anew, the flow does not. */
	assert_true(flow_see(&flow, &(struct flow_count){2, 150}, 30));
	assert_int_equal(flow_total(&flow).packets, 5);
	assert_int_equal(flow_untold(&flow).packets, 2);
	assert_int_equal(flow_untold(&flow).bytes, 150);
	/* A message may be ahead of the reading. */
	flow.told = (struct flow_count){9, 900};
	assert_int_equal(flow_untold(&flow).packets, 0);
}

static void what_is_due(void **state)
{
	static const struct flow_times times = {30 * SECOND, 60 * SECOND};
	static const struct {
		struct flow flow;
		uint64_t now;
		enum flow_due due;
	} cases[] = {
		{{.is_fresh = true}, 500 * SECOND, FLOW_DUE_NOTHING},
		{{.sequence = 0}, 1, FLOW_DUE_START},
		{{.sequence = 1, .seen = {5, 5}, .told = {1, 1}}, 29 * SECOND, FLOW_DUE_NOTHING},
		{{.sequence = 1, .seen = {5, 5}, .told = {1, 1}}, 30 * SECOND, FLOW_DUE_UPDATE},
		{{.sequence = 1, .seen = {5, 5}, .told = {5, 5}}, 59 * SECOND, FLOW_DUE_NOTHING},
		{{.sequence = 1, .seen = {5, 5}, .told = {5, 5}}, 60 * SECOND, FLOW_DUE_END},
		{{.sequence = 9, .seen = {5, 5}, .moved_usec = 90 * SECOND},
		 100 * SECOND,
		 FLOW_DUE_UPDATE},
	};

	for (size_t i = 0; i < N(cases); i++)
		assert_int_equal(flow_due(&cases[i].flow, &times, cases[i].now), cases[i].due);
}

struct collected {
	struct flow flows[4];
	size_t n;
};

static int collect(const struct flow *flow, void *userdata)
{
	struct collected *collected = userdata;

	collected->flows[collected->n++] = *flow;
	return 0;
}

static void saved_is_read_again(void **state)
{
	const struct saved_ledger ledger = {
		"b00t", LEDGER_CLASS_N, {1, 2, 3}, {3, 4, 5}, {5, UINT64_MAX, 6}};
	struct flow flow = {.key = number_key(3),
			    .rule = RULE_AUDIT,
			    .owner = 0x10000beef,
			    .sequence = 4,
			    .start_usec = 5,
			    .moved_usec = 6,
			    .told_usec = 7,
			    .seen = {8, 9},
			    .before = {10, 11},
			    .told = {12, 13}};
	struct buffer text = BUFFER_INIT;
	struct collected collected = {};
	struct saved_ledger again;
	unsigned line;

	memset(flow.id, 0xa5, sizeof(flow.id));
	saved_head_write(&ledger, &text);
	saved_flow_write(&flow, &text);
	flow.rule = RULE_N;
	saved_flow_write(&flow, &text);
	assert_int_equal(saved_read(text.bytes, text.length, &again, collect, &collected, &line),
			 0);
	assert_memory_equal(&again, &ledger, sizeof(ledger));
	assert_int_equal(collected.n, 2);
	assert_int_equal(collected.flows[0].rule, RULE_AUDIT);
	assert_int_equal(collected.flows[1].rule, RULE_N);
	assert_memory_equal(collected.flows[0].id, flow.id, sizeof(flow.id));
	assert_memory_equal(collected.flows[0].key.key.bytes, flow.key.key.bytes, 20);
	assert_int_equal(collected.flows[0].owner, flow.owner);
	assert_int_equal(collected.flows[0].told.bytes, 13);
	/* Cut anywhere but between two lines it is not believed. */
	for (size_t i = 0; i < text.length; i++) {
		struct collected part = {};
		bool is_whole = i && (text.bytes[i] == '\n' || text.bytes[i - 1] == '\n');
		int r = saved_read(text.bytes, i, &again, collect, &part, &line);
		if (is_whole)
			assert_int_equal(r, 0);
		else if (
			r ==
			0) /* a number lost digits, or classes are missing: that the checksum finds */
			assert_non_null(strchr("0123456789 ", text.bytes[i - 1]));
	}
	buffer_done(&text);
}

/* An agent that knew fewer classes wrote fewer. */
static void a_shorter_head_is_read(void **state)
{
	static const char text[] = "ledger b 1 2 3 4 5 6 7 8 9\n", few[] = "ledger b 1 2 3 4 5 6\n";
	struct saved_ledger ledger;
	unsigned line;

	assert_int_equal(saved_read(text, strlen(text), &ledger, collect, NULL, &line), 0);
	assert_int_equal(ledger.n_classes, 3);
	assert_int_equal(ledger.removed_over[2], 9);
	assert_int_equal(ledger.counted[3], 0);
	assert_int_equal(saved_read(few, strlen(few), &ledger, collect, NULL, &line),
			 SAVED_E_INVALID);
}

static void bad_lines_are_refused(void **state)
{
	static const char head[] = "ledger b 1 2 3 4 5 6 7 8 9\n";
	static const char *const lines[] = {
		"flow denied4_v1 0a 0011 deny 1",
		"flow denied9_v1 0a0000000a000005cb0071090600000001bb0000 "
		"00112233445566778899aabbccddeeff deny 1 2 3 4 5 6 7 8 9 10 11",
		"flow denied4_v1 0a0000000a000005cb0071090600000001bb00 "
		"00112233445566778899aabbccddeeff deny 1 2 3 4 5 6 7 8 9 10 11",
		"flow denied4_v1 0a0000000a000005cb0071090600000001bb0000 "
		"00112233445566778899aabbccddeeff denies 1 2 3 4 5 6 7 8 9 10 11",
		"flow denied4_v1 0a0000000a000005cb0071090600000001bb0000 "
		"00112233445566778899aabbccddeeff deny 1 2 3 4 5 6 7 8 9 10 11 12",
		"flow denied4_v1 0a0000000a000005cb0071090600000001bb0000 "
		"00112233445566778899aabbccddeeff deny 1 2 3 4 5 6 7 8 9 10 99999999999999999999",
		"flow denied4_v1 0a0000000a000005cb0071090600000001bb0000 "
		"00112233445566778899aabbccddeeff deny 1 2 3 4 5 6 7 8 9 10 -1",
		"",
	};

	for (size_t i = 0; i < N(lines); i++) {
		struct collected collected = {};
		struct saved_ledger ledger;
		char text[512];
		unsigned line = 0;
		int n = snprintf(text, sizeof(text), "%s%s\n", head, lines[i]);
		assert_int_equal(saved_read(text, (size_t)n, &ledger, collect, &collected, &line),
				 SAVED_E_INVALID);
		assert_int_equal(line, 2);
		assert_int_equal(collected.n, 0);
	}
}

static void books_add_up(void **state)
{
	struct books books = {
		.classes[LEDGER_DENIED] = {100, 100, 90, 8, 2},
		.classes[LEDGER_AUDITED] = {10, 20, 15, 0, 0}, /* read while packets went on */
		.logged = 7,
		.received = 5,
		.lost = 2,
	};

	assert_true(books_balance(&books));
	books.classes[LEDGER_DENIED].ledger--;
	assert_int_equal(class_books_difference(&books.classes[LEDGER_DENIED]), 1);
	books.classes[LEDGER_AUDITED].ledger = 23;
	assert_int_equal(class_books_difference(&books.classes[LEDGER_AUDITED]), -3);
	assert_int_equal(books_difference(&books), 4); /* one does not hide the other */
	books.lost = 1;
	assert_int_equal(books_unheard(&books), 1);
	assert_false(books_balance(&books));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_the_rules),
		cmocka_unit_test(wrong_keys_are_refused),
		cmocka_unit_test(table_keeps_flows),
		cmocka_unit_test(ids_differ),
		cmocka_unit_test(counts_are_differences),
		cmocka_unit_test(what_is_due),
		cmocka_unit_test(saved_is_read_again),
		cmocka_unit_test(a_shorter_head_is_read),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(books_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
