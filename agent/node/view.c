/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The handles of a node and the reading of a view. Order matters: the dump of links makes the
 * kernel name the namespaces of their peers, so it comes before anybody asks for such a name.
 *
 * A view is not taken at one instant. Whatever changes while it is read has been announced on
 * node_fd() by then (netlink was subscribed before, and every cgroup directory is watched before it
 * is read), so a caller that reads a view after each node_changed() ends with the present state.
 *
 * Netlink, inotify and the timer stand behind one epoll descriptor. */
#include "node/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "node/cgroup_tree.h"
#include "node/monitor.h"
#include "node/netlink.h"
#include "node/netns.h"
#include "node/sandbox.h"
#include "node/settling.h"
#include "node/watch.h"

struct node {
	struct cgroup_tree tree;
	struct netlink *netlink;
	struct monitor *monitor;
	struct watch *watch;
	struct settling *settling;
	int epoll;
	uint64_t own_netns;
	char **pod_roots;
	size_t n_pod_roots;
};

struct node_view *node_view_free(struct node_view *view)
{
	if (!view)
		return NULL;
	for (size_t i = 0; i < view->n_netnses; i++)
		free(view->netnses[i].addresses);
	for (size_t i = 0; i < view->n_sandboxes; i++)
		sandbox_done(&view->sandboxes[i]);
	for (size_t i = 0; i < view->n_pod_roots; i++)
		free(view->pod_roots[i].path);
	free(view->links);
	free(view->routes);
	free(view->netnses);
	free(view->sandboxes);
	free(view->pod_roots);
	free(view);
	return NULL;
}

const struct node_link *node_view_link(const struct node_view *view, uint32_t index)
{
	size_t low = 0, high = view->n_links;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (view->links[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < view->n_links && view->links[low].index == index ? &view->links[low] : NULL;
}

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

static int copy_pod_roots(struct node *node, const struct node_options *options)
{
	static const char *const usual[] = {
		"kubepods.slice",
		"kubepods",
		"kubelet.slice/kubelet-kubepods.slice",
		"kubelet/kubepods",
	};
	const char *const *paths = options->n_pod_roots ? options->pod_roots : usual;
	size_t n = options->n_pod_roots ? options->n_pod_roots : sizeof(usual) / sizeof(usual[0]);

	node->pod_roots = calloc(n, sizeof(*node->pod_roots));
	if (!node->pod_roots)
		return -ENOMEM;
	for (; node->n_pod_roots < n; node->n_pod_roots++) {
		node->pod_roots[node->n_pod_roots] = normal_path(paths[node->n_pod_roots]);
		if (!node->pod_roots[node->n_pod_roots])
			return -errno;
	}
	return 0;
}

static int poll_all(struct node *node)
{
	const int descriptors[] = {
		monitor_fd(node->monitor),
		watch_fd(node->watch),
		settling_fd(node->settling),
	};

	node->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (node->epoll < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
		struct epoll_event event = {.events = EPOLLIN};
		if (epoll_ctl(node->epoll, EPOLL_CTL_ADD, descriptors[i], &event) < 0)
			return -errno;
	}
	return 0;
}

static int open_all(struct node *node, const struct node_options *options)
{
	const char *root = options->cgroup_root ? options->cgroup_root : "";
	int r = copy_pod_roots(node, options);

	if (r == 0)
		r = cgroup_tree_open(root, &node->tree);
	if (r == 0)
		r = netns_own_inode(&node->own_netns);
	if (r == 0)
		r = netlink_open(&node->netlink);
	if (r == 0)
		r = monitor_open(&node->monitor);
	if (r == 0)
		r = watch_open(&node->watch);
	if (r == 0)
		r = settling_open(&node->settling);
	if (r == 0)
		r = poll_all(node);
	return r;
}

int node_open(const struct node_options *options, struct node **ret_node)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->tree.fd = -1;
	node->epoll = -1;
	int r = open_all(node, options);
	if (r < 0) {
		node_free(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

struct node *node_free(struct node *node)
{
	if (!node)
		return NULL;
	if (node->epoll >= 0)
		close(node->epoll);
	settling_free(node->settling);
	watch_free(node->watch);
	monitor_free(node->monitor);
	netlink_free(node->netlink);
	cgroup_tree_close(&node->tree);
	for (size_t i = 0; i < node->n_pod_roots; i++)
		free(node->pod_roots[i]);
	free(node->pod_roots);
	free(node);
	return NULL;
}

static int compare_sandboxes(const void *a, const void *b)
{
	const struct node_sandbox *x = a, *y = b;
	int order = strcmp(x->uid, y->uid);

	if (order)
		return order;
	return x->cgroup < y->cgroup ? -1 : x->cgroup > y->cgroup;
}

static int read_sandboxes(struct node *node, struct node_view *view)
{
	struct sandbox_walk walk = {
		.tree = &node->tree,
		.netlink = node->netlink,
		.watch = node->watch,
		.own_netns = node->own_netns,
	};
	int r = 0;

	watch_begin(node->watch);
	for (size_t i = 0; i < node->n_pod_roots && r == 0; i++)
		r = sandbox_walk_root(&walk, node->pod_roots[i], view);
	if (r < 0)
		return r;
	watch_end(node->watch);
	if (view->n_sandboxes)
		qsort(view->sandboxes, view->n_sandboxes, sizeof(view->sandboxes[0]),
		      compare_sandboxes);
	return settling_begin(node->settling, view, node->own_netns, walk.is_unwatched);
}

/* IN_DEV_SOURCE_ROUTE (linux/inetdevice.h) is "all" and the device's own: while "all" is 0 nobody
 * has it. The kernel tells nobody when it changes. Not readable counts as on. */
static bool accepts_source_routes(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/conf/all/accept_source_route", "re");
	int first = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return first != '0';
}

int node_view_read(struct node *node, struct node_view **ret_view)
{
	struct node_view *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	view->accepts_source_routes = accepts_source_routes();
	int r = netlink_links(node->netlink, &view->links, &view->n_links);
	if (r == 0)
		r = netlink_routes(node->netlink, &view->routes, &view->n_routes);
	if (r == 0)
		r = read_sandboxes(node, view);
	if (r < 0) {
		node_view_free(view);
		return r;
	}
	*ret_view = view;
	return 0;
}

int node_fd(const struct node *node)
{
	return node->epoll;
}

int node_changed(struct node *node)
{
	int links = monitor_drain(node->monitor);
	int cgroups = watch_drain(node->watch);
	int settled = settling_look(node->settling);

	if (links < 0)
		return links;
	if (cgroups < 0)
		return cgroups;
	return settled < 0 ? settled : links | cgroups | settled;
}
