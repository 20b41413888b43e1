/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * NFLOG messages put together as the kernel does it, then bent and cut. Each is parsed out of an
 * allocation of its own size, so that the sanitizer sees the first byte read beyond it. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdbool.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include <podfence/nflog.h>

#include "test.h"

static char buffer[4096] __attribute__((aligned(4)));

static struct nlmsghdr *message_new(uint16_t type, uint8_t family)
{
	memset(buffer, 0, sizeof(buffer));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	message->nlmsg_type = type;
	generic->nfgen_family = family;
	generic->res_id = htons(1789);
	return message;
}

static struct nlmsghdr *packet_new(void)
{
	return message_new(NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET, AF_INET);
}

static int parse_cut(const struct nlmsghdr *message, size_t length, struct pf_nflog_record *record)
{
	static uint8_t *exact;

	free(exact); /* the record points into the last one */
	exact = malloc(length ? length : 1);
	assert_non_null(exact);
	memcpy(exact, message, length);
	return pf_nflog_record_parse(exact, length, record);
}

static int parse(const struct nlmsghdr *message, struct pf_nflog_record *record)
{
	return parse_cut(message, message->nlmsg_len, record);
}

static void put_hwaddr(struct nlmsghdr *message, uint16_t length)
{
	struct nfulnl_msg_packet_hw hw = {.hw_addrlen = htons(length)};

	memcpy(hw.hw_addr, "\x02\x11\x22\x33\x44\x55\x66\x77", 8);
	mnl_attr_put(message, NFULA_HWADDR, sizeof(hw), &hw);
}

static void put_timestamp(struct nlmsghdr *message, uint64_t seconds, uint64_t usec)
{
	struct nfulnl_msg_packet_timestamp stamp = {htobe64(seconds), htobe64(usec)};

	mnl_attr_put(message, NFULA_TIMESTAMP, sizeof(stamp), &stamp);
}

/* In the order of nfnetlink_log.c, with what we do not use in between. */
static struct nlmsghdr *whole_new(void)
{
	struct nfulnl_msg_packet_hdr header = {htons(0x86dd), NF_INET_LOCAL_OUT};
	struct nlmsghdr *message = message_new(NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET, AF_INET6);

	mnl_attr_put(message, NFULA_PACKET_HDR, sizeof(header), &header);
	mnl_attr_put_strz(message, NFULA_PREFIX, "podfence:deny");
	mnl_attr_put_u32(message, NFULA_IFINDEX_INDEV, htonl(11));
	mnl_attr_put_u32(message, NFULA_IFINDEX_PHYSINDEV, htonl(12));
	mnl_attr_put_u32(message, NFULA_IFINDEX_PHYSOUTDEV, htonl(99));
	mnl_attr_put_u32(message, NFULA_IFINDEX_OUTDEV, htonl(13));
	mnl_attr_put_u32(message, NFULA_MARK, htonl(0x12345678));
	put_hwaddr(message, 6);
	mnl_attr_put_u16(message, NFULA_HWTYPE, htons(1));
	mnl_attr_put(message, NFULA_HWHEADER, 14, "abcdefabcdef\x86\xdd");
	put_timestamp(message, 1700000000, 123456);
	mnl_attr_put_u32(message, NFULA_UID, htonl(1001));
	mnl_attr_put_u32(message, NFULA_GID, htonl(1002));
	mnl_attr_put_u32(message, NFULA_SEQ, htonl(0xfffffffe));
	mnl_attr_put_u32(message, NFULA_SEQ_GLOBAL, htonl(7));
	mnl_attr_put(message, NFULA_PAYLOAD, 5, "\x60gone");
	return message;
}

