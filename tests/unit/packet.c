/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Packets written as hexadecimal text, and what is read of them as one line. Every packet is parsed
 * again at each shorter length, out of an allocation of just that size, so that the sanitizer sees
 * the first byte read beyond it. */
#include <arpa/inet.h>
#include <stdio.h>

#include <podfence/packet.h>

#include "test.h"

#define IPV4 0x0800
#define IPV6 0x86dd
#define ARP  0x0806

#define V4_ADDRESSES "c0000201cb007109"
#define V6_ADDRESSES                                                                               \
	"20010db8000000000000000000000001"                                                         \
	"20010db8000000000000000000000002"

/* Version and header length, total length, fragment field, protocol. */
#define V4(first, total, fragment, protocol)                                                       \
	first "00" total "1234" fragment "40" protocol "0000" V4_ADDRESSES
/* Payload length, next header. */
#define V6(payload, next) "60012345" payload next "40" V6_ADDRESSES

#define V4_WORDS "192.0.2.1 > 203.0.113.9 "
#define V6_WORDS "2001:db8::1 > 2001:db8::2 "

#define UDP	  "0bb80035000c0000"
#define UDP_WORDS " ports 3000 > 53"
#define TCP_SYN                                                                                    \
	"d43101bb0000000100000000"                                                                 \
	"5002"                                                                                     \
	"faf000000000"
#define TCP_WORDS " ports 54321 > 443 flags 02"

#define OPTIONS_8(next)                                                                            \
	next "00"                                                                                  \
	     "010400000000"
#define FRAGMENT(next, field) next "00" field "00000007"
#define AH_24(next)                                                                                \
	next "04"                                                                                  \
	     "0000"                                                                                \
	     "00000001"                                                                            \
	     "00000002"                                                                            \
	     "000000000000000000000000"

#define FIVE(x) x x x x x
#define HOPS_15 FIVE(OPTIONS_8("3c")) FIVE(OPTIONS_8("3c")) FIVE(OPTIONS_8("3c"))

struct sample {
	const char *name;
	uint16_t ethertype;
	const char *hex;
	size_t complete; /* from this many bytes on nothing more is found */
	const char *words;
	bool is_length_captured;
};

