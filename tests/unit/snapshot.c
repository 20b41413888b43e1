/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One node with a pod of each sort; each test takes the pods it wants. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "inventory/detours.h"
#include "inventory/snapshot.h"

#include "handmade.h"
#include "test.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define HOST_NETNS 0

static const struct node_link links[] = {
	{.index = 1, .name = "lo", .peer_nsid = -1, .is_loopback = true},
	{.index = 2, .name = "eth0", .peer_nsid = -1},
	{.index = 3, .name = "eth1", .peer_nsid = -1},
	{.index = 4, .name = "vlan4", .kind = "vlan", .peer = 2, .peer_nsid = -1},
	{.index = 10, .name = "cali1", .kind = "veth", .peer = 3, .peer_nsid = 1},
	{.index = 11, .name = "cali2", .kind = "veth", .peer = 3, .peer_nsid = 2},
	{.index = 12, .name = "cali3", .kind = "veth", .peer = 3, .peer_nsid = 3},
	{.index = 13, .name = "nk4", .kind = "netkit", .peer = 2, .peer_nsid = 4},
	{.index = 14, .name = "cali4b", .kind = "veth", .peer = 3, .peer_nsid = 4},
	{.index = 20, .name = "br0", .kind = "bridge", .peer_nsid = -1},
	{.index = 21,
	 .kind = "veth",
	 .port_kind = "bridge",
	 .master = 20,
	 .peer = 2,
	 .peer_nsid = 5},
	{.index = 22,
	 .kind = "veth",
	 .port_kind = "bridge",
	 .master = 20,
	 .peer = 2,
	 .peer_nsid = 6},
	{.index = 23,
	 .kind = "veth",
	 .port_kind = "bridge",
	 .master = 20,
	 .peer = 2,
	 .peer_nsid = 7},
	{.index = 30, .kind = "veth", .port_kind = "vrf", .master = 2, .peer = 2, .peer_nsid = 8},
	{.index = 31, .kind = "veth", .port_kind = "openvswitch", .peer = 2, .peer_nsid = 9},
	{.index = 32, .kind = "veth", .peer = 2, .peer_nsid = 10},
	{.index = 33, .kind = "veth", .peer = 2, .peer_nsid = 11},
};

static struct node_address addresses_1[2], addresses_2[2], addresses_3[1], addresses_4[2];
static struct node_address addresses_5[1], addresses_6[1], addresses_7[1], addresses_8[1];
static struct node_address addresses_10[1], addresses_11[2], addresses_12[1], addresses_13[1];

static const struct {
	struct node_address *place;
	const char *text;
	uint32_t link;
	bool is_link_scope;
} address_texts[] = {
	{&addresses_1[0], "10.0.0.5", 3},     {&addresses_1[1], "fe80::5", 3, true},
	{&addresses_2[0], "10.0.0.6", 3},     {&addresses_2[1], "2001:db8::6", 3},
	{&addresses_3[0], "10.0.0.5", 3},     {&addresses_4[0], "10.0.0.8", 2},
	{&addresses_4[1], "10.0.1.8", 3},     {&addresses_5[0], "10.1.0.2", 2},
	{&addresses_6[0], "10.1.0.3", 2},     {&addresses_7[0], "10.1.0.2", 2},
	{&addresses_8[0], "10.2.0.2", 2},     {&addresses_10[0], "fe80::1", 2, true},
	{&addresses_11[0], "10.0.0.11", 2},   {&addresses_11[1], "192.0.2.7", 9},
	{&addresses_12[0], "203.0.113.5", 2}, {&addresses_13[0], "10.0.0.13", 2},
};

static struct node_netns netnses[] = {
	[HOST_NETNS] = {.inode = 100, .nsid = 0, .is_host = true},
	{.inode = 101, .nsid = 1, .addresses = addresses_1, .n_addresses = 2},
	{.inode = 102, .nsid = 2, .addresses = addresses_2, .n_addresses = 2},
	{.inode = 103, .nsid = 3, .addresses = addresses_3, .n_addresses = 1},
	{.inode = 104, .nsid = 4, .addresses = addresses_4, .n_addresses = 2},
	{.inode = 105, .nsid = 5, .addresses = addresses_5, .n_addresses = 1},
	{.inode = 106, .nsid = 6, .addresses = addresses_6, .n_addresses = 1},
	{.inode = 107, .nsid = 7, .addresses = addresses_7, .n_addresses = 1},
	{.inode = 108, .nsid = 8, .addresses = addresses_8, .n_addresses = 1},
	{.inode = 109, .nsid = 9},
	{.inode = 110, .nsid = 10, .addresses = addresses_10, .n_addresses = 1},
	{.inode = 111, .nsid = 11, .addresses = addresses_11, .n_addresses = 2},
	{.inode = 112, .nsid = 12, .addresses = addresses_12, .n_addresses = 1},
	{.inode = 113, .nsid = -1, .addresses = addresses_13, .n_addresses = 1},
};

