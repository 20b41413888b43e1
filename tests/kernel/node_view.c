/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A node of our own making against what a view shows of it: real cgroups, real processes, real
 * network namespaces. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "node/cgroup_tree.h"
#include "node/view.h"

#include "cgroup.h"
#include "namespace.h"
#include "test.h"

#define HEX  "0123456789abcdef0123456789abcdef"
#define ID_1 "1" HEX "0123456789abcdef0123456789abcde"
#define ID_2 "2" HEX "0123456789abcdef0123456789abcde"
#define ID_3 "3" HEX "0123456789abcdef0123456789abcde"

#define ROUTED	"00000000-0000-4000-8000-000000000001"
#define BRIDGED "00000000-0000-4000-8000-000000000002"
#define HOST	"00000000-0000-4000-8000-000000000003"
#define EMPTY	"00000000-0000-4000-8000-000000000004"
#define STATIC	HEX
#define ADDED	"00000000-0000-4000-8000-000000000006"

#define BURSTABLE   "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
#define ROUTED_POD  BURSTABLE "00000000_0000_4000_8000_000000000001.slice"
#define BRIDGED_POD "kubepods.slice/kubepods-pod00000000_0000_4000_8000_000000000002.slice"
#define HOST_POD    BURSTABLE "00000000_0000_4000_8000_000000000003.slice"
#define EMPTY_POD   BURSTABLE "00000000_0000_4000_8000_000000000004.slice"
#define STATIC_POD  "kubepods/besteffort/pod" HEX
#define ADDED_POD   BURSTABLE "00000000_0000_4000_8000_000000000006.slice"

static struct cgroup_tree tree;
static struct node *node;

/* Looking */

static struct node_view *look(void)
{
	struct node_view *view = NULL;

	assert_int_equal(node_view_read(node, &view), 0);
	return view;
}

/* Waits until the node says that something changed; bounded, so that a miss fails. */
static void expect_change(const char *what)
{
	struct pollfd poll_fd = {.fd = node_fd(node), .events = POLLIN};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 10000 && poll(&poll_fd, 1, 30000) == 1; i++)
		r = node_changed(node);
	if (r != 1)
		print_error("not noticed: %s\n", what);
	assert_int_equal(r, 1);
}

/* Until no change is announced any more after a view was read; the last one. */
static struct node_view *look_until_quiet(void)
{
	for (unsigned i = 0; i < 100; i++) {
		struct node_view *view = look();
		if (node_changed(node) == 0)
			return view;
		node_view_free(view);
		usleep(1000);
	}
	fail_msg("never quiet");
	return NULL;
}

static const struct node_sandbox *find_sandbox(const struct node_view *view, const char *uid)
{
	for (size_t i = 0; i < view->n_sandboxes; i++)
		if (strcmp(view->sandboxes[i].uid, uid) == 0)
			return &view->sandboxes[i];
	return NULL;
}

static const struct node_sandbox *sandbox(const struct node_view *view, const char *uid,
					  const char *path, enum sandbox_state state)
{
	const struct node_sandbox *found = find_sandbox(view, uid);

	assert_non_null(found);
	assert_string_equal(found->path, cgroup_below(path));
	assert_true(found->cgroup == cgroup_inode(path));
	assert_int_equal(found->state, state);
	unsigned level = 2;
	for (const char *at = path; *at; at++)
		level += *at == '/';
	assert_int_equal(found->level, level);
	return found;
}

static void assert_container(const struct node_sandbox *found, size_t i, const char *path,
			     const char *id, const char *runtime)
{
	assert_true(i < found->n_containers);
	assert_string_equal(found->containers[i].id, id);
	assert_string_equal(found->containers[i].runtime, runtime);
	assert_true(found->containers[i].cgroup == cgroup_inode(path));
}

static const struct node_link *find_link(const struct node_view *view, const char *name)
{
	for (size_t i = 0; i < view->n_links; i++)
		if (strcmp(view->links[i].name, name) == 0)
			return &view->links[i];
	fail_msg("no link %s", name);
	return NULL;
}

static bool has_address(const struct node_netns *netns, uint32_t link, const char *expected)
{
	for (size_t i = 0; i < netns->n_addresses; i++) {
		char text[PF_PREFIX_TEXT];
		if (netns->addresses[i].link == link &&
		    strcmp(pf_prefix_format(&netns->addresses[i].address, text), expected) == 0)
			return true;
	}
	return false;
}

