/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	root / [qos] / pod
 *
 * Walking the roots lists pods without looking into them. A pod is looked into when it is new and
 * when something was heard of it; a node with hundreds of pods is not read for each change of one.
 * What is remembered of a pod hangs on its cgroup id, which no other cgroup gets while this one is
 * watched: a directory that was made anew under an old name is another pod here.
 *
 * An event whose watch is in no pod's list means the roots: nothing is heard in vain. */
#include "node/sandboxes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/cgroup_path.h"
#include "node/pod_roots.h"
#include "node/sandbox.h"

#define PODS_MAX 16384 /* as many as the sets of the rules take */

/* A walk over the roots under way. */
struct walk {
	struct sandboxes *sandboxes;
	struct sandbox_reader reader; /* for its watches */
	struct node_pod_root *roots;
	size_t n_roots;
	size_t n_pods;
	size_t n_before; /* known ones from here on are new and not sorted */
};

/* Directory a walk stands in: its path below the cgroup root and its level. */
struct place {
	const char *path;
	unsigned level;
	int fd;
};

static void known_done(struct sandboxes *sandboxes, struct known_sandbox *known)
{
	watch_list_drop(sandboxes->watch, &known->watches);
	sandbox_done(&known->sandbox);
}

static void roots_free(struct node_pod_root *roots, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(roots[i].path);
	free(roots);
}

void sandboxes_done(struct sandboxes *sandboxes)
{
	if (sandboxes->watch)
		watch_list_drop(sandboxes->watch, &sandboxes->watches);
	for (size_t i = 0; i < sandboxes->n; i++)
		known_done(sandboxes, &sandboxes->known[i]);
	free(sandboxes->known);
	roots_free(sandboxes->roots, sandboxes->n_roots);
	pod_roots_free(sandboxes->root_paths, sandboxes->n_root_paths);
	*sandboxes = (struct sandboxes){};
}

void sandboxes_heard(struct sandboxes *sandboxes, int descriptor)
{
	for (size_t i = 0; i < sandboxes->n; i++) {
		if (!watch_list_has(&sandboxes->known[i].watches, descriptor))
			continue;
		sandboxes->known[i].is_stale = true;
		return;
	}
	if (descriptor < 0)
		sandboxes_heard_all(sandboxes);
	else
		sandboxes->is_stale = true;
}

void sandboxes_heard_all(struct sandboxes *sandboxes)
{
	sandboxes->is_stale = true;
	for (size_t i = 0; i < sandboxes->n; i++)
		sandboxes->known[i].is_stale = true;
}

static int compare_cgroups(const void *a, const void *b)
{
	const struct known_sandbox *x = a, *y = b;

	return x->sandbox.cgroup < y->sandbox.cgroup ? -1 : x->sandbox.cgroup > y->sandbox.cgroup;
}

/* Among the first `n`, which are sorted. */
static struct known_sandbox *find(const struct sandboxes *sandboxes, size_t n, uint64_t cgroup)
{
	struct known_sandbox key = {.sandbox.cgroup = cgroup};

	return n ? bsearch(&key, sandboxes->known, n, sizeof(key), compare_cgroups) : NULL;
}

void sandboxes_heard_cgroup(struct sandboxes *sandboxes, uint64_t cgroup)
{
	struct known_sandbox *known = find(sandboxes, sandboxes->n, cgroup);

	if (known)
		known->is_stale = true;
}

void sandboxes_heard_nsid(struct sandboxes *sandboxes)
{
	for (size_t i = 0; i < sandboxes->n; i++) {
		struct known_sandbox *known = &sandboxes->known[i];
		if (known->sandbox.state != SANDBOX_OK)
			continue;
		const struct known_netns *netns = netns_table_find(sandboxes->netnses,
								   known->netns);
		if (netns && !netns->netns.is_host && netns->netns.nsid < 0)
			known->is_stale = true;
	}
}

/* Walking */

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENODEV;
}

static struct known_sandbox *add_known(struct sandboxes *sandboxes)
{
	if (sandboxes->n == sandboxes->capacity) {
		size_t capacity = sandboxes->capacity ? sandboxes->capacity * 2 : 16;
		void *grown = reallocarray(sandboxes->known, capacity, sizeof(*sandboxes->known));
		if (!grown)
			return NULL;
		sandboxes->known = grown;
		sandboxes->capacity = capacity;
	}
	struct known_sandbox *known = &sandboxes->known[sandboxes->n++];
	*known = (struct known_sandbox){.is_stale = true, .is_listed = true};
	return known;
}

