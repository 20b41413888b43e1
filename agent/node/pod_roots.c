/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The cgroups that hold all pods of a node. A rule can only name one that exists, so what is to be fenced
 * from its first packet on has to have been made before the kubelet does: it, systemd and container
 * runtimes take over a directory that is there, which keeps its id. An empty cgroup costs nothing, so both
 * names are made where nobody says which driver the kubelet uses. */
#include "node/pod_roots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cgroup_tree.h"

/* The first N_MADE are those of a kubelet's defaults: systemd driver, cgroupfs driver. */
enum { N_MADE = 2 };
static const char *const usual[] = {
	"kubepods.slice",
	"kubepods",
	"kubelet.slice/kubelet-kubepods.slice",
	"kubelet/kubepods",
};

/* The path without needless slashes; NULL with errno EINVAL where it is empty or has a component
 * "." or "..". */
static char *normal_path(const char *path)
{
	char *normal = malloc(strlen(path) + 1);
	size_t n = 0;

	if (!normal)
		return NULL;
	for (const char *at = path + strspn(path, "/"); *at; at += strspn(at, "/")) {
		size_t length = strcspn(at, "/");
		if ((length == 1 && at[0] == '.') || (length == 2 && strncmp(at, "..", 2) == 0)) {
			n = 0;
			break;
		}
		if (n)
			normal[n++] = '/';
		memcpy(normal + n, at, length);
		n += length;
		at += length;
	}
	normal[n] = '\0';
	if (n)
		return normal;
	free(normal);
	errno = EINVAL;
	return NULL;
}

void pod_roots_free(char **paths, size_t n)
{
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	free(paths);
}

int pod_roots_list(const struct node_options *options, char ***ret_paths, size_t *ret_n)
{
	const char *const *paths = options->n_pod_roots ? options->pod_roots : usual;
	size_t n = options->n_pod_roots ? options->n_pod_roots : sizeof(usual) / sizeof(usual[0]);
	char **list = calloc(n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		list[i] = normal_path(paths[i]);
		if (!list[i]) {
			int r = -errno;
			pod_roots_free(list, i);
			return r;
		}
	}
	*ret_paths = list;
	*ret_n = n;
	return 0;
}

/* One step down, made where it is missing: its descriptor, or negative errno. */
static int step_down(int directory, const char *name, size_t *n_made)
{
	if (mkdirat(directory, name, 0755) == 0)
		(*n_made)++;
	else if (errno != EEXIST)
		return -errno;
	return cgroup_open(directory, name);
}

/* `path` is cut up. */
static int make_path(int root, char *path, size_t *n_made)
{
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0);

	if (at < 0)
		return -errno;
	for (char *rest = path, *name; at >= 0 && (name = strsep(&rest, "/"));) {
		int below = step_down(at, name, n_made);
		close(at);
		at = below;
	}
	if (at < 0)
		return at;
	close(at);
	return 0;
}

int pod_roots_make(const struct node_options *options, size_t *ret_n_made)
{
	const char *root = options->cgroup_root ? options->cgroup_root : "";
	struct cgroup_tree tree;
	char **paths;
	size_t n;

	*ret_n_made = 0;
	int r = pod_roots_list(options, &paths, &n);
	if (r < 0)
		return r;
	r = cgroup_tree_open(root, &tree);
	if (r == 0) {
		size_t n_wanted = options->n_pod_roots ? n : N_MADE;
		for (size_t i = 0; i < n_wanted && r == 0; i++)
			r = make_path(tree.fd, paths[i], ret_n_made);
		cgroup_tree_close(&tree);
	}
	pod_roots_free(paths, n);
	return r;
}