static void every_attribute_is_read(void **state)
{
	struct pf_nflog_record record;

	assert_int_equal(parse(whole_new(), &record), 0);
	assert_int_equal(record.family, AF_INET6);
	assert_int_equal(record.hook, NF_INET_LOCAL_OUT);
	assert_int_equal(record.ethertype, 0x86dd);
	assert_int_equal(record.link_in, 11);
	assert_int_equal(record.port_in, 12);
	assert_int_equal(record.link_out, 13);
	assert_int_equal(record.mark, 0x12345678);
	assert_true(record.has_uid && record.has_gid && record.has_sequence);
	assert_int_equal(record.uid, 1001);
	assert_int_equal(record.gid, 1002);
	assert_int_equal(record.sequence, 0xfffffffe);
	assert_true(record.has_timestamp);
	assert_int_equal(record.timestamp_usec, 1700000000123456);
	assert_int_equal(record.source_mac_length, 6);
	assert_memory_equal(record.source_mac, "\x02\x11\x22\x33\x44\x55", 6);
	assert_int_equal(record.payload_length, 5);
	assert_memory_equal(record.payload, "\x60gone", 5);
	assert_string_equal(record.prefix, "podfence:deny");
}

static void absent_attributes_are_nothing(void **state)
{
	struct pf_nflog_record record;

	memset(&record, 0xff, sizeof(record));
	assert_int_equal(parse(packet_new(), &record), 0);
	assert_int_equal(record.family, AF_INET);
	assert_int_equal(record.hook, 0);
	assert_int_equal(record.ethertype, 0);
	assert_int_equal(record.link_in | record.link_out | record.port_in | record.mark, 0);
	assert_false(record.has_uid || record.has_gid || record.has_sequence ||
		     record.has_timestamp);
	assert_int_equal(record.source_mac_length, 0);
	assert_null(record.payload);
	assert_int_equal(record.payload_length, 0);
	assert_string_equal(record.prefix, "");
}

/* One attribute with `length` bytes of payload; from `minimum` on it is read. */
static void attributes_have_a_least_length(void **state)
{
	static const struct {
		uint16_t type;
		size_t minimum;
	} cases[] = {
		{NFULA_PACKET_HDR, 4}, {NFULA_MARK, 4},
		{NFULA_TIMESTAMP, 16}, {NFULA_IFINDEX_INDEV, 4},
		{NFULA_HWADDR, 12},    {NFULA_IFINDEX_OUTDEV, 4},
		{NFULA_PREFIX, 1},     {NFULA_IFINDEX_PHYSINDEV, 4},
		{NFULA_UID, 4},	       {NFULA_GID, 4},
		{NFULA_SEQ, 4},	       {NFULA_PAYLOAD, 0},
		{NFULA_SEQ_GLOBAL, 0}, {NFULA_HWTYPE, 0},
		{NFULA_MAX + 100, 0},
	};
	static const char zeros[20];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t length = 0; length <= sizeof(zeros); length++) {
			struct nlmsghdr *message = packet_new();
			struct pf_nflog_record record;
			mnl_attr_put(message, cases[i].type, length, zeros);
			/* The last attribute need not be padded. */
			message->nlmsg_len -= (uint32_t)(MNL_ALIGN(length) - length);
			int expected = length < cases[i].minimum ? PF_NFLOG_E_MALFORMED : 0;
			assert_int_equal(parse(message, &record), expected);
		}
}

