/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From a pod's directory to its sandbox:
 *
 *	pod / container [/ whatever the container makes]
 *
 * A pod's network namespace is that of its first process. Containers are asked in the order they
 * were made, the sandbox's own first, and in each the process that came first: a program in the
 * pod may well have made a namespace for itself. The runtime's monitor processes are never asked:
 * they stand below the pod and live in the node's namespace.
 *
 * Between reading a pid and opening its namespace the process may end and its number be given to a
 * stranger; so the pid must still be in the cgroup afterwards. Every directory is watched before it
 * is read: what happens later is heard of.
 *
 * Below a container the directories are the container's own doing: at most 256 of them are looked
 * at, 6 deep. */
#include "node/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTAINERS_MAX 1024
#define SEARCH_DEPTH   6
#define SEARCH_MAX     256
#define PIDS_MAX       16

void sandbox_done(struct node_sandbox *sandbox)
{
	free(sandbox->path);
	free(sandbox->containers);
	*sandbox = (struct node_sandbox){};
}

int sandbox_watched(struct sandbox_reader *reader, int r)
{
	if (r != -ENOSPC)
		return r;
	reader->is_unwatched = true;
	return 0;
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENODEV || error == -ESRCH;
}

/* Errors that say nothing about the pod: the whole view fails, and the last one stays in force. */
static bool is_ours(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

/* The search for a process. Its functions return 1 found, 0 go on, or negative errno (ours only).
 */
struct search {
	struct sandbox_reader *reader;
	struct node_sandbox *sandbox;
	uint64_t netns; /* inode; only where one was found */
	unsigned n_visited;
	bool saw_gone;
	int error; /* the last other one */
};

static int search_failed(struct search *search, int error)
{
	if (is_ours(error))
		return error;
	if (is_gone(error))
		search->saw_gone = true;
	else if (error != -EOPNOTSUPP)
		search->error = error;
	return 0;
}

static bool is_still_there(int directory, pid_t pid)
{
	pid_t pids[PIDS_MAX];
	size_t n;

	if (cgroup_processes(directory, pids, PIDS_MAX, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static int search_process(struct search *search, int directory, pid_t pid)
{
	uint64_t netns;
	int fd = netns_open(pid);

	if (fd < 0)
		return search_failed(search, fd);
	int r = is_still_there(directory, pid) ? 0 : -ESRCH;
	if (r < 0) {
		close(fd);
		return search_failed(search, r);
	}
	r = netns_table_look(search->reader->netnses, fd, &netns);
	close(fd);
	if (r < 0 && (is_gone(r) || is_ours(r)))
		return search_failed(search, r);
	if (r < 0) { /* another process would be told the same */
		search->sandbox->state = SANDBOX_ERROR;
		search->sandbox->error = r;
		return 1;
	}
	search->sandbox->pid = pid;
	search->sandbox->state = SANDBOX_OK;
	search->netns = netns;
	return 1;
}

static int search_itself(struct search *search, int directory)
{
	pid_t pids[PIDS_MAX];
	size_t n;
	int r = cgroup_processes(directory, pids, PIDS_MAX, &n);

	if (r < 0)
		return search_failed(search, r);
	for (size_t i = 0; i < n && r == 0; i++)
		r = search_process(search, directory, pids[i]);
	return r;
}

static int search_below(struct search *search, int directory, unsigned depth);

static int search_child(struct search *search, int parent, const char *name, unsigned depth)
{
	if (search->n_visited++ >= SEARCH_MAX)
		return 0;
	int fd = cgroup_open(parent, name);
	if (fd < 0)
		return search_failed(search, fd);
	int r = sandbox_watched(search->reader, watch_add_population(search->reader->watch,
								     search->reader->watches, fd));
	if (r == 0)
		r = search_itself(search, fd);
	if (r == 0 && depth < SEARCH_DEPTH)
		r = search_below(search, fd, depth + 1);
	close(fd);
	return r;
}

static int search_below(struct search *search, int directory, unsigned depth)
{
	struct cgroup_child *children;
	size_t n;
	bool is_cut;
	int r = cgroup_children(directory, SEARCH_MAX, &children, &n, &is_cut);

	if (r < 0)
		return search_failed(search, r);
	for (size_t i = 0; i < n && r == 0; i++)
		r = search_child(search, directory, children[i].name, depth);
	cgroup_children_free(children, n);
	return r;
}

static int search_kind(struct search *search, int pod, const struct cgroup_child *children,
		       size_t n, bool containers)
{
	struct cgroup_name name;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		cgroup_name_parse(children[i].name, &name);
		if (name.kind != CGROUP_MONITOR && containers == (name.kind == CGROUP_CONTAINER))
			r = search_child(search, pod, children[i].name, 0);
	}
	return r;
}

/* Sets state, error, pid and netns. 0 or negative errno. */
static int find_process(struct search *search, int pod, const struct cgroup_child *children,
			size_t n)
{
	struct node_sandbox *sandbox = search->sandbox;
	int r = search_itself(search, pod);

	if (r == 0)
		r = search_kind(search, pod, children, n, true);
	if (r == 0)
		r = search_kind(search, pod, children, n, false);
	if (r != 0)
		return r < 0 ? r : 0;
	sandbox->state = search->error	    ? SANDBOX_ERROR
			 : search->saw_gone ? SANDBOX_GONE
					    : SANDBOX_NO_PROCESS;
	sandbox->error = search->error;
	return 0;
}

static int add_container(struct node_sandbox *sandbox, const struct cgroup_name *name, uint64_t id)
{
	if (sandbox->n_containers == CONTAINERS_MAX)
		return 0;
	/* Doubles at powers of two, so that no capacity has to be kept. */
	if (!(sandbox->n_containers & (sandbox->n_containers - 1))) {
		size_t capacity = sandbox->n_containers ? sandbox->n_containers * 2 : 1;
		void *grown = reallocarray(sandbox->containers, capacity,
					   sizeof(sandbox->containers[0]));
		if (!grown)
			return -ENOMEM;
		sandbox->containers = grown;
	}
	struct node_container *container = &sandbox->containers[sandbox->n_containers++];
	*container = (struct node_container){.runtime = name->runtime, .cgroup = id};
	memcpy(container->id, name->container_id, sizeof(container->id));
	return 0;
}

/* Containers among the pod's children, and among the children of what we do not know. */
static int find_containers(struct sandbox_reader *reader, struct node_sandbox *sandbox,
			   int directory, const struct cgroup_child *children, size_t n,
			   unsigned depth)
{
	struct cgroup_name name;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct cgroup_child *below;
		size_t n_below;
		bool is_cut;
		cgroup_name_parse(children[i].name, &name);
		if (name.kind == CGROUP_CONTAINER)
			r = add_container(sandbox, &name, children[i].id);
		if (name.kind != CGROUP_OTHER || depth)
			continue;
		int fd = cgroup_open(directory, children[i].name);
		if (fd < 0)
			continue;
		r = sandbox_watched(reader,
				    watch_add_directory(reader->watch, reader->watches, fd));
		if (r == 0 && cgroup_children(fd, CONTAINERS_MAX, &below, &n_below, &is_cut) == 0) {
			r = find_containers(reader, sandbox, fd, below, n_below, depth + 1);
			cgroup_children_free(below, n_below);
		}
		close(fd);
	}
	return r;
}

/* What stands in the pod's directory. 0 or negative errno. */
static int look_into(struct sandbox_reader *reader, int pod, struct search *search)
{
	struct node_sandbox *sandbox = search->sandbox;
	struct cgroup_child *children;
	size_t n;
	bool is_cut;
	int r = sandbox_watched(reader, watch_add_directory(reader->watch, reader->watches, pod));

	if (r == 0)
		r = sandbox_watched(reader,
				    watch_add_population(reader->watch, reader->watches, pod));
	if (r == 0)
		r = cgroup_children(pod, CONTAINERS_MAX, &children, &n, &is_cut);
	if (r < 0)
		return r;
	r = find_containers(reader, sandbox, pod, children, n, 0);
	if (r == 0)
		r = find_process(search, pod, children, n);
	cgroup_children_free(children, n);
	return r;
}

int sandbox_read(struct sandbox_reader *reader, int directory, struct node_sandbox *sandbox,
		 uint64_t *ret_netns)
{
	struct search search = {.reader = reader, .sandbox = sandbox};
	int r = directory < 0 ? directory : look_into(reader, directory, &search);

	if (r < 0 && is_ours(r))
		return r;
	if (r < 0) {
		sandbox->state = is_gone(r) ? SANDBOX_GONE : SANDBOX_ERROR;
		sandbox->error = is_gone(r) ? 0 : r;
	}
	*ret_netns = search.netns;
	return 0;
}