static const struct sample samples[] = {
	{"udp", IPV4, V4("45", "0020", "4000", "11") UDP "61626364", 24,
	 V4_WORDS "length 32 hops 64 protocol 17" UDP_WORDS},
	{"tcp", IPV4, V4("45", "0028", "4000", "06") TCP_SYN, 34,
	 V4_WORDS "length 40 hops 64 protocol 6" TCP_WORDS},
	{"tcp, every flag", IPV4,
	 V4("45", "0028", "4000", "06") "d43101bb0000000100000000"
					"50ff"
					"faf000000000",
	 34, V4_WORDS "length 40 hops 64 protocol 6 ports 54321 > 443 flags ff"},
	{"udp-lite", IPV4, V4("45", "001c", "0000", "88") UDP, 24,
	 V4_WORDS "length 28 hops 64 protocol 136" UDP_WORDS},
	{"sctp", IPV4, V4("45", "0020", "0000", "84") UDP "00000000", 24,
	 V4_WORDS "length 32 hops 64 protocol 132" UDP_WORDS},
	{"dccp", IPV4, V4("45", "0020", "0000", "21") UDP "00000000", 24,
	 V4_WORDS "length 32 hops 64 protocol 33" UDP_WORDS},
	{"icmp", IPV4, V4("45", "001c", "0000", "01") "0303000000000000", 28,
	 V4_WORDS "length 28 hops 64 protocol 1 icmp 3.3 id 0"},
	{"icmp echo", IPV4, V4("45", "001c", "0000", "01") "08000000be570001", 28,
	 V4_WORDS "length 28 hops 64 protocol 1 icmp 8.0 id 48727"},
	{"icmpv6 over IPv4", IPV4, V4("45", "001c", "0000", "3a") "8000000000000000", 20,
	 V4_WORDS "length 28 hops 64 protocol 58"},
	{"gre", IPV4, V4("45", "0018", "0000", "2f") "00000800", 20,
	 V4_WORDS "length 24 hops 64 protocol 47"},
	{"AH over IPv4 is the transport", IPV4, V4("45", "0034", "0000", "33") AH_24("11") UDP, 20,
	 V4_WORDS "length 52 hops 64 protocol 51"},
	{"options", IPV4,
	 V4("48", "0028", "0000", "11") "9404000001010101"
					"01010100" UDP,
	 36, V4_WORDS "length 40 hops 64 protocol 17" UDP_WORDS},
	{"60 bytes of header", IPV4,
	 V4("4f", "0044", "0000", "11") "0000000000000000000000000000000000000000"
					"0000000000000000000000000000000000000000" UDP,
	 64, V4_WORDS "length 68 hops 64 protocol 17" UDP_WORDS},
	{"first fragment", IPV4, V4("45", "001c", "2000", "11") UDP, 24,
	 V4_WORDS "length 28 hops 64 protocol 17 fragment 0" UDP_WORDS},
	{"later fragment", IPV4, V4("45", "001c", "2005", "11") UDP, 20,
	 V4_WORDS "length 28 hops 64 protocol 17 fragment 40"},
	{"last fragment", IPV4, V4("45", "001c", "1fff", "06") UDP, 20,
	 V4_WORDS "length 28 hops 64 protocol 6 fragment 65528"},
	{"tiny first fragment", IPV4, V4("45", "001c", "2000", "06") "d43101bb00000001", 24,
	 V4_WORDS "length 28 hops 64 protocol 6 fragment 0 ports 54321 > 443 truncated"},
	{"the reserved flag is no fragment", IPV4, V4("45", "001c", "8000", "11") UDP, 24,
	 V4_WORDS "length 28 hops 64 protocol 17" UDP_WORDS},
	{"header only", IPV4, V4("45", "0014", "0000", "11"), 20,
	 V4_WORDS "length 20 hops 64 protocol 17 truncated"},
	{"padding is not the packet", IPV4, V4("45", "0014", "0000", "11") UDP, 20,
	 V4_WORDS "length 20 hops 64 protocol 17 truncated"},
	{"padding behind half a header", IPV4, V4("45", "0020", "0000", "06") TCP_SYN, 24,
	 V4_WORDS "length 32 hops 64 protocol 6 ports 54321 > 443 truncated"},
	{"BIG TCP", IPV4, V4("45", "0000", "4000", "06") TCP_SYN "6162", 34,
	 V4_WORDS "length 42 hops 64 protocol 6" TCP_WORDS, true},

	{"udp6", IPV6, V6("000c", "11") UDP "61626364", 44,
	 V6_WORDS "length 52 hops 64 protocol 17" UDP_WORDS},
	{"tcp6", IPV6, V6("0014", "06") TCP_SYN, 54,
	 V6_WORDS "length 60 hops 64 protocol 6" TCP_WORDS},
	{"icmpv6", IPV6, V6("0008", "3a") "8700000000000000", 48,
	 V6_WORDS "length 48 hops 64 protocol 58 icmp 135.0 id 0"},
	{"icmp over IPv6", IPV6, V6("0008", "01") "0800000000000000", 40,
	 V6_WORDS "length 48 hops 64 protocol 1"},
	{"hop-by-hop", IPV6, V6("0010", "00") OPTIONS_8("11") UDP, 52,
	 V6_WORDS "length 56 hops 64 protocol 17" UDP_WORDS},
	{"routing, 24 bytes", IPV6,
	 V6("0020", "2b") "1102040000000000" V4_ADDRESSES V4_ADDRESSES UDP, 68,
	 V6_WORDS "length 72 hops 64 protocol 17" UDP_WORDS},
	{"destination options", IPV6, V6("0010", "3c") OPTIONS_8("11") UDP, 52,
	 V6_WORDS "length 56 hops 64 protocol 17" UDP_WORDS},
	{"AH", IPV6, V6("0020", "33") AH_24("11") UDP, 68,
	 V6_WORDS "length 72 hops 64 protocol 17" UDP_WORDS},
	{"AH of 12 bytes", IPV6, V6("0014", "33") "110100000000000100000002" UDP, 56,
	 V6_WORDS "length 60 hops 64 protocol 17" UDP_WORDS},
	{"first fragment6", IPV6, V6("0010", "2c") FRAGMENT("11", "0001") UDP, 52,
	 V6_WORDS "length 56 hops 64 protocol 17 fragment 0" UDP_WORDS},
	{"atomic fragment6", IPV6, V6("0010", "2c") FRAGMENT("11", "0000") UDP, 52,
	 V6_WORDS "length 56 hops 64 protocol 17" UDP_WORDS},
	{"later fragment6", IPV6, V6("0010", "2c") FRAGMENT("11", "05a9") UDP, 48,
	 V6_WORDS "length 56 hops 64 protocol 17 fragment 1448"},
	{"last fragment6 of options", IPV6, V6("0010", "2c") FRAGMENT("3c", "fff8") UDP, 48,
	 V6_WORDS "length 56 hops 64 protocol 60 fragment 65528"},
	{"an atomic fragment within a first one", IPV6,
	 V6("0018", "2c") FRAGMENT("2c", "0001") FRAGMENT("11", "0000") UDP, 60,
	 V6_WORDS "length 64 hops 64 protocol 17 fragment 0" UDP_WORDS},
	{"all in a chain", IPV6,
	 V6("0054", "00") OPTIONS_8("3c") OPTIONS_8("2b") OPTIONS_8("2c") FRAGMENT("33", "0001")
		 AH_24("3c") OPTIONS_8("06") TCP_SYN,
	 118, V6_WORDS "length 124 hops 64 protocol 6 fragment 0" TCP_WORDS},
	{"ESP", IPV6, V6("0010", "00") OPTIONS_8("32") "0000000100000002", 48,
	 V6_WORDS "length 56 hops 64 protocol 50"},
	{"no next header", IPV6, V6("0008", "3b") UDP, 40,
	 V6_WORDS "length 48 hops 64 protocol 59"},
	{"no next header behind options", IPV6, V6("0010", "3c") OPTIONS_8("3b") UDP, 48,
	 V6_WORDS "length 56 hops 64 protocol 59"},
	{"mobility ends the chain", IPV6, V6("0010", "87") OPTIONS_8("11") UDP, 40,
	 V6_WORDS "length 56 hops 64 protocol 135"},
	{"16 extension headers", IPV6, V6("0088", "3c") HOPS_15 OPTIONS_8("11") UDP, 172,
	 V6_WORDS "length 176 hops 64 protocol 17" UDP_WORDS},
	{"17 extension headers", IPV6, V6("0090", "3c") HOPS_15 OPTIONS_8("3c") OPTIONS_8("11") UDP,
	 168, V6_WORDS "length 184 hops 64 protocol 60 truncated"},
	{"options longer than the packet", IPV6, V6("0010", "3c") "11ff010400000000" UDP, 48,
	 V6_WORDS "length 56 hops 64 protocol 17 truncated"},
	{"padding6 is not the packet", IPV6, V6("0002", "11") UDP, 42,
	 V6_WORDS "length 42 hops 64 protocol 17 truncated"},
	{"no payload, but padding", IPV6, V6("0000", "11") UDP, 40,
	 V6_WORDS "length 40 hops 64 protocol 17 truncated"},
	{"jumbogram", IPV6,
	 V6("0000", "00") "06"
			  "00c20400011170" TCP_SYN,
	 62, V6_WORDS "length 68 hops 64 protocol 6" TCP_WORDS, true},
	{"BIG TCP6", IPV6, V6("0000", "06") TCP_SYN, 54,
	 V6_WORDS "length 60 hops 64 protocol 6" TCP_WORDS, true},

	{"arp", ARP,
	 "0001080006040001"
	 "020000000001c0000201"
	 "000000000000cb007109"
	 "00000000",
	 28, V4_WORDS "length 28 hops 0 protocol 0"},
};

