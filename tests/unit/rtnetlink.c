/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Messages are built with libmnl, cut or bent, and parsed. */
#include "node/rtnetlink.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "test.h"

static char buffer[4096] __attribute__((aligned(4)));

static struct nlmsghdr *message_new(uint16_t type, const void *body, size_t size)
{
	memset(buffer, 0, sizeof(buffer));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(message, size), body, size);
	return message;
}

static struct nlmsghdr *link_new(int index, uint8_t family)
{
	struct ifinfomsg body = {
		.ifi_family = family,
		.ifi_index = index,
		.ifi_flags = IFF_UP,
	};
	return message_new(RTM_NEWLINK, &body, sizeof(body));
}

static void links_parse(void **state)
{
	struct nlmsghdr *message = link_new(7, AF_UNSPEC);
	struct node_link link;

	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
			 RTNETLINK_E_MALFORMED); /* no name */
	mnl_attr_put_strz(message, IFLA_IFNAME, "cali1");
	mnl_attr_put_u32(message, IFLA_MASTER, 3);
	mnl_attr_put_u32(message, IFLA_LINK, 2);
	mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 0);
	struct nlattr *nest = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	mnl_attr_put_strz(message, IFLA_INFO_SLAVE_KIND, "a name longer than its room");
	mnl_attr_nest_end(message, nest);
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link), 0);
	assert_int_equal(link.index, 7);
	assert_string_equal(link.name, "cali1");
	assert_string_equal(link.kind, "veth");
	assert_string_equal(link.port_kind, "a name longer t");
	assert_int_equal(link.master, 3);
	assert_int_equal(link.peer, 2);
	assert_int_equal(link.peer_nsid, 0);
	assert_true(link.is_up);
	assert_false(link.is_loopback);

	/* nlmsg_len promises more than there is. */
	for (uint32_t length = 0; length < message->nlmsg_len; length++)
		assert_int_equal(rtnetlink_link_parse(message, length, &link),
				 RTNETLINK_E_MALFORMED);
	nest->nla_len += 4;
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
			 RTNETLINK_E_MALFORMED);
}

static void programs_of_xdp_are_seen(void **state)
{
	static const uint8_t none, native = XDP_ATTACHED_DRV;
	struct node_link link;

	for (unsigned i = 0; i < 4; i++) {
		struct nlmsghdr *message = link_new(7, AF_UNSPEC);
		mnl_attr_put_strz(message, IFLA_IFNAME, "cali1");
		struct nlattr *nest = mnl_attr_nest_start(message, IFLA_XDP);
		if (i < 2)
			mnl_attr_put_u8(message, IFLA_XDP_ATTACHED, i ? native : none);
		else if (i == 2)
			mnl_attr_put(message, IFLA_XDP_ATTACHED, 0, NULL);
		mnl_attr_nest_end(message, nest);
		assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
				 i == 2 ? RTNETLINK_E_MALFORMED : 0);
		if (i != 2)
			assert_int_equal(link.program,
					 i == 1 ? LINK_PROGRAM_XDP : LINK_PROGRAM_NONE);
	}
}

static struct nlmsghdr *control_new(uint16_t type, int link, const char *kind)
{
	const struct tcmsg body = {.tcm_ifindex = link};
	struct nlmsghdr *message = message_new(type, &body, sizeof(body));

	if (kind)
		mnl_attr_put_strz(message, TCA_KIND, kind);
	return message;
}