static size_t n_global(const struct node_netns *netns)
{
	size_t n = 0;

	for (size_t i = 0; i < netns->n_addresses; i++)
		n += !netns->addresses[i].is_link_scope;
	return n;
}

/* The node */

static void make_network(void)
{
	assert_true(namespace_run(
		"set -e; quiet=net.ipv6.conf.default.addr_gen_mode=1; sysctl -qw $quiet;"
		"for n in pod-a pod-b elsewhere; do ip netns add $n;"
		" ip netns exec $n sysctl -qw $quiet; done;"
		"ip link add cali-a type veth peer name eth0 netns pod-a;"
		"ip link set cali-a up; ip -n pod-a link set lo up; ip -n pod-a link set eth0 up;"
		"ip -n pod-a addr add 10.244.1.9/32 dev eth0;"
		"ip -n pod-a addr add fd00:1::9/128 dev eth0 nodad;"
		"ip link add br0 type bridge; ip link set br0 up;"
		"ip link add veth-b type veth peer name eth0 netns pod-b;"
		"ip link set veth-b master br0; ip link set veth-b up;"
		"ip -n pod-b link set eth0 up; ip -n pod-b addr add 10.245.1.9/24 dev eth0;"
		"ip -n pod-b addr add 10.245.1.10/24 dev eth0;"
		"ip link add eth9 type veth peer name wire9;"
		"ip link set wire9 up; ip link set eth9 up;"
		"ip addr add 192.0.2.1/24 dev eth9;"
		"ip route add default table 1000 nexthop via 192.0.2.2 dev eth9"
		" nexthop via 192.0.2.3 dev eth9;"
		"ip route add 10.244.1.9/32 dev cali-a; ip route add blackhole 198.51.100.0/24;"
		/* their state follows a moment after the carrier's */
		"for i in $(seq 200); do [ $(ip -br link | grep -cw UP) -ge 5 ] && exit 0;"
		" sleep 0.05; done; ip link; exit 1"));
}

static int open_node(struct node **ret_node)
{
	const char *const roots[] = {cgroup_below("kubepods.slice"), cgroup_below("kubepods"),
				     cgroup_below("later/kubepods")};
	const struct node_options options = {
		.pod_roots = roots,
		.n_pod_roots = 3,
	};

	return node_open(&options, ret_node);
}

static int set_up(void **state)
{
	static const char *const made[] = {
		ROUTED_POD "/cri-containerd-" ID_1 ".scope",
		ROUTED_POD "/cri-containerd-" ID_2 ".scope",
		BRIDGED_POD "/crio-conmon-" ID_1 ".scope",
		BRIDGED_POD "/crio-" ID_1 ".scope/container",
		HOST_POD "/cri-containerd-" ID_3 ".scope",
		EMPTY_POD,
		STATIC_POD "/" ID_1,
		"kubepods.slice/other.slice",
	};

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		cgroup_make(made[i]);
	make_network();
	sleeper_start("pod-a", made[0]);
	sleeper_start("elsewhere", made[0]); /* its namespace is not the pod's */
	sleeper_start("elsewhere", made[1]);
	sleeper_start(NULL, made[2]);
	sleeper_start("pod-b", made[3]);
	sleeper_start(NULL, made[4]);
	sleeper_start("pod-b", made[6]);
	return open_node(&node);
}

static int tear_down(void **state)
{
	node = node_free(node);
	return 0;
}