static size_t from_hex(const char *hex, uint8_t *bytes, size_t size)
{
	size_t n = strlen(hex) / 2;

	assert_true(strlen(hex) % 2 == 0 && n <= size);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &bytes[i]), 1);
	return n;
}

static int parse(const uint8_t *bytes, size_t length, uint16_t ethertype, struct pf_packet *packet)
{
	uint8_t *exact = malloc(length ? length : 1);

	assert_non_null(exact);
	memcpy(exact, bytes, length);
	int r = pf_packet_parse(length ? exact : NULL, length, ethertype, packet);
	free(exact);
	return r;
}

static const char *words(const struct pf_packet *packet)
{
	static char text[256];
	char source[PF_ADDRESS_TEXT], destination[PF_ADDRESS_TEXT];
	FILE *stream = fmemopen(text, sizeof(text), "w");

	assert_non_null(stream);
	fprintf(stream, "%s > %s length %u hops %u protocol %u",
		pf_address_format(&packet->source, source),
		pf_address_format(&packet->destination, destination), packet->length,
		packet->hop_limit, packet->protocol);
	if (packet->is_fragment)
		fprintf(stream, " fragment %u", packet->fragment_offset);
	if (packet->has_ports)
		fprintf(stream, " ports %u > %u", packet->source_port, packet->destination_port);
	if (packet->has_tcp_flags)
		fprintf(stream, " flags %02x", packet->tcp_flags);
	if (packet->has_icmp)
		fprintf(stream, " icmp %u.%u", packet->icmp_type, packet->icmp_code);
	if (packet->has_icmp_id)
		fprintf(stream, " id %u", packet->icmp_id);
	if (packet->is_truncated)
		fprintf(stream, " truncated");
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void packets_parse(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		uint8_t bytes[256];
		size_t n = from_hex(samples[i].hex, bytes, sizeof(bytes));
		struct pf_packet packet;
		print_message("# %s\n", samples[i].name);
		assert_int_equal(parse(bytes, n, samples[i].ethertype, &packet), 0);
		assert_int_equal(packet.ethertype, samples[i].ethertype);
		assert_string_equal(words(&packet), samples[i].words);
		if (samples[i].ethertype == ARP)
			continue;
		assert_int_equal(parse(bytes, n, 0, &packet), 0);
		assert_int_equal(packet.ethertype, samples[i].ethertype);
		assert_string_equal(words(&packet), samples[i].words);
	}
}

