/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * /proc/self/cgroup tells a path from the root of our cgroup namespace, which is the host's by the time this
 * is asked (podfenced enters it to load its rules). The tree that is looked at may begin further down, so the
 * directory is opened from the root of the hierarchy and walked upwards until the tree's own is met. */
#include "node/own_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/limits.h>

#define LEVELS_MAX 64

int own_cgroup_parse(const char *line, char *path, size_t size)
{
	size_t n = strcspn(line, "\n");

	if (strncmp(line, "0::/", 4) != 0 || n - 4 >= size)
		return -ENOENT;
	memcpy(path, line + 4, n - 4);
	path[n - 4] = '\0';
	return strncmp(path, "..", 2) == 0 ? -ENOENT : 0;
}

static int read_path(char *path, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 8];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file))
		r = own_cgroup_parse(line, path, size);
	fclose(file);
	return r;
}

/* How many steps up from here the tree begins; -ENOENT where it does not. */
static int steps_up(int directory, uint64_t tree)
{
	int at = cgroup_open(directory, ".");

	for (int steps = 0; at >= 0 && steps < LEVELS_MAX; steps++) {
		uint64_t id;
		int r = cgroup_id(at, &id);
		if (r == 0 && id == tree) {
			close(at);
			return steps;
		}
		int up = r < 0 ? r : cgroup_open(at, "..");
		close(at);
		at = up;
	}
	if (at >= 0)
		close(at);
	return at < 0 ? at : -ENOENT;
}

static int find_below(const struct cgroup_tree *tree, int root, char *path, char **ret_path)
{
	uint64_t id;
	int r = cgroup_id(tree->fd, &id);
	int own = r < 0 ? r : cgroup_open(root, path[0] ? path : ".");

	if (own < 0)
		return own;
	int steps = steps_up(own, id);
	close(own);
	if (steps <= 0) /* the tree itself is nobody's cgroup */
		return steps < 0 ? steps : -ENOENT;
	char *begin = path + strlen(path);
	for (int i = 0; i < steps && begin > path; i++)
		for (begin--; begin > path && begin[-1] != '/';)
			begin--;
	*ret_path = strdup(begin);
	return *ret_path ? 0 : -ENOMEM;
}

int own_cgroup_path(const struct cgroup_tree *tree, char **ret_path)
{
	struct cgroup_tree hierarchy;
	char path[PATH_MAX];

	*ret_path = NULL;
	int r = read_path(path, sizeof(path));
	if (r == 0)
		r = cgroup_tree_open("", &hierarchy);
	if (r == 0) {
		r = find_below(tree, hierarchy.fd, path, ret_path);
		cgroup_tree_close(&hierarchy);
	}
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
}
