/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Texts as the kernel writes them, and texts that it would not. */
#include "node/ipvs.h"

#include <stdio.h>

#include "test.h"

#define HEAD                                                                                       \
	"IP Virtual Server version 1.2.1 (size=4096)\n"                                            \
	"Prot LocalAddress:Port Scheduler Flags\n"                                                 \
	"  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
#define REST "      Masq    1      0          0         \n"

struct told {
	char text[512];
	size_t length;
	int stop;
};

static int tell(const struct ipvs_server *server, void *userdata)
{
	struct told *told = userdata;
	char from[PF_ADDRESS_TEXT] = "-", to[PF_ADDRESS_TEXT];

	if (server->service.family)
		pf_address_format(&server->service, from);
	told->length += (size_t)snprintf(told->text + told->length,
					 sizeof(told->text) - told->length, "%u %s %u > %s %u\n",
					 server->protocol, from, server->service_port,
					 pf_address_format(&server->address, to), server->port);
	return told->stop;
}

static int parse(const char *text, size_t length, struct told *told)
{
	char *exact = malloc(length ? length : 1);

	assert_non_null(exact);
	memcpy(exact, text, length);
	int r = ipvs_parse(exact, length, tell, told);
	free(exact);
	return r;
}

static void servers_are_told(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"", ""},
		{HEAD, ""},
		{HEAD "TCP  0A600001:01BB rr  \n", ""},
		{HEAD "TCP  0A600001:01BB rr  \n  -> CB007109:1F90" REST,
		 "6 10.96.0.1 443 > 203.0.113.9 8080\n"},
		{HEAD "UDP  0A60000A:0035 rr\n  -> 0AF40105:0035" REST "  -> 0AF40106:0036" REST
		      "SCTP 0A600001:0001 wlc persistent 360\n  -> 01020304:FFFF" REST,
		 "17 10.96.0.10 53 > 10.244.1.5 53\n17 10.96.0.10 53 > 10.244.1.6 54\n"
		 "132 10.96.0.1 1 > 1.2.3.4 65535\n"},
		{HEAD "TCP  [fd00:0096:0000:0000:0000:0000:0000:0001]:01BB rr \n"
		      "  -> [2001:0db8:0000:0000:0000:0000:0000:0009]:01BB" REST,
		 "6 fd00:96::1 443 > 2001:db8::9 443\n"},
		{HEAD "FWM  00000001 wlc\n  -> CB007109:0000" REST, "0 - 0 > 203.0.113.9 0\n"},
		/* the last line may be cut */
		{HEAD "TCP  0A600001:01BB rr\n  -> CB007109:01BB",
		 "6 10.96.0.1 443 > 203.0.113.9 443\n"},
		{HEAD "TCP  0A600001:01BB rr\n  -> CB007109:01B", ""},
		/* not the kernel's */
		{HEAD "TCP  0A600001:01BB rr\n  -> CB00710g:01BB" REST, ""},
		{HEAD "TCP  0A600001:01BB rr\n  -> [::1:01BB" REST, ""},
		{HEAD "TCP  0A600001:01BB rr\n  -> []:01BB" REST, ""},
		{HEAD "TCP  0A600001:01BB rr\n  -> CB007109:01BB0" REST, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct told told = {};
		assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &told), 0);
		assert_string_equal(told.text, cases[i].told);
	}
}

static void it_ends_when_told_to(void **state)
{
	static const char text[] = HEAD "UDP  0A60000A:0035 rr\n  -> 0AF40105:0035" REST
					"  -> 0AF40106:0036" REST;
	struct told told = {.stop = 7};

	assert_int_equal(parse(text, strlen(text), &told), 7);
	assert_string_equal(told.text, "17 10.96.0.10 53 > 10.244.1.5 53\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_told),
		cmocka_unit_test(it_ends_when_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
