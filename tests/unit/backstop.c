/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * At which devices frames that were never routed can be told from those that were, by what the links look
 * like. */
#include "inventory/backstop.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define ETHER .peer_nsid = -1, .is_ethernet = true

struct scenery {
	const char *name;
	struct node_link links[6];
	size_t n_links;
	uint32_t uplink;
	const char *expected; /* "INDEX[: REASON]; ..." */
};

static const struct scenery sceneries[] = {
	{"a card", {{.index = 2, .name = "eth0", ETHER}}, 1, 2, "2; "},
	{"a card with pods beside it",
	 {{.index = 2, .name = "eth0", ETHER},
	  {.index = 3,
	   .name = "veth1",
	   .kind = "veth",
	   .peer = 2,
	   .peer_nsid = 1,
	   .is_ethernet = true},
	  {.index = 4, .name = "m0", .kind = "macvlan", .peer = 2, ETHER}},
	 3,
	 2,
	 "2; "},
	{"a tunnel of IP",
	 {{.index = 2, .name = "wwan0", .peer_nsid = -1}},
	 1,
	 2,
	 "2: it is no Ethernet device; "},
	{"a VLAN on a card",
	 {{.index = 2, .name = "eth0", ETHER},
	  {.index = 5, .name = "eth0.7", .kind = "vlan", .peer = 2, ETHER}},
	 2,
	 5,
	 "2; 5; "},
	{"a VLAN on a bond",
	 {{.index = 2, .name = "eth0", .master = 4, .port_kind = "bond", ETHER},
	  {.index = 3, .name = "eth1", .master = 4, .port_kind = "bond", ETHER},
	  {.index = 4, .name = "bond0", .kind = "bond", ETHER},
	  {.index = 5, .name = "bond0.7", .kind = "vlan", .peer = 4, ETHER}},
	 4,
	 5,
	 "2: it is a port of bond0: what that sends has no route any more; "
	 "3: it is a port of bond0: what that sends has no route any more; 4; 5; "},
	{"a bridge with a card and a pod",
	 {{.index = 2, .name = "eth0", .master = 4, .port_kind = "bridge", ETHER},
	  {.index = 3,
	   .name = "veth1",
	   .kind = "veth",
	   .master = 4,
	   .port_kind = "bridge",
	   .peer = 2,
	   .peer_nsid = 1,
	   .is_ethernet = true},
	  {.index = 4, .name = "br0", .kind = "bridge", ETHER}},
	 3,
	 4,
	 "2: it is a port of br0: what that sends has no route any more; 4; "},
	{"a card in a VRF",
	 {{.index = 2, .name = "eth0", .master = 3, .port_kind = "vrf", ETHER},
	  {.index = 3, .name = "blue", .kind = "vrf", ETHER}},
	 2,
	 2,
	 "2; "},
	{"a virtual machine on the card",
	 {{.index = 2, .name = "eth0", ETHER},
	  {.index = 3, .name = "macvtap0", .kind = "macvtap", .peer = 2, ETHER}},
	 2,
	 2,
	 "2: macvtap0 stands on it: its frames are not the node's own; "},
	{"virtual machines in a VLAN of the card",
	 {{.index = 2, .name = "eth0", ETHER},
	  {.index = 3,
	   .name = "eth0.9",
	   .kind = "vlan",
	   .peer = 2,
	   .master = 4,
	   .port_kind = "bridge",
	   ETHER},
	  {.index = 4, .name = "br9", .kind = "bridge", ETHER}},
	 3,
	 2,
	 "2: eth0.9 stands on it: its frames are not the node's own; "},
	{"an uplink that is gone", {{.index = 2, .name = "eth0", ETHER}}, 1, 9, ""},
};

static char *describe(const struct scenery *scenery, const struct detours *detours)
{
	struct node_view view = {.links = (struct node_link *)scenery->links,
				 .n_links = scenery->n_links};
	uint32_t uplink = scenery->uplink;
	struct attachment attachment = {.link = 4, .port = 3};
	struct endpoint pod = {.attachments = &attachment, .n_attachments = 1};
	struct snapshot snapshot = {.view = &view,
				    .uplinks = &uplink,
				    .n_uplinks = 1,
				    .endpoints = &pod,
				    .n_endpoints = strstr(scenery->name, "a pod") ? 1 : 0};
	size_t length;
	char *text;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	assert_int_equal(backstops_find(&snapshot, detours), 0);
	for (size_t i = 0; i < snapshot.n_backstops; i++) {
		const char *reason = snapshot.backstops[i].reason;
		fprintf(stream, "%u%s%s; ", snapshot.backstops[i].link, reason ? ": " : "",
			reason ? reason : "");
	}
	fclose(stream);
	backstops_free(&snapshot);
	return text;
}

static void devices_are_judged_by_what_comes_through_them(void **state)
{
	for (size_t i = 0; i < sizeof(sceneries) / sizeof(sceneries[0]); i++) {
		char *text = describe(&sceneries[i], NULL);
		if (strcmp(text, sceneries[i].expected) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", sceneries[i].name, text,
				 sceneries[i].expected);
		free(text);
	}
}

static void a_flowtable_sends_without_a_route(void **state)
{
	struct pf_flow_device device = {"eth0", "inet x f"};
	const struct detours detours = {.devices = &device, .n_devices = 1};
	char *text = describe(&sceneries[0], &detours);

	assert_string_equal(text, "2: flowtable inet x f sends by it without a route; ");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_judged_by_what_comes_through_them),
		cmocka_unit_test(a_flowtable_sends_without_a_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