#define SANDBOX(uid_, id, netns_)                                                                  \
	{                                                                                          \
		.uid = uid_, .path = (char *)("kubepods/pod" uid_),                                \
		.cgroup = 0x700000000ull + (id), .level = 2, .netns = netns_                       \
	}

static struct node_sandbox sandboxes[] = {
	SANDBOX("bridged", 5, 5),
	SANDBOX("bridged-same", 7, 7),
	SANDBOX("bridged-two", 6, 6),
	SANDBOX("dual", 2, 2),
	{.uid = "error", .path = (char *)"", .state = SANDBOX_ERROR, .error = -EACCES},
	{.uid = "gone", .path = (char *)"", .state = SANDBOX_GONE},
	SANDBOX("host", 0x50, HOST_NETNS),
	SANDBOX("host-two", 0x51, HOST_NETNS),
	SANDBOX("link-local", 10, 10),
	SANDBOX("macvlan", 12, 12),
	SANDBOX("nameless", 13, 13),
	{.uid = "old-and-new", .path = (char *)"old", .cgroup = 40, .state = SANDBOX_NO_PROCESS},
	{.uid = "old-and-new", .path = (char *)"new", .cgroup = 41, .level = 3, .netns = 2},
	SANDBOX("ovs", 9, 9),
	SANDBOX("routed", 1, 1),
	SANDBOX("routed-same", 3, 3),
	{.uid = "starting", .path = (char *)"", .state = SANDBOX_NO_PROCESS},
	SANDBOX("stray", 11, 11),
	{.uid = "two-roots", .path = (char *)"a/pod", .cgroup = 60, .netns = 1},
	{.uid = "two-roots", .path = (char *)"b/pod", .cgroup = 61, .netns = 1},
	SANDBOX("two-links", 4, 4),
	SANDBOX("vrf", 8, 8),
};

/* sandboxes[] as the view promises them: sorted by uid. */
static int sandbox_compare(const void *a_pointer, const void *b_pointer)
{
	const struct node_sandbox *a = a_pointer, *b = b_pointer;
	int r = strcmp(a->uid, b->uid);

	return r ? r : (a->cgroup > b->cgroup) - (a->cgroup < b->cgroup);
}

static struct node_view *view_make(void)
{
	struct node_view model = {
		.links = (struct node_link *)links,
		.n_links = N(links),
		.netnses = netnses,
		.n_netnses = N(netnses),
		.sandboxes = sandboxes,
		.n_sandboxes = N(sandboxes),
	};

	for (size_t i = 0; i < N(address_texts); i++) {
		struct pf_address address = handmade_address(address_texts[i].text);
		*address_texts[i].place = (struct node_address){
			.address = {address, address.family == AF_INET ? 32 : 128},
			.link = address_texts[i].link,
			.is_link_scope = address_texts[i].is_link_scope,
		};
	}
	qsort(sandboxes, N(sandboxes), sizeof(sandboxes[0]), sandbox_compare);
	return handmade_view(&model);
}

/* A snapshot of the pods with these uids, each called ns/UID. A name that begins with "host" is a
 * host pod. */
static struct snapshot *snapshot_make(const char *const *uids, size_t n, bool is_audit)
{
	struct pod *pods[8];
	const char *uplink = "eth0";
	struct snapshot_options options = {&uplink, 1, is_audit};
	struct snapshot *snapshot;

	for (size_t i = 0; i < n; i++)
		pods[i] = handmade_pod("ns", uids[i], uids[i], strncmp(uids[i], "host", 4) == 0);
	assert_int_equal(snapshot_new(&options, handmade_pod_list(pods, n), view_make(), &snapshot),
			 0);
	assert_int_equal(snapshot->n_endpoints, n);
	return snapshot;
}