static void links_and_routes_are_shown(void **state)
{
	struct node_view *view = look_until_quiet();
	const struct node_link *routed = find_link(view, "cali-a");
	const struct node_link *port = find_link(view, "veth-b"), *eth9 = find_link(view, "eth9");
	size_t n_defaults = 0, n_host_routes = 0;

	assert_string_equal(routed->kind, "veth");
	assert_string_equal(routed->port_kind, "");
	assert_int_equal(routed->master, 0);
	assert_true(routed->peer && routed->peer_nsid >= 0 && routed->is_up);
	assert_string_equal(port->port_kind, "bridge");
	assert_int_equal(port->master, find_link(view, "br0")->index);
	assert_true(port->peer_nsid >= 0 && port->peer_nsid != routed->peer_nsid);
	assert_true(find_link(view, "lo")->is_loopback);
	assert_int_equal(eth9->peer_nsid, -1);
	assert_int_equal(eth9->peer, find_link(view, "wire9")->index);
	for (size_t i = 0; i < view->n_links; i++)
		assert_ptr_equal(node_view_link(view, view->links[i].index), &view->links[i]);
	assert_null(node_view_link(view, 99999));
	for (size_t i = 0; i < view->n_routes; i++) {
		const struct node_route *route = &view->routes[i];
		char text[PF_PREFIX_TEXT];
		pf_prefix_format(&route->destination, text);
		assert_int_not_equal(route->table, 255);
		assert_string_not_equal(text, "198.51.100.0/24");
		if (strcmp(text, "0.0.0.0/0") == 0 && route->table == 1000 && route->has_gateway &&
		    route->link == eth9->index)
			n_defaults++;
		if (strcmp(text, "10.244.1.9/32") == 0 && !route->has_gateway &&
		    route->link == routed->index && route->table == 254)
			n_host_routes++;
	}
	assert_int_equal(n_defaults, 2);
	assert_int_equal(n_host_routes, 1);
	node_view_free(view);
}

static void pods_lead_to_links_and_addresses(void **state)
{
	struct node_view *view = look_until_quiet();
	const struct node_sandbox *routed = sandbox(view, ROUTED, ROUTED_POD, SANDBOX_OK);
	const struct node_sandbox *bridged = sandbox(view, BRIDGED, BRIDGED_POD, SANDBOX_OK);
	const struct node_sandbox *host = sandbox(view, HOST, HOST_POD, SANDBOX_OK);
	const struct node_sandbox *hashed = sandbox(view, STATIC, STATIC_POD, SANDBOX_OK);
	const struct node_link *link = find_link(view, "cali-a"), *port = find_link(view, "veth-b");
	const struct node_netns *netns = &view->netnses[routed->netns];

	sandbox(view, EMPTY, EMPTY_POD, SANDBOX_NO_PROCESS);
	assert_int_equal(view->n_sandboxes, 5);
	assert_int_equal(view->n_netnses, 3); /* the node's, pod-a's, pod-b's; no other */
	for (size_t i = 1; i < view->n_sandboxes; i++)
		assert_true(strcmp(view->sandboxes[i - 1].uid, view->sandboxes[i].uid) < 0);
	assert_false(netns->is_host);
	assert_int_equal(netns->nsid, link->peer_nsid);
	assert_int_equal(n_global(netns), 2);
	assert_true(has_address(netns, link->peer, "10.244.1.9/32"));
	assert_true(has_address(netns, link->peer, "fd00:1::9/128"));
	netns = &view->netnses[bridged->netns];
	assert_int_equal(netns->nsid, port->peer_nsid);
	assert_int_equal(n_global(netns), 2);
	assert_true(has_address(netns, port->peer, "10.245.1.9/24"));
	assert_true(has_address(netns, port->peer, "10.245.1.10/24"));
	assert_true(view->netnses[host->netns].is_host);
	assert_true(has_address(&view->netnses[host->netns], find_link(view, "eth9")->index,
				"192.0.2.1/24"));
	assert_int_equal(hashed->netns, bridged->netns);

	assert_int_equal(routed->n_containers, 2);
	assert_container(routed, 0, ROUTED_POD "/cri-containerd-" ID_1 ".scope", ID_1,
			 "containerd");
	assert_container(routed, 1, ROUTED_POD "/cri-containerd-" ID_2 ".scope", ID_2,
			 "containerd");
	assert_int_equal(bridged->n_containers, 1); /* the monitor is none */
	assert_container(bridged, 0, BRIDGED_POD "/crio-" ID_1 ".scope", ID_1, "cri-o");
	assert_int_equal(hashed->n_containers, 1);
	assert_container(hashed, 0, STATIC_POD "/" ID_1, ID_1, "");
	node_view_free(view);
}

