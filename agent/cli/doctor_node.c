/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/history.h"
#include "cli/look.h"
#include "inventory/snapshot.h"

#define FREE_BYTES_MIN (64ull << 20)
#define FREE_FILES_MIN 1000

void doctor_permissions(struct doctor *doctor)
{
	if (geteuid() == 0)
		doctor_find(doctor, "permissions", HEALTH_OK, NULL, "root looks at everything");
	else
		doctor_find(doctor, "permissions", HEALTH_UNKNOWN,
			    "run it as root, or what only root can see stays unknown",
			    "user %u sees a part only", (unsigned)geteuid());
}

static void find_uplinks(struct doctor *doctor, const struct snapshot *snapshot)
{
	char names[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < snapshot->n_uplinks; i++) {
		const struct node_link *link = node_view_link(snapshot->view, snapshot->uplinks[i]);
		if (link && n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
					      link->name);
	}
	if (names[0])
		doctor_find(doctor, "uplinks", HEALTH_OK, NULL, "%s", names);
	else
		doctor_find(
			doctor, "uplinks", HEALTH_WARNING,
			"set network.uplinks, or give the node a default route: until then what "
			"comes in by any link is judged as a pod's, and answers may be dropped",
			"no route leads out, so no link is an uplink");
}

static void find_pod_roots(struct doctor *doctor, const struct snapshot *snapshot)
{
	const struct node_view *view = snapshot->view;

	if (view->n_pod_roots)
		doctor_find(doctor, "cgroups", HEALTH_OK, NULL,
			    "%zu cgroups hold pods, %zu pods run in them", view->n_pod_roots,
			    view->n_sandboxes);
	else
		doctor_find(doctor, "cgroups", HEALTH_WARNING,
			    "on a Kubernetes node: podfence boot makes the kubelet's, or set "
			    "node.podRoots; without Kubernetes nothing is missing",
			    "no cgroup that holds pods: hostNetwork pods cannot be judged");
	if (view->accepts_source_routes)
		doctor_find(doctor, "source routes", HEALTH_WARNING,
			    "sysctl -w net.ipv4.conf.all.accept_source_route=0",
			    "this node follows source routes");
}

void doctor_node(struct doctor *doctor)
{
	struct snapshot *snapshot;
	int r = cli_look(doctor->config, &snapshot);

	if (r == -ENOENT)
		doctor_find(
			doctor, "cgroups", HEALTH_PROBLEM,
			"mount it (systemd.unified_cgroup_hierarchy=1), or set node.cgroupRoot",
			"no cgroup v2 hierarchy is mounted: hostNetwork pods and units cannot be "
			"told apart");
	else if (r < 0)
		doctor_find(doctor, "node", geteuid() ? HEALTH_UNKNOWN : HEALTH_PROBLEM, NULL,
			    "it cannot be looked at: %s", strerror(-r));
	if (r < 0) {
		doctor_conflicts(doctor, NULL);
		return;
	}
	find_uplinks(doctor, snapshot);
	find_pod_roots(doctor, snapshot);
	doctor_conflicts(doctor, snapshot);
	snapshot_free(snapshot);
}

void doctor_clock(struct doctor *doctor)
{
	struct timex state = {};

	if (adjtimex(&state) == TIME_ERROR)
		doctor_find(doctor, "clock", HEALTH_WARNING,
			    "run a time service (systemd-timesyncd, chrony): events of many nodes "
			    "are put in order by their time",
			    "it is not synchronized");
	else
		doctor_find(doctor, "clock", HEALTH_OK, NULL, "it is synchronized");
}

static void find_space(struct doctor *doctor, const char *check, const char *directory,
		       const char *advice)
{
	struct statvfs state;

	if (statvfs(directory, &state) < 0) {
		doctor_find(doctor, check,
			    errno == ENOENT   ? HEALTH_WARNING
			    : errno == EACCES ? HEALTH_UNKNOWN
					      : HEALTH_PROBLEM,
			    errno == ENOENT ? advice : NULL, "%s: %s", directory, strerror(errno));
		return;
	}
	unsigned long long bytes = (unsigned long long)state.f_bavail * state.f_frsize;
	bool has_files = !state.f_files || state.f_favail >= FREE_FILES_MIN;
	if (bytes < FREE_BYTES_MIN || !has_files)
		doctor_find(doctor, check, HEALTH_WARNING, "make room", "%s: %llu MiB%s free",
			    directory, bytes >> 20, has_files ? "" : " and few files");
	else
		doctor_find(doctor, check, HEALTH_OK, NULL, "%s: %llu MiB free", directory,
			    bytes >> 20);
}

void doctor_disk(struct doctor *doctor)
{
	const char *directory = doctor->config->state.directory;
	struct store *store;

	if (directory[0])
		find_space(doctor, "state", directory,
			   "podfenced makes it; until then names are not kept for a start without "
			   "the API server");
	if (!history_is_there(doctor->cli)) {
		doctor_find(doctor, "store", HEALTH_WARNING,
			    "systemctl enable --now podfence-ship: until then podfence events and "
			    "who know nothing, and nobody is alerted",
			    "podfence-ship keeps no events here, or they cannot be read");
		return;
	}
	if (history_open(doctor->cli, &store) != 0)
		return; /* said */
	doctor_find(doctor, "store", HEALTH_OK, NULL, "%llu MiB of events are kept",
		    (unsigned long long)(store_bytes(store) >> 20));
	store_free(store);
}
