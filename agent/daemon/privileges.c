/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What podfenced may do, and for what. tests/integration/test_privileges.py takes each away in turn. */
#include "daemon/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "privilege/privilege.h"

#define INITIAL_CGROUP_NAMESPACE 0xeffffffbu /* PROC_CGROUP_INIT_INO, linux/proc_ns.h */

/* The level of a cgroup match is relative to the cgroup namespace of whoever loads the rule
 * (kernel 6.11 and stable backports): in a container we must load from the host's. */
static int is_outside_host_cgroup_namespace(void)
{
	struct stat ours, host;

	if (stat("/proc/self/ns/cgroup", &ours) < 0)
		return -errno;
	if (ours.st_ino == INITIAL_CGROUP_NAMESPACE)
		return 0;
	if (stat("/proc/1/ns/cgroup", &host) < 0)
		return -errno;
	return ours.st_ino != host.st_ino;
}

static bool must_enter_cgroup_namespace(void)
{
	return is_outside_host_cgroup_namespace() != 0;
}

static int enter_host_cgroup_namespace(void)
{
	int r = is_outside_host_cgroup_namespace();

	if (r <= 0)
		return r;
	int fd = open("/proc/1/ns/cgroup", O_RDONLY | O_CLOEXEC);
	r = fd < 0 || setns(fd, CLONE_NEWCGROUP) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return r;
}

static const struct privilege needed[] = {
	{CAP_NET_ADMIN, false, NULL,
	 "to load nftables rules, to hear of dropped packets (NFLOG), to ask for addresses in the "
	 "network namespaces of pods"},
	{CAP_NET_BROADCAST, false, NULL,
	 "to hear of links and addresses in all network namespaces at once"},
	{CAP_SYS_PTRACE, false, NULL,
	 "to see the network namespace of other users' processes (/proc/PID/ns/net), which joins a "
	 "pod with its link"},
	{CAP_DAC_READ_SEARCH, false, NULL,
	 "to find whose a socket is (/proc/PID/fd), and to read a kubeconfig and policies that are "
	 "not root's"},
	{CAP_SYS_ADMIN, true, must_enter_cgroup_namespace,
	 "to enter the host's cgroup namespace from a container before rules that name cgroups are "
	 "loaded; given up then"},
};
static const int families[] = {AF_UNIX, AF_NETLINK, AF_INET, AF_INET6};
static const struct privilege_profile profile = {
	.privileges = needed,
	.n_privileges = sizeof(needed) / sizeof(needed[0]),
	.group = "podfence", /* of control.socket and events.socket */
	.calls = podfenced_calls,
	.families = families,
	.n_families = sizeof(families) / sizeof(families[0]),
};

int privileges_begin(void)
{
	char name[32];
	bool is_missing = false;

	for (size_t i = 0; i < profile.n_privileges; i++) {
		if (!privilege_is_missing(&needed[i]))
			continue;
		diag_privilege_missing(privilege_name(&needed[i], name), needed[i].purpose);
		is_missing = true;
	}
	if (is_missing) {
		diag_privileges_missing();
		return PRIVILEGE_EXIT;
	}
	int r = privilege_begin(&profile);
	if (r < 0)
		diag_cannot("give up the privileges that are not needed", r);
	return r;
}

int privileges_settle(void)
{
	int r = enter_host_cgroup_namespace();

	if (r < 0) {
		diag_cannot("enter the host's cgroup namespace (needs hostPID in a container)", r);
		return r;
	}
	r = privilege_settle(&profile);
	if (r < 0) {
		diag_cannot("give up the privileges of the start", r);
		return r;
	}
	r = privilege_filter(&profile);
	if (r < 0) /* the fence is worth more than its second lock */
		diag_no_filter(r);
	return 0;
}