static void pod_roots_come_and_go(void **state)
{
	struct node_view *view = look_until_quiet();

	assert_int_equal(view->n_pod_roots, 2);
	assert_string_equal(view->pod_roots[0].path, cgroup_below("kubepods.slice"));
	assert_true(view->pod_roots[0].cgroup == cgroup_inode("kubepods.slice"));
	assert_int_equal(view->pod_roots[0].level, 2);
	node_view_free(view);

	cgroup_make("later");
	expect_change("parent of a pod root");
	node_view_free(look_until_quiet());
	cgroup_make("later/kubepods");
	expect_change("pod root");
	view = look_until_quiet();
	assert_int_equal(view->n_pod_roots, 3);
	assert_int_equal(view->pod_roots[2].level, 3);
	assert_true(view->pod_roots[2].cgroup == cgroup_inode("later/kubepods"));
	node_view_free(view);
	cgroup_make("later/kubepods/burstable");
	expect_change("QoS directory");
	node_view_free(look_until_quiet());
	cgroup_make("later/kubepods/burstable/pod" ADDED);
	expect_change("pod in a new QoS directory");
	view = look_until_quiet();
	sandbox(view, ADDED, "later/kubepods/burstable/pod" ADDED, SANDBOX_NO_PROCESS);
	node_view_free(view);
	cgroup_remove("later");
	expect_change("pod root removed");
	view = look_until_quiet();
	assert_int_equal(view->n_pod_roots, 2);
	node_view_free(view);
}

/* Links settle by themselves now and then, so one quiet try of many will do. */
static void links_inside_a_pod_wake_nobody(void **state)
{
	bool was_quiet = false;

	assert_true(namespace_run("ip -n pod-a link add inner type bridge"));
	for (unsigned i = 0; i < 20 && !was_quiet; i++) {
		node_view_free(look_until_quiet());
		assert_true(namespace_run("ip -n pod-a link set inner mtu %u", 1300 + i));
		was_quiet = node_changed(node) == 0;
	}
	assert_true(was_quiet);
}

static void link_changes_are_noticed(void **state)
{
	node_view_free(look_until_quiet());
	assert_true(namespace_run("ip link add br7 type bridge"));
	expect_change("link");
	struct node_view *view = look_until_quiet();
	find_link(view, "br7");
	node_view_free(view);
	assert_true(namespace_run("ip route add 203.0.113.0/24 via 192.0.2.2"));
	expect_change("route");
	node_view_free(look_until_quiet());
	assert_true(namespace_run("ip -n pod-a addr add 10.244.1.77/32 dev eth0"));
	expect_change("address in a pod");
	view = look_until_quiet();
	const struct node_sandbox *routed = find_sandbox(view, ROUTED);
	assert_true(has_address(&view->netnses[routed->netns], find_link(view, "cali-a")->peer,
				"10.244.1.77/32"));
	node_view_free(view);
}

static enum link_program program_of(const char *link)
{
	struct node_view *view = look_until_quiet();
	enum link_program program = find_link(view, link)->program;

	assert_false(view->is_tcx_hidden);
	node_view_free(view);
	return program;
}

static void programs_of_tc_are_noticed(void **state)
{
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_NONE);
	if (!namespace_run("tc qdisc add dev cali-a clsact")) {
		print_message("# not in this kernel: clsact\n");
		return;
	}
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_NONE);
	/* what goes to the pod is of no interest */
	assert_true(namespace_run("tc filter add dev cali-a egress bpf da bytecode '1,6 0 0 0,'"));
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_NONE);
	assert_true(namespace_run("tc filter add dev cali-a ingress bpf da bytecode '1,6 0 0 0,'"));
	expect_change("filter");
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_TC);
	assert_int_equal(program_of("veth-b"), LINK_PROGRAM_NONE);
	assert_true(namespace_run("tc filter del dev cali-a ingress"));
	expect_change("no filter");
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_NONE);
	assert_true(namespace_run("tc qdisc del dev cali-a clsact; tc qdisc add dev cali-a ingress;"
				  "tc filter add dev cali-a parent ffff: bpf da bytecode "
				  "'1,6 0 0 0,'"));
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_TC);
	assert_true(namespace_run("tc qdisc del dev cali-a ingress"));
	assert_int_equal(program_of("cali-a"), LINK_PROGRAM_NONE);
}

/* A program that lets everything pass; -1: the kernel loads none. */
static int load_program(uint32_t type, uint64_t pass)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = (int32_t)pass},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attributes = {};

	attributes.prog_type = type;
	attributes.insns = (uintptr_t)code;
	attributes.insn_cnt = 2;
	attributes.license = (uintptr_t) "GPL";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