static const char *attachments_text(const struct endpoint *endpoint)
{
	static char text[256];
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < endpoint->n_attachments; i++) {
		const struct attachment *a = &endpoint->attachments[i];
		char address[PF_ADDRESS_TEXT];
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%u/%u %s",
					   i ? ", " : "", a->link, a->port,
					   pf_address_format(&a->address, address));
	}
	return text;
}

static const char no_link[] = "no host-side link (macvlan, ipvlan, SR-IOV or not a veth)";

static void pods_are_resolved(void **state)
{
	static const struct {
		const char *uid, *attachments;
		enum coverage coverage;
		const char *reason;
		uint32_t index;
	} cases[] = {
		{"routed", "10/0 10.0.0.5", COVERAGE_ENFORCED, "", 1},
		{"dual", "11/0 10.0.0.6, 11/0 2001:db8::6", COVERAGE_ENFORCED, "", 2},
		{"two-links", "13/0 10.0.0.8, 14/0 10.0.1.8", COVERAGE_ENFORCED, "", 4},
		{"bridged", "20/21 10.1.0.2", COVERAGE_ENFORCED, "", 5},
		{"old-and-new", "11/0 10.0.0.6, 11/0 2001:db8::6", COVERAGE_ENFORCED, "", 41},
		{"vrf", "", COVERAGE_UNCOVERED, "link is enslaved to vrf"},
		{"ovs", "", COVERAGE_UNCOVERED, "link is enslaved to openvswitch"},
		{"macvlan", "", COVERAGE_UNCOVERED, no_link},
		{"nameless", "", COVERAGE_UNCOVERED, no_link},
		{"stray", "33/0 10.0.0.11", COVERAGE_UNCOVERED,
		 "192.0.2.7 is on a device without a host-side link (macvlan, ipvlan, SR-IOV, or "
		 "made inside the pod)",
		 11},
		{"link-local", "", COVERAGE_PENDING, "no address yet"},
		{"absent", "", COVERAGE_PENDING, "no cgroup of this pod on the node"},
		{"starting", "", COVERAGE_PENDING, "no process in its cgroup yet"},
		{"gone", "", COVERAGE_PENDING, "its cgroup went away while it was read"},
		{"error", "", COVERAGE_PENDING,
		 "its cgroup or process cannot be read: Permission denied"},
		{"two-roots", "", COVERAGE_PENDING,
		 "has processes in two cgroups: a/pod and b/pod"},
		{"host", "", COVERAGE_ENFORCED, "", 0x50},
		{"host-absent", "", COVERAGE_PENDING, "no cgroup of this pod on the node"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct snapshot *snapshot = snapshot_make(&cases[i].uid, 1, false);
		const struct endpoint *endpoint = &snapshot->endpoints[0];
		bool is_known = cases[i].index != 0;

		assert_string_equal(endpoint->reason, cases[i].reason);
		assert_int_equal(endpoint->coverage, cases[i].coverage);
		assert_string_equal(attachments_text(endpoint), cases[i].attachments);
		assert_int_equal(endpoint->index, cases[i].index);
		assert_int_equal(endpoint->sandbox != NULL, is_known);
		assert_int_equal(endpoint->cgroup != 0, is_known);
		assert_int_equal(endpoint->level != 0, is_known);
		snapshot_free(snapshot);

		if (cases[i].coverage == COVERAGE_ENFORCED) {
			snapshot = snapshot_make(&cases[i].uid, 1, true);
			assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_AUDIT);
			snapshot_free(snapshot);
		}
	}
}

#define PROGRAM(kind) "a BPF program (" kind ") on the-link may send its packets on past the rules"