static int list_pod(struct walk *walk, const struct place *place, const struct cgroup_child *child,
		    const struct cgroup_name *name)
{
	struct known_sandbox *known = find(walk->sandboxes, walk->n_before, child->id);

	if (walk->n_pods++ == PODS_MAX)
		return -E2BIG;
	if (known && strcmp(known->sandbox.uid, name->uid) == 0) {
		known->is_listed = true;
		return 0;
	}
	known = add_known(walk->sandboxes);
	if (!known)
		return -ENOMEM;
	struct node_sandbox *sandbox = &known->sandbox;
	memcpy(sandbox->uid, name->uid, sizeof(sandbox->uid));
	sandbox->level = place->level + 1;
	sandbox->cgroup = child->id;
	if (asprintf(&sandbox->path, "%s/%s", place->path, child->name) >= 0)
		return 0;
	sandbox->path = NULL;
	return -ENOMEM;
}

static int walk_place(struct walk *walk, const struct place *place, bool is_root);

static int walk_qos(struct walk *walk, const struct place *place, const char *name)
{
	struct place below = {.level = place->level + 1, .fd = cgroup_open(place->fd, name)};
	char *path;

	if (below.fd < 0)
		return is_gone(below.fd) ? 0 : below.fd;
	int r = -ENOMEM;
	if (asprintf(&path, "%s/%s", place->path, name) >= 0) {
		below.path = path;
		r = walk_place(walk, &below, false);
		free(path);
	}
	close(below.fd);
	return r;
}

static int watch_place(struct walk *walk, int directory)
{
	struct sandbox_reader *reader = &walk->reader;

	return sandbox_watched(reader,
			       watch_add_directory(reader->watch, reader->watches, directory));
}

/* A pod root or one of its QoS directories. */
static int walk_place(struct walk *walk, const struct place *place, bool is_root)
{
	struct cgroup_child *children;
	struct cgroup_name name;
	size_t n;
	bool is_cut;
	int r = watch_place(walk, place->fd);

	if (r == 0)
		r = cgroup_children(place->fd, PODS_MAX, &children, &n, &is_cut);
	if (r < 0)
		return is_gone(r) ? 0 : r;
	r = is_cut ? -E2BIG : 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		cgroup_name_parse(children[i].name, &name);
		if (name.kind == CGROUP_POD)
			r = list_pod(walk, place, &children[i], &name);
		else if (name.kind == CGROUP_QOS && is_root)
			r = walk_qos(walk, place, children[i].name);
	}
	cgroup_children_free(children, n);
	return r;
}

/* Opens a path one component at a time, watching each parent: where the next component is missing
 * it may come, and where it is there it may go and come again. */
static int open_path(struct walk *walk, const char *path, unsigned *ret_level)
{
	const struct cgroup_tree *tree = walk->sandboxes->tree;
	char name[256];
	int fd = cgroup_open(tree->fd, ".");

	*ret_level = tree->level;
	for (const char *at = path; *at && fd >= 0;) {
		size_t length = strcspn(at, "/");
		int parent = fd;
		if (length >= sizeof(name)) {
			fd = -ENAMETOOLONG;
		} else {
			memcpy(name, at, length);
			name[length] = '\0';
			fd = watch_place(walk, parent);
			if (fd == 0)
				fd = cgroup_open(parent, name);
		}
		close(parent);
		++*ret_level;
		at += length + (at[length] == '/');
	}
	return fd;
}

static bool is_known_root(const struct walk *walk, uint64_t cgroup)
{
	for (size_t i = 0; i < walk->n_roots; i++)
		if (walk->roots[i].cgroup == cgroup)
			return true;
	return false;
}

