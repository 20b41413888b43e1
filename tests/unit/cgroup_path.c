/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "node/cgroup_path.h"

#include <errno.h>

#include "node/cgroup_tree.h"

#include "test.h"

#define UUID	"3d7f1c4e-0a5b-4c6d-8e9f-001122334455"
#define UUID_	"3d7f1c4e_0a5b_4c6d_8e9f_001122334455"
#define HASH	"0123456789abcdef0123456789abcdef"
#define ID	HASH HASH
#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */

static void names_parse(void **state)
{
	static const struct {
		const char *name;
		enum cgroup_kind kind;
		const char *uid, *container_id, *runtime;
	} cases[] = {
		/* systemd driver */
		{"kubepods-pod" UUID_ ".slice", CGROUP_POD, UUID, "", ""},
		{"kubepods-burstable-pod" UUID_ ".slice", CGROUP_POD, UUID, "", ""},
		{"kubepods-besteffort-pod" UUID_ ".slice", CGROUP_POD, UUID, "", ""},
		{"kubepods-burstable-pod" HASH ".slice", CGROUP_POD, HASH, "", ""},
		{"kubelet-kubepods-burstable-pod" UUID_ ".slice", CGROUP_POD, UUID, "", ""},
		{"a-b-kubepods-pod" UUID_ ".slice", CGROUP_POD, UUID, "", ""},
		{"kubepods-burstable.slice", CGROUP_QOS, "", "", ""},
		{"kubelet-kubepods-besteffort.slice", CGROUP_QOS, "", "", ""},
		{"cri-containerd-" ID ".scope", CGROUP_CONTAINER, "", ID, "containerd"},
		{"crio-" ID ".scope", CGROUP_CONTAINER, "", ID, "cri-o"},
		{"docker-" ID ".scope", CGROUP_CONTAINER, "", ID, "docker"},
		{"libpod-" ID ".scope", CGROUP_CONTAINER, "", ID, "libpod"},
		{"crio-conmon-" ID ".scope", CGROUP_MONITOR, "", "", "cri-o"},
		{"libpod-conmon-" ID ".scope", CGROUP_MONITOR, "", "", "libpod"},
		/* cgroupfs driver */
		{"pod" UUID, CGROUP_POD, UUID, "", ""},
		{"pod" HASH, CGROUP_POD, HASH, "", ""},
		{"podA", CGROUP_POD, "A", "", ""},
		{"pod" LETTERS, CGROUP_POD, LETTERS, "", ""},
		{"burstable", CGROUP_QOS, "", "", ""},
		{"besteffort", CGROUP_QOS, "", "", ""},
		{ID, CGROUP_CONTAINER, "", ID, ""},
		{"crio-" ID, CGROUP_CONTAINER, "", ID, "cri-o"},
		{"crio-conmon-" ID, CGROUP_MONITOR, "", "", "cri-o"},
		/* nearly */
		{"", CGROUP_OTHER, "", "", ""},
		{"kubepods", CGROUP_OTHER, "", "", ""},
		{"kubepods.slice", CGROUP_OTHER, "", "", ""},
		{".slice", CGROUP_OTHER, "", "", ""},
		{"-.slice", CGROUP_OTHER, "", "", ""},
		{"pod", CGROUP_OTHER, "", "", ""},
		{"burstable.slice", CGROUP_OTHER, "", "", ""},
		{"guaranteed", CGROUP_OTHER, "", "", ""},
		{"xkubepods-burstable.slice", CGROUP_OTHER, "", "", ""},
		{"pod" LETTERS "a", CGROUP_OTHER, "", "", ""},
		{"kubepods-pod" LETTERS "a.slice", CGROUP_OTHER, "", "", ""},
		{"pod" UUID_, CGROUP_OTHER, "", "", ""},
		{"pod" UUID ".slice", CGROUP_OTHER, "", "", ""},
		{"kubepods-pod" UUID ".slice", CGROUP_OTHER, "", "", ""},
		{"kubepods-pod.slice", CGROUP_OTHER, "", "", ""},
		{"kubepods-podA.slice.d", CGROUP_OTHER, "", "", ""},
		{"kubepods-burstable-burstable-podA.slice", CGROUP_OTHER, "", "", ""},
		{"system-podA.slice", CGROUP_OTHER, "", "", ""},
		{"burstable-podA.slice", CGROUP_OTHER, "", "", ""},
		{"xkubepods-podA.slice", CGROUP_OTHER, "", "", ""},
		{"pod../../etc", CGROUP_OTHER, "", "", ""},
		{"podA B", CGROUP_OTHER, "", "", ""},
		{"pod\xc3\xa9", CGROUP_OTHER, "", "", ""},
		{"podA\n", CGROUP_OTHER, "", "", ""},
		{HASH, CGROUP_OTHER, "", "", ""},
		{ID "0", CGROUP_OTHER, "", "", ""},
		{ID ".scope", CGROUP_OTHER, "", "", ""},
		{"cri-containerd-" ID, CGROUP_OTHER, "", "", ""},
		{"cri-containerd-" HASH ".scope", CGROUP_OTHER, "", "", ""},
		{"cri-containerd-" ID "0.scope", CGROUP_OTHER, "", "", ""},
		{"crio-conmon-.scope", CGROUP_OTHER, "", "", ""},
		{"crio-x" ID ".scope", CGROUP_OTHER, "", "", ""},
		{"init.scope", CGROUP_OTHER, "", "", ""},
		{"0123456789ABCDEF0123456789ABCDEF" HASH, CGROUP_OTHER, "", "", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cgroup_name name;
		memset(&name, 0xaa, sizeof(name));
		cgroup_name_parse(cases[i].name, &name);
		if (name.kind != cases[i].kind)
			print_error("%s\n", cases[i].name);
		assert_int_equal(name.kind, cases[i].kind);
		assert_string_equal(name.uid, cases[i].uid);
		assert_string_equal(name.container_id, cases[i].container_id);
		assert_string_equal(name.runtime, cases[i].runtime);
	}
}

static void mounts_parse(void **state)
{
	static const struct {
		const char *line;
		int result;
		const char *mount_point;
	} cases[] = {
		{"31 23 0:27 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n", 0,
		 "/sys/fs/cgroup"},
		{"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw", 0,
		 "/sys/fs/cgroup/unified"},
		{"41 31 0:38 /../.. /host\\040sys\\134x rw shared:1 master:2 - cgroup2 none rw", 0,
		 "/host sys\\x"},
		{"41 31 0:38 / /a\\04 rw - cgroup2 none rw", 0, "/a\\04"},
		{"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd", -ENOENT,
		 ""},
		{"31 23 0:28 / /mnt rw - tmpfs cgroup2 rw", -ENOENT, ""},
		{"", -ENOENT, ""},
		{" - cgroup2 ", -ENOENT, ""},
		{"1 2 3 - cgroup2 /x rw", -ENOENT, ""},
		{"41 31 0:38 / relative rw - cgroup2 none rw", -ENOENT, ""},
		{"41 31 0:38 / /a/path/that/is/too/long/for/the/buffer rw - cgroup2 none rw",
		 -ENAMETOOLONG, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char mount_point[32] = "";
		assert_int_equal(
			cgroup_mount_parse(cases[i].line, mount_point, sizeof(mount_point)),
			cases[i].result);
		assert_string_equal(mount_point, cases[i].mount_point);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_parse),
		cmocka_unit_test(mounts_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
