/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a directory name and as a line of mountinfo. */
#include "node/cgroup_path.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "node/cgroup_tree.h"

#include "fuzz.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-",
			    *text))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = malloc(length + 1), *mount_point = malloc(length + 1);
	struct cgroup_name name;

	if (!text || !mount_point)
		abort();
	memcpy(text, bytes, length);
	text[length] = '\0';
	cgroup_name_parse(text, &name);
	require(memchr(name.uid, '\0', sizeof(name.uid)) && is_plain(name.uid));
	require(memchr(name.container_id, '\0', sizeof(name.container_id)) &&
		is_plain(name.container_id));
	require((name.kind == CGROUP_POD) == (name.uid[0] != '\0'));
	require((name.kind == CGROUP_CONTAINER) == (strlen(name.container_id) == 64));
	if (cgroup_mount_parse(text, mount_point, length + 1) == 0)
		require(mount_point[0] == '/' && strlen(mount_point) <= length);
	free(text);
	free(mount_point);
	return 0;
}