static void traffic_control_parses(void **state)
{
	static const struct {
		uint16_t type;
		int link;
		const char *kind;
		int ingress, program;
	} cases[] = {
		{RTM_NEWQDISC, 9, "clsact", 0, RTNETLINK_E_OTHER},
		{RTM_NEWQDISC, 9, "ingress", 0, RTNETLINK_E_OTHER},
		{RTM_NEWQDISC, 9, "ingres", RTNETLINK_E_OTHER, RTNETLINK_E_OTHER},
		{RTM_NEWQDISC, 9, "fq_codel", RTNETLINK_E_OTHER, RTNETLINK_E_OTHER},
		{RTM_NEWQDISC, 9, NULL, RTNETLINK_E_MALFORMED, RTNETLINK_E_OTHER},
		{RTM_NEWQDISC, 0, "clsact", RTNETLINK_E_MALFORMED, RTNETLINK_E_OTHER},
		{RTM_NEWTFILTER, 9, "bpf", RTNETLINK_E_OTHER, 0},
		{RTM_NEWTFILTER, 9, "bpfx", RTNETLINK_E_OTHER, RTNETLINK_E_OTHER},
		{RTM_NEWTFILTER, 9, "u32", RTNETLINK_E_OTHER, RTNETLINK_E_OTHER},
		{RTM_NEWTFILTER, 9, NULL, RTNETLINK_E_OTHER, RTNETLINK_E_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = control_new(cases[i].type, cases[i].link, cases[i].kind);
		uint32_t link = 0;
		assert_int_equal(rtnetlink_ingress_parse(message, message->nlmsg_len, &link),
				 cases[i].ingress);
		assert_int_equal(link, cases[i].ingress ? 0 : 9);
		assert_int_equal(rtnetlink_program_parse(message, message->nlmsg_len),
				 cases[i].program);
		for (size_t n = 0; n < message->nlmsg_len; n++) { /* never beyond what is there */
			void *cut = malloc(n ? n : 1);
			memcpy(cut, message, n);
			assert_int_not_equal(rtnetlink_ingress_parse(cut, n, &link), 0);
			assert_int_not_equal(rtnetlink_program_parse(cut, n), 0);
			free(cut);
		}
	}
}

static void other_links_are_told(void **state)
{
	struct node_link link;
	struct nlmsghdr *message = link_new(7, AF_BRIDGE);

	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
			 RTNETLINK_E_OTHER);
	message = link_new(-1, AF_UNSPEC);
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
			 RTNETLINK_E_MALFORMED);
	message->nlmsg_type = RTM_DELLINK;
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
			 RTNETLINK_E_OTHER);
	message = link_new(9, AF_UNSPEC);
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link), 0);
	assert_int_equal(link.peer_nsid, -1);
	mnl_attr_put_u16(message, IFLA_LINK_NETNSID, 1);
	assert_int_equal(rtnetlink_link_parse(message, message->nlmsg_len, &link),
			 RTNETLINK_E_MALFORMED);
}

static void put_address(struct nlmsghdr *message, uint16_t type, const char *text)
{
	struct pf_address address;

	assert_int_equal(pf_address_parse(text, &address), 0);
	mnl_attr_put(message, type, pf_address_size(&address), address.bytes);
}

