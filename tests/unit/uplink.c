/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "node/uplink.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "test.h"

enum { LO = 1, ETH0, ETH1, BOND, VLAN, BRIDGE, VETH, VXLAN, WIREGUARD, TUN, PPP };

static struct node_link links[] = {
	{.index = LO, .name = "lo", .is_loopback = true},
	{.index = ETH0, .name = "eth0"},
	{.index = ETH1, .name = "eth1"},
	{.index = BOND, .name = "bond0", .kind = "bond"},
	{.index = VLAN, .name = "eth0.7", .kind = "vlan"},
	{.index = BRIDGE, .name = "cni0", .kind = "bridge"},
	{.index = VETH, .name = "cali1", .kind = "veth"},
	{.index = VXLAN, .name = "flannel.1", .kind = "vxlan"},
	{.index = WIREGUARD, .name = "wg0", .kind = "wireguard"},
	{.index = TUN, .name = "tun0", .kind = "tun"},
	{.index = PPP, .name = "ppp0", .kind = "ppp"},
};

struct route {
	const char *destination;
	uint32_t link;
	bool has_gateway;
	uint32_t table; /* 0: main */
};

static void uplinks_are_derived(void **state)
{
	static const struct {
		const char *what;
		struct route routes[6];
		uint32_t uplinks[4];
	} cases[] = {
		{"nothing", {}, {}},
		{"one card", {{"0.0.0.0/0", ETH0, true}, {"192.0.2.0/24", ETH0}}, {ETH0}},
		{"IPv6 only", {{"::/0", ETH1, true}}, {ETH1}},
		{"default without gateway", {{"0.0.0.0/0", PPP}}, {PPP}},
		{"default by bridge", {{"0.0.0.0/0", BRIDGE, true}}, {BRIDGE}},
		{"both hops of a multipath default, sorted, once",
		 {{"0.0.0.0/0", ETH1, true}, {"0.0.0.0/0", ETH0, true}, {"::/0", ETH1, true}},
		 {ETH0, ETH1}},
		{"default in another table", {{"0.0.0.0/0", ETH1, true, 10001}}, {ETH1}},
		{"inter-node routes",
		 {{"0.0.0.0/0", ETH0, true},
		  {"10.244.1.0/24", ETH1, true},
		  {"10.244.2.0/24", BOND, true},
		  {"fd00:2::/64", VLAN, true}},
		 {ETH0, ETH1, BOND, VLAN}},
		{"a network without gateway is no inter-node route", {{"10.9.0.0/16", ETH1}}, {}},
		{"pods behind a gateway",
		 {{"10.244.1.9/32", VETH, true}, {"10.244.1.0/24", BRIDGE, true}},
		 {}},
		{"tunnels never",
		 {{"0.0.0.0/0", WIREGUARD, true},
		  {"::/0", TUN},
		  {"0.0.0.0/0", VXLAN, true},
		  {"10.244.1.0/24", VXLAN, true}},
		 {}},
		{"loopback never", {{"0.0.0.0/0", LO}}, {}},
		{"a device that is gone", {{"0.0.0.0/0", 99, true}}, {}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node_route routes[6] = {};
		struct node_view view = {
			.links = links,
			.n_links = sizeof(links) / sizeof(links[0]),
			.routes = routes,
		};
		uint32_t found[4] = {}, one[2] = {0, 77};
		size_t n = 0;
		for (; view.n_routes < 6 && cases[i].routes[view.n_routes].destination;
		     view.n_routes++) {
			const struct route *route = &cases[i].routes[view.n_routes];
			struct node_route *to = &routes[view.n_routes];
			assert_int_equal(pf_prefix_parse(route->destination, &to->destination), 0);
			to->link = route->link;
			to->has_gateway = route->has_gateway;
			to->table = route->table ? route->table : 254;
		}
		while (n < 4 && cases[i].uplinks[n])
			n++;
		print_message("# %s\n", cases[i].what);
		assert_int_equal(uplinks_derive(&view, NULL, 0), n);
		assert_int_equal(uplinks_derive(&view, found, 4), n);
		assert_memory_equal(found, cases[i].uplinks, sizeof(found));
		assert_int_equal(uplinks_derive(&view, one, 1), n);
		assert_int_equal(one[0], found[0]);
		assert_int_equal(one[1], 77);
	}
}

static void tunnels_are_known(void **state)
{
	static const struct {
		const char *kind;
		bool is_tunnel;
	} cases[] = {
		{"vxlan", true},     {"geneve", true}, {"ipip", true},	    {"ip6tnl", true},
		{"sit", true},	     {"gre", true},    {"gretap", true},    {"ip6gre", true},
		{"ip6gretap", true}, {"erspan", true}, {"ip6erspan", true}, {"wireguard", true},
		{"vti", true},	     {"vti6", true},   {"xfrm", true},	    {"tun", true},
		{"", false},	     {"veth", false},  {"bond", false},	    {"vlan", false},
		{"bridge", false},   {"dummy", false}, {"tunx", false},	    {"vxla", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node_link link = {};
		snprintf(link.kind, sizeof(link.kind), "%s", cases[i].kind);
		assert_int_equal(link_is_tunnel(&link), cases[i].is_tunnel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uplinks_are_derived),
		cmocka_unit_test(tunnels_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