/* What else is on the link with this index, and how the pod is covered then. */
static void ways_around_the_hooks_uncover(void **state)
{
	static struct pf_flow_device devices[] = {{"eth0", "inet other ft"},
						  {"the-link", "ip f t"}};
	static const struct {
		const char *uid;
		uint32_t link;
		enum link_program program;
		size_t n_devices;
		const char *ipvs, *reason;
	} cases[] = {
		{"routed", 10, LINK_PROGRAM_NONE, 0, NULL, ""},
		{"routed", 10, LINK_PROGRAM_XDP, 0, NULL, PROGRAM("XDP")},
		{"routed", 10, LINK_PROGRAM_TC, 0, NULL, PROGRAM("tc")},
		{"routed", 10, LINK_PROGRAM_TCX, 0, NULL, PROGRAM("tcx")},
		{"two-links", 13, LINK_PROGRAM_NETKIT, 0, NULL, PROGRAM("netkit")},
		{"two-links", 14, LINK_PROGRAM_TC, 0, NULL, PROGRAM("tc")},
		{"routed", 11, LINK_PROGRAM_TC, 0, NULL, ""},
		{"bridged", 21, LINK_PROGRAM_TC, 0, NULL, PROGRAM("tc")},
		{"bridged", 20, LINK_PROGRAM_TC, 0, NULL, PROGRAM("tc")},
		{"bridged", 22, LINK_PROGRAM_TC, 0, NULL, ""},
		{"routed", 10, LINK_PROGRAM_NONE, 1, NULL, ""},
		{"routed", 10, LINK_PROGRAM_NONE, 2, NULL,
		 "flowtable ip f t takes its established flows by the-link past the rules"},
		{"host", 10, LINK_PROGRAM_TC, 2, NULL, ""},
		{"host", 10, LINK_PROGRAM_NONE, 0, "a service", "a service"},
		{"routed", 10, LINK_PROGRAM_NONE, 0, "a service", "a service"},
		{"starting", 10, LINK_PROGRAM_NONE, 0, "a service", "no process in its cgroup yet"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		const struct detours detours = {devices, cases[i].n_devices,
						(char *)(uintptr_t)cases[i].ipvs};
		struct snapshot_options options = {.detours = &detours};
		struct pod *pod = handmade_pod("ns", cases[i].uid, cases[i].uid,
					       !strcmp(cases[i].uid, "host"));
		struct node_view *view = view_make();
		struct snapshot *snapshot;
		for (size_t k = 0; k < view->n_links; k++)
			if (view->links[k].index == cases[i].link) {
				strcpy(view->links[k].name, "the-link");
				view->links[k].program = cases[i].program;
			}
		assert_int_equal(
			snapshot_new(&options, handmade_pod_list(&pod, 1), view, &snapshot), 0);
		const struct endpoint *endpoint = &snapshot->endpoints[0];
		assert_string_equal(endpoint->reason, cases[i].reason);
		bool is_found = strcmp(cases[i].uid, "starting") != 0;
		assert_int_equal(endpoint->coverage, !is_found		  ? COVERAGE_PENDING
						     : cases[i].reason[0] ? COVERAGE_UNCOVERED
									  : COVERAGE_ENFORCED);
		/* What is judged of it stays judged. */
		assert_int_equal(snapshot->n_by_index, is_found);
		snapshot_free(snapshot);
	}
}

/* Who has a socket open that was made elsewhere, and until it is closed. */
static void sockets_made_elsewhere_uncover(void **state)
{
	struct pod *pods[] = {handmade_pod("ns", "host", "host", true)};
	struct snapshot_options options = {};
	struct snapshot *snapshot;

	assert_int_equal(snapshot_new(&options, handmade_pod_list(pods, 1), view_make(), &snapshot),
			 0);
	uint64_t cgroup = snapshot->endpoints[0].cgroup;
	assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_ENFORCED);
	snapshot_free(snapshot);
	struct detour_socket sockets[] = {{cgroup + 1, 7, "/other"}, {cgroup, 8, "/sshd.service"}};
	struct detours detours = {.sockets = sockets};
	static const char made[] = "process 8 has a socket open that was made in /sshd.service, "
				   "outside of what is judged";
	const char *const reasons[] = {"", "", made};
	for (size_t n = 0; n <= 2; n++) {
		struct pod *pod = handmade_pod("ns", "host", "host", true);
		detours.n_sockets = n;
		options.detours = &detours;
		assert_int_equal(
			snapshot_new(&options, handmade_pod_list(&pod, 1), view_make(), &snapshot),
			0);
		assert_string_equal(snapshot->endpoints[0].reason, reasons[n]);
		assert_int_equal(snapshot->endpoints[0].coverage,
				 n == 2 ? COVERAGE_UNCOVERED : COVERAGE_ENFORCED);
		snapshot_free(snapshot);
	}
	struct detours other = detours;
	assert_true(detours_is_equal(&detours, &other));
	other.n_sockets = 1;
	assert_false(detours_is_equal(&detours, &other));
}

#define PORT(name_, kind_, nsid)                                                                   \
	{                                                                                          \
		.index = 40, .name = name_, .kind = kind_, .port_kind = "bridge", .master = 20,    \
		.peer_nsid = nsid                                                                  \
	}