/* The program is on the link while the descriptor is open; negative errno. */
static int link_program(int program, uint32_t link, uint32_t attach_type)
{
	union bpf_attr attributes = {};

	attributes.link_create.prog_fd = (uint32_t)program;
	attributes.link_create.target_ifindex = link;
	attributes.link_create.attach_type = attach_type;
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : fd;
}

static void programs_by_bpf_are_seen(void **state)
{
	static const struct {
		uint32_t type, attach_type;
		uint64_t pass;
		enum link_program expected;
	} cases[] = {
		{BPF_PROG_TYPE_XDP, BPF_XDP, XDP_PASS, LINK_PROGRAM_XDP},
		{BPF_PROG_TYPE_SCHED_CLS, 46 /* BPF_TCX_INGRESS, 6.6 */, (uint64_t)-1,
		 LINK_PROGRAM_TCX},
	};
	struct node_view *view = look_until_quiet();
	uint32_t index = find_link(view, "cali-a")->index;

	node_view_free(view);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int program = load_program(cases[i].type, cases[i].pass);
		int fd = program < 0 ? program : link_program(program, index, cases[i].attach_type);
		if (fd < 0) {
			print_message("# not in this kernel: %s\n",
				      i ? "tcx" : "XDP programs on veth");
			continue;
		}
		node_forget(node); /* nobody tells of tcx */
		assert_int_equal(program_of("cali-a"), cases[i].expected);
		assert_int_equal(program_of("veth-b"), LINK_PROGRAM_NONE);
		close(fd);
		close(program);
		node_forget(node);
		assert_int_equal(program_of("cali-a"), LINK_PROGRAM_NONE);
	}
}

static void one_pod_comes_and_goes(void)
{
	static const char container[] = ADDED_POD "/cri-containerd-" ID_1 ".scope";
	static const char monitor[] = ADDED_POD "/crio-conmon-" ID_1 ".scope";

	node_view_free(look_until_quiet());
	cgroup_make(ADDED_POD);
	expect_change("pod directory");
	struct node_view *view = look_until_quiet();
	sandbox(view, ADDED, ADDED_POD, SANDBOX_NO_PROCESS);
	node_view_free(view);

	cgroup_make(monitor);
	cgroup_make(container);
	expect_change("container directory");
	view = look_until_quiet();
	assert_int_equal(find_sandbox(view, ADDED)->n_containers, 1);
	node_view_free(view);

	/* With the monitor in, the pod counts as populated; the first process must be heard of. */
	sleeper_start(NULL, monitor);
	expect_change("monitor");
	view = look_until_quiet();
	sandbox(view, ADDED, ADDED_POD, SANDBOX_NO_PROCESS);
	node_view_free(view);
	struct sleeper sleeper = sleeper_start("pod-b", container);
	expect_change("first process");
	view = look_until_quiet();
	assert_int_equal(sandbox(view, ADDED, ADDED_POD, SANDBOX_OK)->pid, sleeper.pid);
	node_view_free(view);

	sleeper_stop(&sleeper);
	enum sandbox_state state_now;
	do { /* the kernel holds one word on a cgroup back for 10 ms after another */
		expect_change("last process");
		view = look_until_quiet();
		state_now = find_sandbox(view, ADDED)->state;
		node_view_free(view);
	} while (state_now != SANDBOX_NO_PROCESS);
	cgroup_remove(ADDED_POD);
	expect_change("pod removed");
	view = look_until_quiet();
	assert_null(find_sandbox(view, ADDED));
	node_view_free(view);
}

/* Links settle by themselves now and then, which may look like the change a test waits for; but not
 * each time. */
static void pods_come_and_go(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		one_pod_comes_and_goes();
}

/* As runtimes start a container: into the cgroup first, into the pod's namespace a moment later. */
static void one_late_change(void)
{
	node_view_free(look_until_quiet());
	cgroup_make(ADDED_POD);
	struct sleeper sleeper = sleeper_start(NULL, ADDED_POD);
	expect_change("pod directory");
	struct node_view *view = look_until_quiet();
	const struct node_sandbox *found = sandbox(view, ADDED, ADDED_POD, SANDBOX_OK);
	assert_true(view->netnses[found->netns].is_host);
	node_view_free(view);
	assert_int_equal(write(sleeper.control, "x", 1), 1);
	for (;;) { /* a late word on the cgroup can come first */
		expect_change("process left our namespace");
		view = look_until_quiet();
		found = sandbox(view, ADDED, ADDED_POD, SANDBOX_OK);
		if (!view->netnses[found->netns].is_host)
			break;
		node_view_free(view);
	}
	assert_int_equal(view->netnses[found->netns].nsid, -1); /* no link leads there */
	node_view_free(view);
	sleeper_stop(&sleeper);
	cgroup_remove(ADDED_POD);
}

