/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <arpa/inet.h>
#include <string.h>

#include "base/destination.h"

#include "test.h"

static void good_ones_are_read(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint8_t protocol;
		uint16_t first, last;
	} cases[] = {
		{"203.0.113.9", "203.0.113.9/32", 0, 0, 0},
		{"203.0.113.0/24", "203.0.113.0/24", 0, 0, 0},
		{"0.0.0.0/0:443/tcp", "0.0.0.0/0:443/tcp", IPPROTO_TCP, 443, 443},
		{"203.0.113.9:53", "203.0.113.9/32:53", 0, 53, 53},
		{"203.0.113.0/24:1-65535/udp", "203.0.113.0/24:1-65535/udp", IPPROTO_UDP, 1, 65535},
		{"203.0.113.0/24:80-80/sctp", "203.0.113.0/24:80/sctp", IPPROTO_SCTP, 80, 80},
		{"2001:db8::443", "2001:db8::443/128", 0, 0, 0},
		{"::", "::/128", 0, 0, 0},
		{"2001:DB8::/32", "2001:db8::/32", 0, 0, 0},
		{"[2001:db8::/32]", "2001:db8::/32", 0, 0, 0},
		{"[2001:db8::1]:443", "[2001:db8::1/128]:443", 0, 443, 443},
		{"[2001:db8::/32]:8000-9000/tcp", "[2001:db8::/32]:8000-9000/tcp", IPPROTO_TCP,
		 8000, 9000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct destination destination, again;
		char text[DESTINATION_TEXT];
		assert_int_equal(destination_parse(cases[i].text, &destination), 0);
		assert_string_equal(destination_format(&destination, text), cases[i].canonical);
		assert_int_equal(destination.protocol, cases[i].protocol);
		assert_int_equal(destination.first, cases[i].first);
		assert_int_equal(destination.last, cases[i].last);
		assert_int_equal(destination_parse(text, &again), 0);
		assert_memory_equal(&destination, &again, sizeof(again));
	}
}

static void bad_ones_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum destination_error error;
	} cases[] = {
		{"", DESTINATION_E_NETWORK},
		{":53", DESTINATION_E_NETWORK},
		{"example.org", DESTINATION_E_NETWORK},
		{"203.0.113/24", DESTINATION_E_NETWORK},
		{"203.0.113.0/24/tcp", DESTINATION_E_NETWORK},
		{"2001:db8::/32:443", DESTINATION_E_NETWORK},
		{"fe80::1%eth0", DESTINATION_E_NETWORK},
		{" 203.0.113.9", DESTINATION_E_NETWORK},
		{"11111111111111111111111111111111111111111111111111111111", DESTINATION_E_NETWORK},
		{"203.0.113.1/24:53", DESTINATION_E_HOST_BITS},
		{"[2001:db8::1/64]", DESTINATION_E_HOST_BITS},
		{"203.0.113.0/33", DESTINATION_E_LENGTH},
		{"[::/129]:1", DESTINATION_E_LENGTH},
		{"[203.0.113.9]:53", DESTINATION_E_BRACKETS},
		{"[2001:db8::1", DESTINATION_E_BRACKETS},
		{"[2001:db8::1]53", DESTINATION_E_BRACKETS},
		{"[", DESTINATION_E_BRACKETS},
		{"[]", DESTINATION_E_NETWORK},
		{"203.0.113.9:", DESTINATION_E_PORT},
		{"203.0.113.9:0", DESTINATION_E_PORT},
		{"203.0.113.9:0-65535", DESTINATION_E_PORT},
		{"203.0.113.9:053", DESTINATION_E_PORT},
		{"203.0.113.9:65536", DESTINATION_E_PORT},
		{"203.0.113.9:4294967349", DESTINATION_E_PORT},
		{"203.0.113.9:+53", DESTINATION_E_PORT},
		{"203.0.113.9:http", DESTINATION_E_PORT},
		{"203.0.113.9:53-", DESTINATION_E_PORT},
		{"203.0.113.9:53 ", DESTINATION_E_PORT},
		{"203.0.113.9:53-54-55", DESTINATION_E_PORT},
		{"203.0.113.9:54-53", DESTINATION_E_RANGE},
		{"203.0.113.9:53/", DESTINATION_E_PROTOCOL},
		{"203.0.113.9:53/TCP", DESTINATION_E_PROTOCOL},
		{"203.0.113.9:53/tcp/udp", DESTINATION_E_PROTOCOL},
		{"203.0.113.9:53/icmp", DESTINATION_E_PROTOCOL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct destination destination = {.first = 7};
		int error = destination_parse(cases[i].text, &destination);
		if (error != (int)cases[i].error)
			fail_msg("%s: %d", cases[i].text, error);
		assert_int_equal(destination.first, 7);
		assert_true(strlen(destination_error(error)) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_read),
		cmocka_unit_test(bad_ones_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