#define WAY_OUT(name) "its bridge has port " name " too, by which frames leave without being routed"

/* One more device beside br0 and its three pods. */
static void a_bridge_that_leads_out_covers_nobody(void **state)
{
	static const char itself[] = "its bridge is an uplink itself, by which frames leave "
				     "without being routed";
	static const struct {
		struct node_link link;
		const char *uplink, *reason;
	} cases[] = {
		{PORT("veth9", "veth", 12), "eth0", ""},
		{PORT("veth9", "veth", 99), "eth0", ""}, /* of a pod we do not know yet */
		{{.index = 40, .name = "eth9", .peer_nsid = -1}, "eth0", ""},
		{{.index = 40, .name = "eth9", .master = 50, .peer_nsid = -1}, "eth0", ""},
		{PORT("eth9", "", -1), "eth0", WAY_OUT("eth9")},
		{PORT("bond0", "bond", -1), "eth0", WAY_OUT("bond0")},
		{PORT("tap0", "tun", -1), "eth0", WAY_OUT("tap0")},
		{PORT("vxlan0", "vxlan", -1), "eth0", WAY_OUT("vxlan0")},
		{PORT("veth-here", "veth", -1), "eth0", WAY_OUT("veth-here")},
		{PORT("veth-out", "veth", 99), "br0", itself},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct pod *pod = handmade_pod("ns", "bridged", "bridged", false);
		struct snapshot_options options = {&cases[i].uplink, 1, false};
		struct node_view *view = view_make();
		struct snapshot *snapshot;

		view->links[view->n_links++] = cases[i].link; /* there is room for one more */
		assert_int_equal(
			snapshot_new(&options, handmade_pod_list(&pod, 1), view, &snapshot), 0);
		const struct endpoint *endpoint = &snapshot->endpoints[0];
		assert_string_equal(endpoint->reason, cases[i].reason);
		assert_int_equal(endpoint->coverage,
				 cases[i].reason[0] ? COVERAGE_UNCOVERED : COVERAGE_ENFORCED);
		/* What is routed is judged all the same. */
		assert_string_equal(attachments_text(endpoint), "20/21 10.1.0.2");
		snapshot_free(snapshot);
	}
}

/* What the API says about the host's network must be what the processes do. */
static void host_network_is_checked(void **state)
{
	static const struct {
		const char *uid;
		bool is_host_network;
		const char *reason;
	} cases[] = {
		{"host", false,
		 "its processes are in the node's network namespace, API says it has its own"},
		{"routed", true,
		 "API says hostNetwork, its processes are in another network namespace"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		struct pod *pod = handmade_pod("ns", "x", cases[i].uid, cases[i].is_host_network);
		struct snapshot_options options = {};
		struct snapshot *snapshot;

		assert_int_equal(
			snapshot_new(&options, handmade_pod_list(&pod, 1), view_make(), &snapshot),
			0);
		assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_UNCOVERED);
		assert_string_equal(snapshot->endpoints[0].reason, cases[i].reason);
		assert_int_equal(snapshot->endpoints[0].n_attachments, 0);
		assert_int_equal(snapshot->n_by_index, 0);
		snapshot_free(snapshot);
	}
}

/* A static pod is found by its config hash. */
static void the_cgroup_uid_decides(void **state)
{
	struct pod *pod = handmade_pod("ns", "x", "other-uid", false);
	struct snapshot_options options = {};
	struct snapshot *snapshot;

	free(pod->cgroup_uid);
	pod->cgroup_uid = strdup("routed");
	assert_int_equal(snapshot_new(&options, handmade_pod_list(&pod, 1), view_make(), &snapshot),
			 0);
	assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_ENFORCED);
	snapshot_free(snapshot);
}

static void one_identity_for_two_is_nobodys(void **state)
{
	static const char *const uids[] = {"bridged", "bridged-same", "bridged-two"};
	struct snapshot *snapshot = snapshot_make(uids, 3, false);
	struct pf_address address = handmade_address("10.1.0.2");

	assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_PENDING);
	assert_string_equal(snapshot->endpoints[0].reason,
			    "claims 10.1.0.2 that ns/bridged-same has too");
	assert_int_equal(snapshot->endpoints[1].coverage, COVERAGE_PENDING);
	assert_string_equal(snapshot->endpoints[1].reason,
			    "claims 10.1.0.2 that ns/bridged has too");
	assert_int_equal(snapshot->endpoints[0].n_attachments, 0);
	assert_int_equal(snapshot->endpoints[0].cgroup, 0);
	assert_int_equal(snapshot->endpoints[2].coverage, COVERAGE_ENFORCED);
	assert_null(snapshot_find_link(snapshot, 20, &address));
	assert_null(snapshot_find_link(snapshot, 21, &address));
	snapshot_free(snapshot);
}