static int add_root(struct walk *walk, const struct place *place, uint64_t cgroup)
{
	struct node_pod_root *grown = reallocarray(walk->roots, walk->n_roots + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	walk->roots = grown;
	grown[walk->n_roots] = (struct node_pod_root){
		.path = strdup(place->path),
		.cgroup = cgroup,
		.level = place->level,
	};
	return grown[walk->n_roots++].path ? 0 : -ENOMEM;
}

static int walk_root(struct walk *walk, const char *path)
{
	struct place place = {.path = path};
	uint64_t cgroup;
	int r = 0;

	place.fd = open_path(walk, path, &place.level);
	if (place.fd < 0)
		return is_gone(place.fd) ? 0 : place.fd;
	r = cgroup_id(place.fd, &cgroup);
	if (r == 0 && !is_known_root(walk, cgroup)) {
		r = add_root(walk, &place, cgroup);
		if (r == 0)
			r = walk_place(walk, &place, true);
	}
	close(place.fd);
	return is_gone(r) ? 0 : r;
}

/* New ones were added behind the sorted ones; those that are not listed any more go. */
static void settle_known(struct sandboxes *sandboxes)
{
	size_t n = 0;

	for (size_t i = 0; i < sandboxes->n; i++) {
		struct known_sandbox *known = &sandboxes->known[i];
		if (known->is_listed)
			sandboxes->known[n++] = *known;
		else
			known_done(sandboxes, known);
	}
	sandboxes->n = n;
	if (n)
		qsort(sandboxes->known, n, sizeof(*sandboxes->known), compare_cgroups);
}

/* A walk that failed lists nothing: what was known before stays. */
static void give_up(struct walk *walk, struct watch_list *watches)
{
	struct sandboxes *sandboxes = walk->sandboxes;

	watch_list_join(sandboxes->watch, &sandboxes->watches, watches);
	while (sandboxes->n > walk->n_before)
		known_done(sandboxes, &sandboxes->known[--sandboxes->n]);
	roots_free(walk->roots, walk->n_roots);
}

static int walk_all(struct sandboxes *sandboxes)
{
	struct watch_list watches = {};
	struct walk walk = {
		.sandboxes = sandboxes,
		.reader = {.watch = sandboxes->watch, .watches = &watches},
		.n_before = sandboxes->n,
	};
	int r = 0;

	for (size_t i = 0; i < sandboxes->n; i++)
		sandboxes->known[i].is_listed = false;
	for (size_t i = 0; i < sandboxes->n_root_paths && r == 0; i++)
		r = walk_root(&walk, sandboxes->root_paths[i]);
	if (r < 0) {
		give_up(&walk, &watches);
		return r;
	}
	watch_list_replace(sandboxes->watch, &sandboxes->watches, &watches);
	roots_free(sandboxes->roots, sandboxes->n_roots);
	sandboxes->roots = walk.roots;
	sandboxes->n_roots = walk.n_roots;
	settle_known(sandboxes);
	sandboxes->is_unwatched |= walk.reader.is_unwatched;
	sandboxes->is_stale = false;
	return 0;
}

/* Looking into one */

/* -ENOENT also where another directory stands under its name by now. */
static int open_known(const struct sandboxes *sandboxes, const struct known_sandbox *known)
{
	uint64_t cgroup;
	int fd = cgroup_open(sandboxes->tree->fd, known->sandbox.path);

	if (fd < 0)
		return fd;
	int r = cgroup_id(fd, &cgroup);
	if (r == 0 && cgroup != known->sandbox.cgroup)
		r = -ENOENT;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int read_known(struct sandboxes *sandboxes, struct known_sandbox *known)
{
	const struct node_sandbox *before = &known->sandbox;
	struct watch_list watches = {};
	struct sandbox_reader reader = {
		.watch = sandboxes->watch,
		.watches = &watches,
		.netnses = sandboxes->netnses,
	};
	struct node_sandbox sandbox = {.cgroup = before->cgroup, .level = before->level};
	uint64_t netns;
	int fd = open_known(sandboxes, known);
	int r = sandbox_read(&reader, fd, &sandbox, &netns);

	if (fd >= 0)
		close(fd);
	if (r < 0) {
		watch_list_join(sandboxes->watch, &known->watches, &watches);
		sandbox_done(&sandbox);
		return r;
	}
	memcpy(sandbox.uid, before->uid, sizeof(sandbox.uid));
	sandbox.path = before->path;
	free(before->containers);
	known->sandbox = sandbox;
	known->netns = netns;
	known->is_stale = false;
	watch_list_replace(sandboxes->watch, &known->watches, &watches);
	sandboxes->is_unwatched |= reader.is_unwatched;
	return 0;
}

int sandboxes_refresh(struct sandboxes *sandboxes)
{
	int r = 0;

	if (sandboxes->is_unwatched) {
		sandboxes_heard_all(sandboxes);
		sandboxes->is_unwatched = false;
	}
	if (sandboxes->is_stale)
		r = walk_all(sandboxes);
	for (size_t i = 0; i < sandboxes->n && r == 0; i++)
		if (sandboxes->known[i].is_stale)
			r = read_known(sandboxes, &sandboxes->known[i]);
	return r;
}
