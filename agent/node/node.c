/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What is known of a node and the reading of what is not known any more. Each source says what it
 * is about (a pod's cgroup, the addresses of one namespace, the links), so that a change of one pod
 * is read as one pod, however many there are; a view is a copy of what is known then.
 *
 * Order matters: the dump of links makes the kernel name the namespaces of their peers, so it comes
 * before anybody asks for such a name.
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
#include "node/pod_roots.h"
#include "node/program.h"
#include "node/sandbox.h"
#include "node/sandboxes.h"
#include "node/settling.h"
#include "node/units.h"
#include "node/watch.h"

struct node {
	struct cgroup_tree tree;
	struct netlink *netlink;
	struct monitor *monitor;
	struct watch *watch;
	struct settling *settling;
	int epoll;
	struct monitor_news news; /* not yet read again */
	/* what is known */
	struct node_link *links;
	size_t n_links;
	bool is_tcx_hidden;
	struct node_route *routes;
	size_t n_routes;
	struct netns_table netnses;
	struct sandboxes sandboxes;
	struct units units;
};

static int poll_all(struct node *node)
{
	const int descriptors[] = {
		monitor_fd(node->monitor),
		watch_fd(node->watch),
		settling_fd(node->settling),
		watch_fd(node->units.watch),
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

static int open_units(struct node *node, const struct node_options *options)
{
	node->units.tree = &node->tree;
	node->units.pod_roots = node->sandboxes.root_paths;
	node->units.n_pod_roots = node->sandboxes.n_root_paths;
	return units_open(&node->units, options->unit_globs, options->n_unit_globs);
}

static int open_all(struct node *node, const struct node_options *options)
{
	const char *root = options->cgroup_root ? options->cgroup_root : "";
	int r = pod_roots_list(options, &node->sandboxes.root_paths, &node->sandboxes.n_root_paths);

	if (r == 0)
		r = cgroup_tree_open(root, &node->tree);
	if (r == 0)
		r = netns_own_inode(&node->netnses.own_inode);
	if (r == 0)
		r = netlink_open(&node->netlink);
	if (r == 0)
		r = monitor_open(&node->monitor);
	if (r == 0)
		r = watch_open(&node->watch);
	if (r == 0)
		r = settling_open(&node->settling);
	if (r == 0)
		r = open_units(node, options);
	if (r == 0)
		r = poll_all(node);
	if (r < 0)
		return r;
	node->netnses.netlink = node->netlink;
	node->sandboxes.tree = &node->tree;
	node->sandboxes.watch = node->watch;
	node->sandboxes.netnses = &node->netnses;
	node_forget(node);
	return 0;
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
	units_done(&node->units);
	sandboxes_done(&node->sandboxes);
	netns_table_done(&node->netnses);
	settling_free(node->settling);
	watch_free(node->watch);
	monitor_free(node->monitor);
	netlink_free(node->netlink);
	cgroup_tree_close(&node->tree);
	free(node->links);
	free(node->routes);
	free(node);
	return NULL;
}

/* Reading again what is not known any more */

void node_forget(struct node *node)
{
	node->news.everything = true;
}

static int refresh_links(struct node *node)
{
	struct node_link *links;
	size_t n;
	int r = netlink_links(node->netlink, &links, &n);

	if (r < 0)
		return r;
	r = programs_find(node->netlink, links, n, &node->is_tcx_hidden);
	if (r < 0) {
		free(links);
		return r;
	}
	free(node->links);
	node->links = links;
	node->n_links = n;
	return 0;
}

static int refresh_routes(struct node *node)
{
	struct node_route *routes;
	size_t n;
	int r = netlink_routes(node->netlink, &routes, &n);

	if (r < 0)
		return r;
	free(node->routes);
	node->routes = routes;
	node->n_routes = n;
	return 0;
}

/* What was heard becomes what is stale; from here on it is remembered there. */
static void spread_news(struct node *node)
{
	const struct monitor_news *news = &node->news;

	if (news->everything) {
		node->units.is_stale = true;
		sandboxes_heard_all(&node->sandboxes);
		netns_table_heard_all(&node->netnses);
	}
	if (news->links || news->nsids) /* a dump of links gives ids away too */
		sandboxes_heard_nsid(&node->sandboxes);
	if (news->own_addresses)
		netns_table_heard(&node->netnses, -1);
	for (size_t i = 0; i < news->n_address_nsids; i++)
		netns_table_heard(&node->netnses, news->address_nsids[i]);
}

static int refresh(struct node *node)
{
	struct monitor_news *news = &node->news;
	int r = 0;

	if (news->links || news->everything)
		r = refresh_links(node);
	if (r == 0 && (news->routes || news->everything))
		r = refresh_routes(node);
	if (r < 0)
		return r;
	spread_news(node);
	*news = (struct monitor_news){};
	r = sandboxes_refresh(&node->sandboxes);
	if (r == 0)
		r = units_refresh(&node->units);
	return r == 0 ? netns_table_refresh(&node->netnses) : r;
}

/* A view of what is known: a copy, for it outlives the next change */

/* malloc(0) may be NULL, which is no failure here. */
static void *copy(const void *items, size_t n, size_t size)
{
	void *copied = malloc(n ? n * size : 1);

	if (copied && n)
		memcpy(copied, items, n * size);
	return copied;
}

static int copy_roots(const struct sandboxes *sandboxes, struct node_view *view)
{
	view->pod_roots = calloc(sandboxes->n_roots + 1, sizeof(*view->pod_roots));
	if (!view->pod_roots)
		return -ENOMEM;
	for (; view->n_pod_roots < sandboxes->n_roots; view->n_pod_roots++) {
		struct node_pod_root *root = &view->pod_roots[view->n_pod_roots];
		*root = sandboxes->roots[view->n_pod_roots];
		root->path = strdup(root->path);
		if (!root->path)
			return -ENOMEM;
	}
	return 0;
}

static int copy_units(const struct units *units, struct node_view *view)
{
	view->is_unit_list_cut = units->is_cut;
	view->own_cgroup = units->own_path ? strdup(units->own_path) : NULL;
	view->units = calloc(units->n_units + 1, sizeof(*view->units));
	if (!view->units || !view->own_cgroup != !units->own_path)
		return -ENOMEM;
	for (; view->n_units < units->n_units; view->n_units++) {
		struct node_unit *unit = &view->units[view->n_units];
		*unit = units->units[view->n_units];
		unit->path = strdup(unit->path);
		if (!unit->path)
			return -ENOMEM;
	}
	return 0;
}

static int compare_netnses(const void *a, const void *b)
{
	const struct node_netns *x = a, *y = b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int copy_netnses(const struct netns_table *table, struct node_view *view)
{
	view->netnses = calloc(table->n + 1, sizeof(*view->netnses));
	if (!view->netnses)
		return -ENOMEM;
	for (; view->n_netnses < table->n; view->n_netnses++) {
		struct node_netns *netns = &view->netnses[view->n_netnses];
		*netns = table->known[view->n_netnses].netns;
		netns->addresses = copy(netns->addresses, netns->n_addresses,
					sizeof(*netns->addresses));
		if (!netns->addresses)
			return -ENOMEM;
	}
	qsort(view->netnses, view->n_netnses, sizeof(*view->netnses), compare_netnses);
	return 0;
}

static void find_netns(const struct node_view *view, uint64_t inode, struct node_sandbox *sandbox)
{
	const struct node_netns key = {.inode = inode};
	const struct node_netns *netns = bsearch(&key, view->netnses, view->n_netnses, sizeof(key),
						 compare_netnses);

	if (netns)
		sandbox->netns = (size_t)(netns - view->netnses);
	else
		sandbox->state = SANDBOX_GONE;
}

static int compare_sandboxes(const void *a, const void *b)
{
	const struct node_sandbox *x = a, *y = b;
	int order = strcmp(x->uid, y->uid);

	if (order)
		return order;
	return x->cgroup < y->cgroup ? -1 : x->cgroup > y->cgroup;
}

static int copy_sandboxes(const struct sandboxes *sandboxes, struct node_view *view)
{
	view->sandboxes = calloc(sandboxes->n + 1, sizeof(*view->sandboxes));
	if (!view->sandboxes)
		return -ENOMEM;
	for (; view->n_sandboxes < sandboxes->n; view->n_sandboxes++) {
		const struct known_sandbox *known = &sandboxes->known[view->n_sandboxes];
		struct node_sandbox *sandbox = &view->sandboxes[view->n_sandboxes];
		*sandbox = known->sandbox;
		sandbox->path = strdup(sandbox->path);
		sandbox->containers = copy(sandbox->containers, sandbox->n_containers,
					   sizeof(*sandbox->containers));
		if (sandbox->state == SANDBOX_OK)
			find_netns(view, known->netns, sandbox);
		if (!sandbox->path || !sandbox->containers) {
			sandbox_done(sandbox);
			return -ENOMEM;
		}
	}
	qsort(view->sandboxes, view->n_sandboxes, sizeof(*view->sandboxes), compare_sandboxes);
	return 0;
}

static int copy_known(const struct node *node, struct node_view *view)
{
	view->links = copy(node->links, node->n_links, sizeof(*node->links));
	view->routes = copy(node->routes, node->n_routes, sizeof(*node->routes));
	if (!view->links || !view->routes)
		return -ENOMEM;
	view->n_links = node->n_links;
	view->is_tcx_hidden = node->is_tcx_hidden;
	view->n_routes = node->n_routes;
	int r = copy_roots(&node->sandboxes, view);
	if (r == 0)
		r = copy_units(&node->units, view);
	if (r == 0)
		r = copy_netnses(&node->netnses, view);
	return r == 0 ? copy_sandboxes(&node->sandboxes, view) : r;
}

static void sweep_netnses(struct node *node)
{
	struct netns_table *table = &node->netnses;

	for (size_t i = 0; i < node->sandboxes.n; i++) {
		const struct known_sandbox *known = &node->sandboxes.known[i];
		if (known->sandbox.state == SANDBOX_OK)
			netns_table_use(table, known->netns);
	}
	netns_table_sweep(table);
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

static void on_cgroup_event(void *userdata, int descriptor)
{
	sandboxes_heard(userdata, descriptor);
}

static void on_unit_event(void *userdata, int descriptor)
{
	struct units *units = userdata;

	units->is_stale = true;
}

static void on_moved(void *userdata, uint64_t cgroup)
{
	if (cgroup)
		sandboxes_heard_cgroup(userdata, cgroup);
	else
		sandboxes_heard_all(userdata);
}

int node_changed(struct node *node)
{
	struct sandboxes *sandboxes = &node->sandboxes;
	int links = monitor_drain(node->monitor, &node->news);
	int cgroups = watch_drain(node->watch, on_cgroup_event, sandboxes);
	int units = watch_drain(node->units.watch, on_unit_event, &node->units);
	int settled = settling_look(node->settling, on_moved, sandboxes);

	if (links < 0)
		return links;
	if (cgroups < 0)
		return cgroups;
	if (units < 0)
		return units;
	return settled < 0 ? settled : links | cgroups | units | settled;
}

int node_view_read(struct node *node, struct node_view **ret_view)
{
	struct node_view *view;
	int r = node_changed(node); /* the latest, not only what was heard of */

	if (r >= 0)
		r = refresh(node);
	if (r < 0)
		return r;
	sweep_netnses(node);
	view = calloc(1, sizeof(*view));
	if (!view)
		return -ENOMEM;
	view->accepts_source_routes = accepts_source_routes();
	r = copy_known(node, view);
	if (r == 0)
		r = settling_begin(node->settling, view, node->netnses.own_inode,
				   node->sandboxes.is_unwatched || node->units.is_unwatched);
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
