/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A hostile packet is counted under a key that says what the packet says, and any text is a saved ledger that is
 * read again or none.
 *
 * Input: a byte that chooses the prefix, one the hook, and a packet; with an odd first byte, the text. */
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/saved.h"

#include "fuzz.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void facts_check(const struct flow_key *key, const struct pf_packet *packet)
{
	const struct ledger_set *set = flow_set(key);
	struct flow_facts facts;

	require(flow_key_read(key, &facts));
	if (set->kind == LEDGER_OVER)
		return;
	require(pf_address_equal(&facts.destination, &packet->destination));
	require(facts.protocol == packet->protocol);
	require(!facts.has_port || facts.port == packet->destination_port);
	require(!facts.has_icmp ||
		(facts.icmp_type == packet->icmp_type && facts.icmp_code == packet->icmp_code));
}

static void packet_play(const uint8_t *bytes, size_t length)
{
	static const char *const prefixes[8] = {"podfence:deny",
						"podfence:audit:beef",
						"podfence:pending:over",
						"podfence:reject",
						"podfence:tunnel",
						"podfence:spoof",
						"podfence:quarantine:beef",
						"podfence:tunnel-audit:beef"};
	const struct pf_nflog_record record = {
		.hook = bytes[1] & 1 ? NF_INET_LOCAL_OUT : NF_INET_FORWARD,
		.link_in = 7,
		.mark = 9,
	};
	struct prefix_meaning meaning;
	struct pf_packet packet;
	struct flow_key key;

	require(rule_prefix_parse(prefixes[bytes[0] / 2 % 8], &meaning) == 0);
	if (pf_packet_parse(bytes + 2, length - 2, 0, &packet) != 0)
		return;
	if (flow_key_of(&meaning, &record, &packet, 0x10000beef, &key) == 0)
		facts_check(&key, &packet);
}

static int write_again(const struct flow *flow, void *userdata)
{
	saved_flow_write(flow, userdata);
	return 0;
}

static int count(const struct flow *flow, void *userdata)
{
	++*(size_t *)userdata;
	return 0;
}

static void text_play(const uint8_t *bytes, size_t length)
{
	struct buffer again = BUFFER_INIT, flows = BUFFER_INIT;
	struct saved_ledger ledger;
	size_t n = 0;
	unsigned line;
	int r = saved_read((const char *)bytes, length, &ledger, write_again, &flows, &line);

	if (r == 0) {
		saved_head_write(&ledger, &again);
		buffer_add(&again, flows.bytes, flows.length);
		require(saved_read(again.bytes, again.length, &ledger, count, &n, &line) == 0);
		require(line == n + 2);
	}
	buffer_done(&again);
	buffer_done(&flows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	if (length < 2)
		return 0;
	if (bytes[0] & 1)
		text_play(bytes + 1, length - 1);
	else
		packet_play(bytes, length);
	return 0;
}