/* The same address on a link of its own is another identity. */
static void one_address_on_two_links_is_two(void **state)
{
	static const char *const uids[] = {"routed", "routed-same"};
	struct snapshot *snapshot = snapshot_make(uids, 2, false);
	struct pf_address address = handmade_address("10.0.0.5");

	assert_int_equal(snapshot->endpoints[0].coverage, COVERAGE_ENFORCED);
	assert_int_equal(snapshot->endpoints[1].coverage, COVERAGE_ENFORCED);
	assert_ptr_equal(snapshot_find_link(snapshot, 10, &address), &snapshot->endpoints[0]);
	assert_ptr_equal(snapshot_find_link(snapshot, 12, &address), &snapshot->endpoints[1]);
	snapshot_free(snapshot);
}

static void one_cgroup_for_two_is_nobodys(void **state)
{
	struct pod *pods[3] = {handmade_pod("ns", "a", "host", true),
			       handmade_pod("ns", "b", "host", true),
			       handmade_pod("ns", "c", "host-two", true)};
	struct snapshot_options options = {};
	struct snapshot *snapshot;

	assert_int_equal(snapshot_new(&options, handmade_pod_list(pods, 3), view_make(), &snapshot),
			 0);
	assert_string_equal(snapshot->endpoints[0].reason, "its cgroup is the one of ns/b too");
	assert_string_equal(snapshot->endpoints[1].reason, "its cgroup is the one of ns/a too");
	assert_int_equal(snapshot->endpoints[1].coverage, COVERAGE_PENDING);
	assert_int_equal(snapshot->endpoints[2].coverage, COVERAGE_ENFORCED);
	assert_null(snapshot_find_index(snapshot, 0x50));
	assert_ptr_equal(snapshot_find_index(snapshot, 0x51), &snapshot->endpoints[2]);
	snapshot_free(snapshot);
}

/* It would stand among what is not covered on every node for ever. */
static void the_own_pod_is_no_endpoint(void **state)
{
	struct pod *pods[3] = {handmade_pod("ns", "a", "host", true),
			       handmade_pod("ns", "b", "host-two", true),
			       handmade_pod("ns", "c", "routed", false)};
	struct snapshot_options options = {};
	struct node_view *view = view_make();
	struct snapshot *snapshot;

	view->own_cgroup = strdup("kubepods/podhost-two/container");
	assert_int_equal(snapshot_new(&options, handmade_pod_list(pods, 3), view, &snapshot), 0);
	assert_int_equal(snapshot->n_endpoints, 2);
	assert_string_equal(snapshot->endpoints[0].pod->name, "a");
	assert_string_equal(snapshot->endpoints[1].pod->name, "c");
	assert_null(snapshot_find_index(snapshot, 0x51));
	assert_ptr_equal(snapshot_find_index(snapshot, 0x50), &snapshot->endpoints[0]);
	snapshot_free(snapshot);
}