static void check_cut(const struct sample *sample, const uint8_t *bytes, size_t cut, size_t whole)
{
	static const uint8_t untouched[sizeof(struct pf_packet)] = {0xa5};
	size_t header = sample->ethertype == IPV4 ? 20 : sample->ethertype == IPV6 ? 40 : 28;
	struct pf_packet packet;

	memcpy(&packet, untouched, sizeof(packet));
	int r = parse(bytes, cut, sample->ethertype, &packet);
	if (cut < header) {
		assert_int_equal(r, PF_PACKET_E_SHORT);
		assert_memory_equal(&packet, untouched, sizeof(packet));
		return;
	}
	assert_int_equal(r, 0);
	if (sample->is_length_captured) {
		assert_int_equal(packet.length, cut);
		packet.length = (uint32_t)whole;
	}
	if (cut >= sample->complete)
		assert_string_equal(words(&packet), sample->words);
	else
		assert_true(packet.is_truncated);
}

static void packets_parse_at_every_length(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		uint8_t bytes[256];
		size_t n = from_hex(samples[i].hex, bytes, sizeof(bytes));
		print_message("# %s\n", samples[i].name);
		for (size_t cut = 0; cut <= n; cut++)
			check_cut(&samples[i], bytes, cut, n);
	}
}

/* What was captured before the end is told: ports without flags, the next protocol without its
 * header. */