static void addresses_parse(void **state)
{
	static const struct {
		uint8_t family, length, scope;
		const char *address, *local;
		int result;
		const char *expected;
	} cases[] = {
		{AF_INET, 24, 0, "10.1.2.3", "10.1.2.3", 0, "10.1.2.3/24"},
		{AF_INET, 32, 0, "10.0.0.1", "10.1.2.3", 0, "10.1.2.3/32"}, /* peer */
		{AF_INET6, 64, 0, "fd00::9", NULL, 0, "fd00::9/64"},
		{AF_INET6, 64, RT_SCOPE_LINK, "fe80::1", NULL, 0, "fe80::1/64"},
		{AF_INET6, 128, 0, "fd00::1", "fd00::2", 0, "fd00::2/128"},
		{AF_INET, 8, 0, "127.0.0.1", "127.0.0.1", RTNETLINK_E_OTHER, NULL},
		{AF_INET, 8, 0, "127.9.9.9", NULL, RTNETLINK_E_OTHER, NULL},
		{AF_INET6, 128, 0, "::1", NULL, RTNETLINK_E_OTHER, NULL},
		{AF_MPLS, 8, 0, "10.1.2.3", NULL, RTNETLINK_E_OTHER, NULL},
		{AF_INET, 33, 0, "10.1.2.3", NULL, RTNETLINK_E_MALFORMED, NULL},
		{AF_INET6, 129, 0, "fd00::9", NULL, RTNETLINK_E_MALFORMED, NULL},
		{AF_INET, 24, 0, "fd00::9", NULL, RTNETLINK_E_MALFORMED, NULL},
		{AF_INET6, 64, 0, "10.1.2.3", NULL, RTNETLINK_E_MALFORMED, NULL},
		{AF_INET, 24, 0, NULL, NULL, RTNETLINK_E_MALFORMED, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ifaddrmsg body = {
			.ifa_family = cases[i].family,
			.ifa_prefixlen = cases[i].length,
			.ifa_scope = cases[i].scope,
			.ifa_index = 4,
		};
		struct nlmsghdr *message = message_new(RTM_NEWADDR, &body, sizeof(body));
		struct node_address address;
		char text[PF_PREFIX_TEXT];
		if (cases[i].address)
			put_address(message, IFA_ADDRESS, cases[i].address);
		if (cases[i].local)
			put_address(message, IFA_LOCAL, cases[i].local);
		assert_int_equal(rtnetlink_address_parse(message, message->nlmsg_len, &address),
				 cases[i].result);
		if (cases[i].result)
			continue;
		assert_string_equal(pf_prefix_format(&address.address, text), cases[i].expected);
		assert_int_equal(address.link, 4);
		assert_int_equal(address.is_link_scope, cases[i].scope == RT_SCOPE_LINK);
	}
}

static void routes_parse(void **state)
{
	static const struct {
		struct rtmsg header;
		const char *destination, *gateway;
		uint32_t link, table;
		int result;
		size_t n;
		const char *expected;
	} cases[] = {
		{{AF_INET, 0, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 NULL,
		 "10.0.0.1",
		 2,
		 0,
		 0,
		 1,
		 "0.0.0.0/0"},
		{{AF_INET6, 0, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 NULL,
		 NULL,
		 2,
		 0,
		 0,
		 1,
		 "::/0"},
		{{AF_INET, 24, .rtm_table = 252, .rtm_type = RTN_UNICAST},
		 "10.9.8.0",
		 NULL,
		 2,
		 10001,
		 0,
		 1,
		 "10.9.8.0/24"},
		{{AF_INET, 0, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 NULL,
		 NULL,
		 0,
		 0,
		 0,
		 0,
		 NULL}, /* by next hop object, not shown */
		{{AF_INET, 8, .rtm_table = 255, .rtm_type = RTN_UNICAST},
		 "10.0.0.0",
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_OTHER,
		 0,
		 NULL},
		{{AF_INET, 8, .rtm_table = 254, .rtm_type = RTN_BLACKHOLE},
		 "10.0.0.0",
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_OTHER,
		 0,
		 NULL},
		{{AF_INET6, 0, .rtm_table = 254, .rtm_type = RTN_UNICAST,
		  .rtm_flags = RTM_F_CLONED},
		 NULL,
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_OTHER,
		 0,
		 NULL},
		{{AF_MPLS, 0, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 NULL,
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_OTHER,
		 0,
		 NULL},
		{{AF_INET, 8, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 NULL,
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_MALFORMED,
		 0,
		 NULL},
		{{AF_INET, 8, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 "10.0.0.1",
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_MALFORMED,
		 0,
		 NULL},
		{{AF_INET, 33, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 "10.0.0.1",
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_MALFORMED,
		 0,
		 NULL},
		{{AF_INET, 8, .rtm_table = 254, .rtm_type = RTN_UNICAST},
		 "fd00::",
		 NULL,
		 2,
		 0,
		 RTNETLINK_E_MALFORMED,
		 0,
		 NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = message_new(RTM_NEWROUTE, &cases[i].header,
						       sizeof(cases[i].header));
		struct node_route route;
		size_t n = 99;
		char text[PF_PREFIX_TEXT];
		if (cases[i].destination)
			put_address(message, RTA_DST, cases[i].destination);
		if (cases[i].gateway)
			put_address(message, RTA_GATEWAY, cases[i].gateway);
		if (cases[i].link)
			mnl_attr_put_u32(message, RTA_OIF, cases[i].link);
		if (cases[i].table)
			mnl_attr_put_u32(message, RTA_TABLE, cases[i].table);
		assert_int_equal(rtnetlink_route_parse(message, message->nlmsg_len, &route, 1, &n),
				 cases[i].result);
		assert_int_equal(n, cases[i].result ? 99 : cases[i].n);
		if (cases[i].result || !n)
			continue;
		assert_string_equal(pf_prefix_format(&route.destination, text), cases[i].expected);
		assert_int_equal(route.link, cases[i].link);
		assert_int_equal(route.table, cases[i].table ? cases[i].table : 254);
		assert_int_equal(route.has_gateway, cases[i].gateway != NULL);
	}
}

static struct rtnexthop *put_hop(struct nlmsghdr *message, int link)
{
	struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(message);

	*hop = (struct rtnexthop){.rtnh_len = sizeof(*hop), .rtnh_ifindex = link};
	message->nlmsg_len += sizeof(*hop);
	return hop;
}

static void each_hop_is_a_route(void **state)
{
	struct rtmsg body = {.rtm_family = AF_INET, .rtm_table = 254, .rtm_type = RTN_UNICAST};
	struct nlmsghdr *message = message_new(RTM_NEWROUTE, &body, sizeof(body));
	struct node_route routes[3] = {};
	struct nlattr *nest = mnl_attr_nest_start(message, RTA_MULTIPATH);
	size_t n;

	struct rtnexthop *first = put_hop(message, 2);
	uint32_t before = message->nlmsg_len;
	put_address(message, RTA_GATEWAY, "10.0.0.1");
	first->rtnh_len += message->nlmsg_len - before;
	put_hop(message, 3);
	struct rtnexthop *last = put_hop(message, 4);
	mnl_attr_nest_end(message, nest);

	assert_int_equal(rtnetlink_route_parse(message, message->nlmsg_len, routes, 2, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(routes[0].link, 2);
	assert_true(routes[0].has_gateway);
	assert_int_equal(routes[1].link, 3);
	assert_false(routes[1].has_gateway);
	assert_int_equal(routes[2].link, 0); /* beyond what there is room for */

	static const uint16_t lengths[] = {0, 7, 12, 0xffff};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		last->rtnh_len = lengths[i];
		assert_int_equal(rtnetlink_route_parse(message, message->nlmsg_len, routes, 3, &n),
				 RTNETLINK_E_MALFORMED);
	}
}

static void nsids_parse(void **state)
{
	struct rtgenmsg body = {};
	struct nlmsghdr *message = message_new(RTM_NEWNSID, &body, sizeof(body));
	int32_t nsid = 77;

	assert_int_equal(rtnetlink_nsid_parse(message, message->nlmsg_len, &nsid), 0);
	assert_int_equal(nsid, -1);
	mnl_attr_put_u32(message, NETNSA_NSID, 5);
	assert_int_equal(rtnetlink_nsid_parse(message, message->nlmsg_len, &nsid), 0);
	assert_int_equal(nsid, 5);
	assert_int_equal(rtnetlink_nsid_parse(message, message->nlmsg_len - 1, &nsid),
			 RTNETLINK_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_of_xdp_are_seen),
		cmocka_unit_test(traffic_control_parses),
		cmocka_unit_test(links_parse),
		cmocka_unit_test(other_links_are_told),
		cmocka_unit_test(addresses_parse),
		cmocka_unit_test(routes_parse),
		cmocka_unit_test(each_hop_is_a_route),
		cmocka_unit_test(nsids_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
