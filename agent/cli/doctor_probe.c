/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A packet out of each ordinary pod: its flow has to be in the ledger then. A child enters the pod's network
 * namespace and sends; the address is of TEST-NET-1 (RFC 5737), and the TTL lets it live for one hop behind
 * this node, should it get out. Host pods and units are left alone: their packets are told by the cgroup of the
 * socket's maker, so a process of ours would have to stand in the pod's cgroup, under its limits and where the kubelet,
 * systemd and the pod's own tools count, signal and freeze what they find; a cgroup made beside its containers is one
 * that the kubelet does not know, and keeps the pod's from being removed while it is there. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/agent.h"
#include "cli/doctor.h"
#include "node/cgroup_tree.h"
#include "node/netns.h"

#define CHECK	    "probe"
#define PROBE	    "192.0.2.1"
#define PROBE_PORT  9 /* discard */
#define PROBE_TTL   2
#define WAIT_USEC   200000
#define WAITS	    15 /* the agent reads the ledger every second or so */
#define NETNS_DEPTH 4

/* A process of the cgroup or of those below it; 0: none. */
static pid_t find_process(int directory, unsigned depth)
{
	struct cgroup_child *children;
	pid_t pid = 0;
	bool is_cut;
	size_t n = 0;

	if (cgroup_processes(directory, &pid, 1, &n) == 0 && n)
		return pid;
	if (!depth || cgroup_children(directory, 64, &children, &n, &is_cut) < 0)
		return 0;
	for (size_t i = 0; i < n && !pid; i++) {
		int child = cgroup_open(directory, children[i].name);
		if (child < 0)
			continue;
		pid = find_process(child, depth - 1);
		close(child);
	}
	cgroup_children_free(children, n);
	return pid;
}

/* A descriptor, or a negative errno. */
static int open_netns(const struct cgroup_tree *tree, uint64_t cgroup)
{
	int directory = cgroup_open_id(tree, cgroup);

	if (directory < 0)
		return directory;
	pid_t pid = find_process(directory, NETNS_DEPTH);
	close(directory);
	return pid ? netns_open(pid) : -ESRCH;
}

/* In a child. Its exit status is an errno. */
static int send_there(int netns)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PROBE_PORT),
		.sin_addr.s_addr = htonl(0xc0000201), /* PROBE */
	};
	const int ttl = PROBE_TTL;

	if (setns(netns, CLONE_NEWNET) < 0)
		return errno;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) < 0 ||
	    sendto(fd, "podfence", 8, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return errno;
	return 0;
}

static int send_from(int netns)
{
	int state;

	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(send_there(netns));
	while (waitpid(child, &state, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(state) ? -WEXITSTATUS(state) : -EINTR;
}

/* Of the pods that sent; those whose flow is there are taken out. */
static int take_judged(struct doctor *doctor, struct json_object *waiting)
{
	struct json_object *flows;
	int status = agent_list(doctor->cli, "io.podfence.Agent.ListFlows",
				"{\"destination\":\"" PROBE "/32\"}", "flows", &flows);

	if (status)
		return status;
	for (size_t i = 0; i < json_object_array_length(flows); i++) {
		struct json_object *flow = json_object_array_get_idx(flows, i);
		for (size_t k = json_object_array_length(waiting); k--;) {
			struct json_object *item = json_object_array_get_idx(waiting, k);
			if (json_object_equal(table_value(item, "namespace"),
					      table_value(flow, "namespace")) &&
			    json_object_equal(table_value(item, "name"), table_value(flow, "name")))
				json_object_array_del_idx(waiting, k, 1);
		}
	}
	json_object_put(flows);
	return 0;
}

static void name_of(struct json_object *item, char text[static TABLE_CELL_MAX])
{
	char namespace[256], name[TABLE_CELL_MAX];

	table_text(table_value(item, "namespace"), name);
	snprintf(namespace, sizeof(namespace), "%.255s", name);
	table_text(table_value(item, "name"), name);
	snprintf(text, TABLE_CELL_MAX, "%s/%.512s", namespace, name);
}

/* How many sent; they are added to `waiting`. */
static size_t send_all(struct doctor *doctor, const struct cgroup_tree *tree,
		       struct json_object *items, struct json_object *waiting)
{
	char text[TABLE_CELL_MAX];
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *kind = json_object_get_string(table_value(item, "kind"));
		uint64_t cgroup = json_object_get_uint64(table_value(item, "cgroup"));
		if (!kind || strcmp(kind, "pod") != 0 || !cgroup)
			continue;
		int netns = open_netns(tree, cgroup);
		int r = netns < 0 ? netns : send_from(netns);
		if (netns >= 0)
			close(netns);
		name_of(item, text);
		if (r < 0)
			doctor_find(doctor, CHECK, HEALTH_UNKNOWN, NULL, "%s cannot send: %s", text,
				    strerror(-r));
		else if (json_object_array_add(waiting, json_object_get(item)) == 0)
			n++;
	}
	return n;
}

static void judge(struct doctor *doctor, struct json_object *waiting, size_t n)
{
	char text[TABLE_CELL_MAX];

	for (unsigned i = 0; i < WAITS && json_object_array_length(waiting); i++) {
		usleep(WAIT_USEC);
		if (take_judged(doctor, waiting) != 0)
			return; /* said */
	}
	size_t left = json_object_array_length(waiting);
	for (size_t i = 0; i < left; i++) {
		name_of(json_object_array_get_idx(waiting, i), text);
		doctor_find(
			doctor, CHECK, HEALTH_PROBLEM,
			"see what carries its packets: ip link, tc filter, nft list flowtables; "
			"podfence why NAME 192.0.2.1 says whether it is internal here, which is "
			"not judged",
			"a packet of %s to " PROBE " was not judged", text);
	}
	if (n > left)
		doctor_find(doctor, CHECK, HEALTH_OK, NULL,
			    "packets of %zu pods are judged (host pods and units cannot be tried "
			    "from outside)",
			    n - left);
}

void doctor_probe(struct doctor *doctor)
{
	struct json_object *items, *waiting = json_object_new_array();
	struct cgroup_tree tree;
	int r = waiting ? cgroup_tree_open(doctor->config->node.cgroup_root, &tree) : -ENOMEM;

	if (r < 0) {
		doctor_find(doctor, CHECK, HEALTH_UNKNOWN, NULL, "pods cannot be found: %s",
			    strerror(-r));
		json_object_put(waiting);
		return;
	}
	if (agent_list(doctor->cli, "io.podfence.Agent.ListEndpoints", NULL, "endpoints", &items) ==
	    0) {
		size_t n = send_all(doctor, &tree, items, waiting);
		judge(doctor, waiting, n);
		json_object_put(items);
	}
	json_object_put(waiting);
	cgroup_tree_close(&tree);
}