static void tables_find_who_is_there(void **state)
{
	static const char *const uids[] = {"bridged", "bridged-two", "dual",
					   "host",    "host-two",    "routed"};
	enum { BRIDGED, BRIDGED_TWO, DUAL, HOST, HOST_TWO, ROUTED, NOBODY };
	static const struct {
		uint32_t link;
		const char *address;
		int endpoint;
	} by_link[] = {
		{10, "10.0.0.5", ROUTED},      {11, "10.0.0.6", DUAL},
		{11, "2001:db8::6", DUAL},     {20, "10.1.0.2", BRIDGED},
		{21, "10.1.0.2", BRIDGED},     {20, "10.1.0.3", BRIDGED_TWO},
		{22, "10.1.0.3", BRIDGED_TWO}, {21, "10.1.0.3", NOBODY},
		{22, "10.1.0.2", NOBODY},      {10, "10.0.0.6", NOBODY},
		{11, "10.0.0.5", NOBODY},      {10, "fe80::5", NOBODY},
		{2, "10.0.0.5", NOBODY},       {0, "10.0.0.5", NOBODY},
		{99, "10.0.0.5", NOBODY},
	};
	static const struct {
		uint32_t key;
		int endpoint;
	} by_index[] = {{0x50, HOST}, {0x51, HOST_TWO}, {0, NOBODY}, {1, ROUTED}, {0x52, NOBODY}},
	  by_sole[] = {{10, ROUTED},	  {11, DUAL},	{21, BRIDGED},
		       {22, BRIDGED_TWO}, {20, NOBODY}, {2, NOBODY}};
	struct snapshot *snapshot = snapshot_make(uids, 6, false);

	for (size_t i = 0; i < N(by_link); i++) {
		struct pf_address address = handmade_address(by_link[i].address);
		assert_ptr_equal(snapshot_find_link(snapshot, by_link[i].link, &address),
				 by_link[i].endpoint == NOBODY
					 ? NULL
					 : &snapshot->endpoints[by_link[i].endpoint]);
	}
	for (size_t i = 0; i < N(by_index); i++)
		assert_ptr_equal(snapshot_find_index(snapshot, by_index[i].key),
				 by_index[i].endpoint == NOBODY
					 ? NULL
					 : &snapshot->endpoints[by_index[i].endpoint]);
	for (size_t i = 0; i < N(by_sole); i++)
		assert_ptr_equal(snapshot_find_sole(snapshot, by_sole[i].key),
				 by_sole[i].endpoint == NOBODY
					 ? NULL
					 : &snapshot->endpoints[by_sole[i].endpoint]);
	assert_true(snapshot_has_link(snapshot, 20));
	assert_false(snapshot_has_link(snapshot, 2));
	snapshot_free(snapshot);
}

/* A bridge with one registered pod still has ports of others. */
static void a_bridge_alone_names_nobody(void **state)
{
	static const char *const uid = "bridged";
	struct snapshot *snapshot = snapshot_make(&uid, 1, false);

	assert_null(snapshot_find_sole(snapshot, 20));
	assert_ptr_equal(snapshot_find_sole(snapshot, 21), &snapshot->endpoints[0]);
	snapshot_free(snapshot);
}

static void uplinks_are_configured(void **state)
{
	static const char *const names[] = {"eth1", "nosuch0", "eth0"};
	struct snapshot_options options = {names, 3, false};
	struct snapshot *snapshot;

	assert_int_equal(snapshot_new(&options, handmade_pod_list(NULL, 0), view_make(), &snapshot),
			 0);
	assert_int_equal(snapshot->n_uplinks, 2);
	assert_int_equal(snapshot->uplinks[0], 2);
	assert_int_equal(snapshot->uplinks[1], 3);
	assert_int_equal(snapshot->n_endpoints, 0);
	assert_null(snapshot_find_index(snapshot, 1));
	snapshot_free(snapshot);
}

static void uplinks_are_derived(void **state)
{
	struct node_view *view = view_make();
	struct snapshot_options options = {};
	struct snapshot *snapshot;

	view->routes[0] = (struct node_route){.destination = {.address = {.family = AF_INET}},
					      .link = 3,
					      .table = 254,
					      .has_gateway = true};
	view->n_routes = 1; /* handmade_view() leaves room for one more */
	assert_int_equal(snapshot_new(&options, handmade_pod_list(NULL, 0), view, &snapshot), 0);
	assert_int_equal(snapshot->n_uplinks, 1);
	assert_int_equal(snapshot->uplinks[0], 3);
	snapshot_free(snapshot);
	assert_null(snapshot_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_are_resolved),
		cmocka_unit_test(ways_around_the_hooks_uncover),
		cmocka_unit_test(sockets_made_elsewhere_uncover),
		cmocka_unit_test(a_bridge_that_leads_out_covers_nobody),
		cmocka_unit_test(host_network_is_checked),
		cmocka_unit_test(the_cgroup_uid_decides),
		cmocka_unit_test(one_identity_for_two_is_nobodys),
		cmocka_unit_test(one_address_on_two_links_is_two),
		cmocka_unit_test(one_cgroup_for_two_is_nobodys),
		cmocka_unit_test(the_own_pod_is_no_endpoint),
		cmocka_unit_test(tables_find_who_is_there),
		cmocka_unit_test(a_bridge_alone_names_nobody),
		cmocka_unit_test(uplinks_are_configured),
		cmocka_unit_test(uplinks_are_derived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