/* A mark and an empty attribute behind it: 12 bytes, of which the first claims some. */
static void attribute_lengths_must_hold(void **state)
{
	static const struct {
		uint16_t length;
		int result;
	} cases[] = {
		{0, PF_NFLOG_E_MALFORMED},
		{3, PF_NFLOG_E_MALFORMED},
		{4, PF_NFLOG_E_MALFORMED},
		{7, PF_NFLOG_E_MALFORMED},
		{8, 0},
		{9, 0},
		{12, 0},
		{13, PF_NFLOG_E_MALFORMED},
		{16, PF_NFLOG_E_MALFORMED},
		{65535, PF_NFLOG_E_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = packet_new();
		struct pf_nflog_record record;
		struct nlattr *attribute = mnl_nlmsg_get_payload_tail(message);
		mnl_attr_put_u32(message, NFULA_MARK, htonl(7));
		mnl_attr_put(message, NFULA_HWTYPE, 0, NULL);
		attribute->nla_len = cases[i].length;
		assert_int_equal(parse(message, &record), cases[i].result);
		if (!cases[i].result)
			assert_int_equal(record.mark, 7);
	}
}

static void flag_bits_of_a_type_are_ignored(void **state)
{
	struct nlmsghdr *message = packet_new();
	struct pf_nflog_record record;

	mnl_attr_put_u32(message, NFULA_MARK | NLA_F_NET_BYTEORDER, htonl(7));
	mnl_attr_put_u32(message, NFULA_UID | NLA_F_NESTED, htonl(8));
	assert_int_equal(parse(message, &record), 0);
	assert_int_equal(record.mark, 7);
	assert_int_equal(record.uid, 8);
}

static void prefixes_end_within_their_room(void **state)
{
	static const struct {
		size_t characters;
		bool has_nul;
		int result;
	} cases[] = {
		{0, true, 0},
		{13, true, 0},
		{13, false, PF_NFLOG_E_MALFORMED},
		{PF_NFLOG_PREFIX_MAX - 1, true, 0},
		{PF_NFLOG_PREFIX_MAX - 1, false, PF_NFLOG_E_MALFORMED},
		{PF_NFLOG_PREFIX_MAX, true, PF_NFLOG_E_MALFORMED},
		{1000, true, PF_NFLOG_E_MALFORMED},
	};
	char text[1001];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = packet_new();
		struct pf_nflog_record record;
		size_t n = cases[i].characters;
		memset(text, 'p', sizeof(text));
		text[n] = '\0';
		mnl_attr_put(message, NFULA_PREFIX, n + cases[i].has_nul, text);
		assert_int_equal(parse(message, &record), cases[i].result);
		if (!cases[i].result)
			assert_string_equal(record.prefix, text);
	}
}

static void a_prefix_ends_at_its_first_nul(void **state)
{
	struct nlmsghdr *message = packet_new();
	struct pf_nflog_record record;

	mnl_attr_put(message, NFULA_PREFIX, 8, "deny\0 it");
	assert_int_equal(parse(message, &record), 0);
	assert_string_equal(record.prefix, "deny");
}

static void long_link_addresses_are_not_kept(void **state)
{
	static const struct {
		uint16_t length;
		uint8_t kept;
	} cases[] = {{0, 0}, {1, 1}, {6, 6}, {8, 8}, {9, 0}, {20, 0}, {65535, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = packet_new();
		struct pf_nflog_record record;
		put_hwaddr(message, cases[i].length);
		assert_int_equal(parse(message, &record), 0);
		assert_int_equal(record.source_mac_length, cases[i].kept);
		assert_memory_equal(record.source_mac, "\x02\x11\x22\x33\x44\x55\x66\x77",
				    cases[i].kept);
	}
}

/* skb->tstamp is not always ours to trust; a strange one costs the time, not the record. */
static void absurd_times_are_no_time(void **state)
{
	static const struct {
		uint64_t seconds, usec;
		bool has_timestamp;
	} cases[] = {
		{0, 0, true},
		{1700000000, 999999, true},
		{1700000000, 1000000, false},
		{1700000000, UINT64_MAX, false},
		{(uint64_t)-1, 0, false},
		{UINT64_MAX / 2000000 + 1, 0, false},
		{UINT64_MAX / 2000000, 0, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = packet_new();
		struct pf_nflog_record record;
		put_timestamp(message, cases[i].seconds, cases[i].usec);
		mnl_attr_put_u32(message, NFULA_MARK, htonl(7));
		assert_int_equal(parse(message, &record), 0);
		assert_int_equal(record.mark, 7);
		assert_int_equal(record.has_timestamp, cases[i].has_timestamp);
		assert_int_equal(record.timestamp_usec,
				 record.has_timestamp ? cases[i].seconds * 1000000 + cases[i].usec
						      : 0);
	}
}

static void other_messages_are_told(void **state)
{
	static const uint16_t types[] = {
		NLMSG_NOOP,
		NLMSG_ERROR,
		NLMSG_DONE,
		NLMSG_OVERRUN,
		NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
		NFNL_SUBSYS_QUEUE << 8 | NFULNL_MSG_PACKET,
		0xffff,
	};
	struct pf_nflog_record record = {.mark = 7};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct nlmsghdr *message = message_new(types[i], AF_INET);
		assert_int_equal(parse(message, &record), PF_NFLOG_E_OTHER);
		message->nlmsg_len = NLMSG_HDRLEN; /* no nfgenmsg: not ours to judge */
		assert_int_equal(parse(message, &record), PF_NFLOG_E_OTHER);
	}
	assert_int_equal(record.mark, 7);
}

static void message_lengths_must_hold(void **state)
{
	static const uint32_t lengths[] = {0, 1, 15, 16, 19, 0x7fffffff, 0x80000000, UINT32_MAX};
	struct pf_nflog_record record = {.mark = 7};
	struct nlmsghdr *message = whole_new();
	uint32_t whole = message->nlmsg_len;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		message->nlmsg_len = lengths[i];
		assert_int_equal(parse_cut(message, whole, &record), PF_NFLOG_E_MALFORMED);
	}
	message->nlmsg_len = whole + 1;
	assert_int_equal(parse_cut(message, whole, &record), PF_NFLOG_E_MALFORMED);
	assert_int_equal(record.mark, 7);
	message->nlmsg_len = whole; /* the next message of the datagram follows */
	assert_int_equal(parse_cut(message, whole + 100, &record), 0);
}