static void late_changes_of_namespace_are_noticed(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		one_late_change();
}

static unsigned count_watches(void)
{
	DIR *directory = opendir("/proc/self/fdinfo");
	const struct dirent *entry;
	unsigned n = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		char line[256];
		int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
		FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
		while (file && fgets(line, sizeof(line), file))
			n += strncmp(line, "inotify wd:", 11) == 0;
		if (file)
			fclose(file);
	}
	closedir(directory);
	return n;
}

static void watches_end_with_their_pods(void **state)
{
	node_view_free(look_until_quiet());
	unsigned before = count_watches();

	assert_true(before > 10);
	for (unsigned i = 0; i < 20; i++) {
		cgroup_make(ADDED_POD);
		node_view_free(look());
		assert_int_equal(count_watches(), before + 2);
		cgroup_remove(ADDED_POD);
		node_view_free(look());
	}
	assert_int_equal(count_watches(), before);
}

/* Remembering */

static void assert_same_netns(const struct node_netns *a, const struct node_netns *b)
{
	assert_true(a->inode == b->inode);
	assert_int_equal(a->nsid, b->nsid);
	assert_int_equal(a->is_host, b->is_host);
	assert_int_equal(a->n_addresses, b->n_addresses);
	for (size_t i = 0; i < a->n_addresses; i++) {
		assert_int_equal(a->addresses[i].link, b->addresses[i].link);
		assert_memory_equal(&a->addresses[i].address, &b->addresses[i].address,
				    sizeof(struct pf_prefix));
	}
}

static void assert_same_sandbox(const struct node_view *a, const struct node_view *b, size_t i)
{
	const struct node_sandbox *x = &a->sandboxes[i], *y = &b->sandboxes[i];

	assert_string_equal(x->uid, y->uid);
	assert_string_equal(x->path, y->path);
	assert_true(x->cgroup == y->cgroup);
	assert_int_equal(x->state, y->state);
	assert_int_equal(x->pid, y->pid);
	assert_int_equal(x->n_containers, y->n_containers);
	for (size_t k = 0; k < x->n_containers; k++)
		assert_string_equal(x->containers[k].id, y->containers[k].id);
	if (x->state == SANDBOX_OK)
		assert_same_netns(&a->netnses[x->netns], &b->netnses[y->netns]);
}

static void assert_same_view(const struct node_view *a, const struct node_view *b)
{
	assert_int_equal(a->n_pod_roots, b->n_pod_roots);
	assert_int_equal(a->n_sandboxes, b->n_sandboxes);
	assert_int_equal(a->n_netnses, b->n_netnses);
	for (size_t i = 0; i < a->n_sandboxes; i++)
		assert_same_sandbox(a, b, i);
	assert_int_equal(a->n_links, b->n_links);
	for (size_t i = 0; i < a->n_links; i++) {
		assert_int_equal(a->links[i].index, b->links[i].index);
		assert_int_equal(a->links[i].peer_nsid, b->links[i].peer_nsid);
		assert_int_equal(a->links[i].master, b->links[i].master);
	}
	assert_int_equal(a->n_routes, b->n_routes);
}