static void truncated_packets_tell_what_is_there(void **state)
{
	static const struct {
		const char *hex, *words;
	} cases[] = {
		{V4("45", "0028", "4000", "06"), V4_WORDS "length 40 hops 64 protocol 6 truncated"},
		{V4("45", "0028", "4000", "06") "d43101",
		 V4_WORDS "length 40 hops 64 protocol 6 truncated"},
		{V4("45", "0028", "4000", "06") "d43101bb"
						"000000010000000050",
		 V4_WORDS "length 40 hops 64 protocol 6 ports 54321 > 443 truncated"},
		{V4("48", "0028", "2000", "11") "9404",
		 V4_WORDS "length 40 hops 64 protocol 17 fragment 0 truncated"},
		{V6("0010", "3c") "1100010400", V6_WORDS "length 56 hops 64 protocol 60 truncated"},
		{V6("0018", "2c") FRAGMENT("3c", "0001") "11",
		 V6_WORDS "length 64 hops 64 protocol 60 fragment 0 truncated"},
		{V6("0020", "2b") "1102040000000000",
		 V6_WORDS "length 72 hops 64 protocol 17 truncated"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[256];
		size_t n = from_hex(cases[i].hex, bytes, sizeof(bytes));
		struct pf_packet packet;
		assert_int_equal(parse(bytes, n, 0, &packet), 0);
		assert_string_equal(words(&packet), cases[i].words);
	}
}

static void contradictions_are_refused(void **state)
{
	static const struct {
		uint16_t ethertype;
		const char *hex;
		int result;
	} cases[] = {
		{IPV4, V4("55", "001c", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV4, V4("44", "001c", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV4, V4("40", "001c", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV4, V4("45", "0013", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV4, V4("46", "0014", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV4, V4("45", "0000", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV4, V4("44", "0000", "0000", "06") TCP_SYN, PF_PACKET_E_MALFORMED},
		{IPV4, V4("45", "0003", "0000", "06") TCP_SYN, PF_PACKET_E_MALFORMED},
		{IPV4, V6("000c", "11") UDP, PF_PACKET_E_MALFORMED},
		{IPV6, V4("45", "0028", "0000", "06") TCP_SYN, PF_PACKET_E_MALFORMED},
		{IPV6,
		 "70000000"
		 "00081140" V6_ADDRESSES UDP,
		 PF_PACKET_E_MALFORMED},
		{ARP, V4("45", "001c", "0000", "11") UDP, PF_PACKET_E_MALFORMED},
		{ARP,
		 "0001"
		 "86dd"
		 "0604"
		 "0001" V6_ADDRESSES,
		 PF_PACKET_E_MALFORMED},
		{ARP,
		 "0001"
		 "0800"
		 "0804"
		 "0001" V6_ADDRESSES,
		 PF_PACKET_E_MALFORMED},
		{ARP,
		 "0001"
		 "0800"
		 "0610"
		 "0001" V6_ADDRESSES,
		 PF_PACKET_E_MALFORMED},
		{0,
		 "0001080006040001"
		 "020000000001c0000201"
		 "000000000000cb007109",
		 PF_PACKET_E_UNKNOWN},
		{0, "75", PF_PACKET_E_UNKNOWN},
		{0, "45", PF_PACKET_E_SHORT},
		{0, "60", PF_PACKET_E_SHORT},
		{0, "", PF_PACKET_E_SHORT},
		{IPV4, "", PF_PACKET_E_SHORT},
		{0x88cc, "", PF_PACKET_E_SHORT},
		{0x88cc, V4("45", "001c", "0000", "11") UDP, PF_PACKET_E_UNKNOWN},
		{0x8100, "00010800" V4("45", "001c", "0000", "11") UDP, PF_PACKET_E_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[256];
		size_t n = from_hex(cases[i].hex, bytes, sizeof(bytes));
		struct pf_packet packet = {.length = 7};
		print_message("# case %zu\n", i);
		assert_int_equal(parse(bytes, n, cases[i].ethertype, &packet), cases[i].result);
		assert_int_equal(packet.length, 7);
	}
}

/* Of a frame: what stands behind the Ethernet header and up to two tags. */
static void frames_parse(void **state)
{
	static const struct {
		const char *hex;
		int result;
	} cases[] = {
		{"020000000002"
		 "020000000001"
		 "0800" V4("45", "001c", "0000", "11") UDP,
		 0},
		{"020000000002"
		 "020000000001"
		 "8100"
		 "0007"
		 "0800" V4("45", "001c", "0000", "11") UDP,
		 0},
		{"020000000002"
		 "020000000001"
		 "88a8"
		 "0007"
		 "8100"
		 "0009"
		 "0800" V4("45", "001c", "0000", "11") UDP,
		 0},
		{"020000000002"
		 "020000000001"
		 "8100"
		 "0007"
		 "8100"
		 "0009"
		 "8100"
		 "0001"
		 "0800" V4("45", "001c", "0000", "11") UDP,
		 PF_PACKET_E_UNKNOWN},
		{"020000000002"
		 "020000000001"
		 "0000" V4("45", "001c", "0000", "11") UDP,
		 PF_PACKET_E_UNKNOWN},
		{"020000000002"
		 "020000000001"
		 "8100"
		 "0007",
		 PF_PACKET_E_SHORT},
		{"020000000002"
		 "020000000001"
		 "8100"
		 "00",
		 PF_PACKET_E_SHORT},
		{"020000000002"
		 "020000000001"
		 "08",
		 PF_PACKET_E_SHORT},
		{"020000000002"
		 "020000000001"
		 "0800"
		 "4500",
		 PF_PACKET_E_SHORT},
		{"", PF_PACKET_E_SHORT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[256];
		size_t n = from_hex(cases[i].hex, bytes, sizeof(bytes));
		struct pf_packet packet = {.length = 7};
		uint8_t *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, bytes, n);
		print_message("# case %zu\n", i);
		assert_int_equal(pf_packet_parse_frame(exact, n, &packet), cases[i].result);
		free(exact);
		assert_int_equal(packet.length, cases[i].result ? 7 : 28);
		if (!cases[i].result)
			assert_string_equal(words(&packet),
					    V4_WORDS "length 28 hops 64 protocol 17" UDP_WORDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_parse),
		cmocka_unit_test(packets_parse_at_every_length),
		cmocka_unit_test(truncated_packets_tell_what_is_there),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(frames_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
