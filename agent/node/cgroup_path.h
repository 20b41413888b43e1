/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

/* What the name of one directory of the cgroup tree says. Pure text work: the kubelet's systemd and
 * cgroupfs drivers, all QoS classes, containerd, CRI-O, docker and podman scope names. */
enum cgroup_kind {
	CGROUP_OTHER,
	CGROUP_QOS,	  /* burstable, besteffort: holds pods */
	CGROUP_POD,	  /* uid is set */
	CGROUP_CONTAINER, /* container_id is set */
	CGROUP_MONITOR,	  /* crio-conmon-<id>.scope: the runtime's helper, no container */
};

#define CGROUP_UID_MAX	     64 /* a UUID has 36 characters, a config hash 32 */
#define CGROUP_CONTAINER_MAX 65

struct cgroup_name {
	enum cgroup_kind kind;
	char uid[CGROUP_UID_MAX]; /* as the API writes it: systemd's '_' turned back to '-' */
	char container_id[CGROUP_CONTAINER_MAX];
	const char *runtime; /* "containerd", "cri-o", "docker", "libpod" or "": static text */
};

/* name: one path component. Anything that is not clearly one of the above is CGROUP_OTHER. */
void cgroup_name_parse(const char *name, struct cgroup_name *ret_name);