/* A message may end behind an attribute, with or without its padding, and where less than a header
 * of the next is left. */
static bool is_good_end(const struct nlmsghdr *whole, uint32_t length)
{
	const struct nlattr *attribute;
	uint32_t start = MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg);

	if (length >= start && length < start + sizeof(*attribute))
		return true;
	mnl_attr_for_each(attribute, whole, sizeof(struct nfgenmsg))
	{
		uint32_t end = (uint32_t)((const char *)attribute - (const char *)whole) +
			       attribute->nla_len;
		if (length >= end && length < MNL_ALIGN(end) + sizeof(*attribute))
			return true;
	}
	return false;
}

static void messages_are_cut_at_every_length(void **state)
{
	struct pf_nflog_record record = {.mark = 7};
	struct nlmsghdr *message = whole_new();
	uint32_t whole = message->nlmsg_len;
	bool is_good[4096];

	/* nlmsg_len promises more than there is. */
	for (uint32_t length = 0; length < whole; length++)
		assert_int_equal(parse_cut(message, length, &record), PF_NFLOG_E_MALFORMED);
	assert_int_equal(record.mark, 7);

	/* nlmsg_len agrees, the last attribute may not. */
	for (uint32_t length = 0; length <= whole; length++)
		is_good[length] = is_good_end(message, length);
	assert_true(is_good[whole] && !is_good[whole - 4]);
	for (uint32_t length = 0; length <= whole; length++) {
		message->nlmsg_len = length;
		assert_int_equal(parse_cut(message, length, &record),
				 is_good[length] ? 0 : PF_NFLOG_E_MALFORMED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_is_read),
		cmocka_unit_test(absent_attributes_are_nothing),
		cmocka_unit_test(attributes_have_a_least_length),
		cmocka_unit_test(attribute_lengths_must_hold),
		cmocka_unit_test(flag_bits_of_a_type_are_ignored),
		cmocka_unit_test(prefixes_end_within_their_room),
		cmocka_unit_test(a_prefix_ends_at_its_first_nul),
		cmocka_unit_test(long_link_addresses_are_not_kept),
		cmocka_unit_test(absurd_times_are_no_time),
		cmocka_unit_test(other_messages_are_told),
		cmocka_unit_test(message_lengths_must_hold),
		cmocka_unit_test(messages_are_cut_at_every_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