/* One thing that happens to a node, and its opposite the next time. */
static void happen(unsigned what, bool is_on, struct sleeper *sleeper)
{
	static const char container[] = ADDED_POD "/cri-containerd-" ID_2 ".scope";

	switch (what) {
	case 0:
		assert_true(namespace_run(is_on ? "ip -n pod-b addr add 10.245.1.77/24 dev eth0"
						: "ip -n pod-b addr del 10.245.1.77/24 dev eth0"));
		break;
	case 1:
		assert_true(
			namespace_run(is_on ? "ip link add more type bridge" : "ip link del more"));
		break;
	case 2:
		assert_true(namespace_run(is_on ? "ip link set veth-b nomaster"
						: "ip link set veth-b master br0"));
		break;
	case 3:
		assert_true(namespace_run(is_on ? "ip route add 10.9.0.0/16 dev br0"
						: "ip route del 10.9.0.0/16"));
		break;
	case 4:
		if (is_on) {
			cgroup_make(container);
			*sleeper = sleeper_start("pod-b", container);
		} else {
			sleeper_stop(sleeper);
			cgroup_remove(ADDED_POD);
		}
		break;
	case 5:
		assert_true(namespace_run(is_on ? "ip addr add 192.0.2.77/24 dev eth9"
						: "ip addr del 192.0.2.77/24 dev eth9"));
		break;
	default: break;
	}
}

/* Whatever happens: what is remembered and mended piece by piece is what a first look shows. */
static void what_is_remembered_is_what_is_there(void **state)
{
	enum { THINGS = 6, STEPS = 60 };
	bool is_on[THINGS] = {};
	struct sleeper sleeper = {};
	unsigned random = 2463534242u;

	for (unsigned step = 0; step < STEPS + THINGS; step++) {
		random ^= random << 13;
		random ^= random >> 17;
		random ^= random << 5;
		unsigned what = step < STEPS ? random % THINGS : step - STEPS;
		if (step < STEPS || is_on[what]) { /* in the end all is as it was */
			is_on[what] = !is_on[what];
			happen(what, is_on[what], &sleeper);
		}
		struct node *fresh;
		struct node_view *view = look_until_quiet(), *first;
		assert_int_equal(open_node(&fresh), 0);
		assert_int_equal(node_view_read(fresh, &first), 0);
		assert_same_view(view, first);
		node_view_free(first);
		node_view_free(view);
		node_free(fresh);
	}
}

static void bad_options_are_refused(void **state)
{
	static const char *const bad[] = {"", "/", "..", "a/../b", "kubepods/."};
	struct node *other = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct node_options options = {.pod_roots = &bad[i], .n_pod_roots = 1};
		assert_int_equal(node_open(&options, &other), -EINVAL);
	}
	struct node_options options = {.cgroup_root = "/run"};
	assert_int_equal(node_open(&options, &other), -ENOENT);
	options.cgroup_root = "/no/such/directory";
	assert_int_equal(node_open(&options, &other), -ENOENT);
	assert_null(other);
}

/* Levels are the kernel's, whatever directory the configuration calls the root. */
static void levels_count_from_the_hierarchy(void **state)
{
	const char *path = "/kubepods.slice//";
	char root[96];
	struct node *other;
	struct node_view *view;

	snprintf(root, sizeof(root), "/proc/self/fd/%d/%s", tree.fd, cgroup_below(""));
	struct node_options options = {
		.cgroup_root = root,
		.pod_roots = &path,
		.n_pod_roots = 1,
	};
	assert_int_equal(node_open(&options, &other), 0);
	assert_int_equal(node_view_read(other, &view), 0);
	assert_int_equal(view->n_pod_roots, 1);
	assert_string_equal(view->pod_roots[0].path, "kubepods.slice");
	assert_int_equal(view->pod_roots[0].level, 2);
	assert_int_equal(find_sandbox(view, BRIDGED)->level, 3);
	assert_int_equal(find_sandbox(view, ROUTED)->level, 4);
	node_view_free(view);
	node_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_and_routes_are_shown),
		cmocka_unit_test(pods_lead_to_links_and_addresses),
		cmocka_unit_test(pod_roots_come_and_go),
		cmocka_unit_test(links_inside_a_pod_wake_nobody),
		cmocka_unit_test(link_changes_are_noticed),
		cmocka_unit_test(programs_of_tc_are_noticed),
		cmocka_unit_test(programs_by_bpf_are_seen),
		cmocka_unit_test(pods_come_and_go),
		cmocka_unit_test(late_changes_of_namespace_are_noticed),
		cmocka_unit_test(watches_end_with_their_pods),
		cmocka_unit_test(what_is_remembered_is_what_is_there),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(levels_count_from_the_hierarchy),
	};

	namespace_enter_or_skip();
	cgroup_enter_or_skip(&tree);
	int failed = cmocka_run_group_tests(tests, set_up, tear_down);
	cgroup_leave(&tree);
	return failed;
}
