/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <string.h>

#include "node/bypass.h"

#include "test.h"

/* As ip_vs_info_seq_show() and ip_vs_dest lines are printed by Linux 6.1. */
static const char services[] = "IP Virtual Server version 1.2.1 (size=4096)\n"
			       "Prot LocalAddress:Port Scheduler Flags\n"
			       "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
			       "TCP  0A600001:01BB rr \n"
			       "  -> CB007109:01BB      Masq    1      0          0         \n"
			       "  -> 0AF40105:01BB      Masq    1      2          3         \n"
			       "UDP  [fd00:0096:0000:0000:0000:0000:0000:000a]:0035 rr \n"
			       "  -> [2001:0db8:0000:0000:0000:0000:0000:0009]:0035      Masq    1 "
			       "     0          0         \n"
			       "FWM  00000005 rr \n"
			       "  -> C6336407:0050      Route   1      0          0         \n";

static void services_lead_somewhere(void **state)
{
	static const struct {
		const char *name, *server;
	} expected[] = {
		{"TCP 10.96.0.1 port 443", "203.0.113.9"},
		{"TCP 10.96.0.1 port 443", "10.244.1.5"},
		{"UDP fd00:96::a port 53", "2001:db8::9"},
		{"FWM 00000005", "198.51.100.7"},
	};
	struct bypass_list list = {};

	assert_int_equal(bypass_parse_ipvs(services, &list), 0);
	assert_int_equal(list.n_items, 4);
	for (size_t i = 0; i < 4; i++) {
		char text[PF_ADDRESS_TEXT];
		assert_int_equal(list.items[i].kind, BYPASS_IPVS);
		assert_string_equal(list.items[i].name, expected[i].name);
		assert_string_equal(pf_address_format(&list.items[i].server, text),
				    expected[i].server);
	}
	bypass_list_done(&list);
}

static void what_is_no_server_is_passed_over(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"  -> ",
		"  -> CB0071:01BB Masq\n",
		"  -> CB007109 Masq\n",
		"  -> CB007109:1FFFF Masq\n",
		"  -> [2001:db8::9:01BB Masq\n",
		"  -> [nonsense]:01BB Masq\n",
		"  -> [0000000000000000000000000000000000000000000000000000000000000000000]:1 M\n",
		"TCP",
		"TCP \n",
	};
	struct bypass_list list = {};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(bypass_parse_ipvs(texts[i], &list), 0);
		assert_int_equal(list.n_items, 0);
	}
	bypass_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_lead_somewhere),
		cmocka_unit_test(what_is_no_server_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
