/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A glob with a slash at its beginning is one of paths, and leads where it says. One without is the name of a
 * unit. It is looked for below slices only: these the system's manager makes, while what stands below a
 * service or a scope (user@1000.service, a container) is made by whoever runs there, who must not get what
 * another unit may do by taking its name. Pods are pods, whatever matches: their roots are not looked into.
 *
 * The directories that can lead to a match are watched before they are read, and all of them are read again
 * when something is heard: they are few. */
#include "node/units.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/own_cgroup.h"

#define UNITS_MAX  960 /* the kernel's set of judged cgroups holds 1024 */
#define DEPTH_MAX  12  /* below the tree */
#define CHILD_MAX  16384
#define GLOB_FLAGS FNM_NOESCAPE /* names of units have backslashes */

/* The shipper of events, where it runs as a service of its own. */
static const char shipper[] = "system.slice/podfence-ship.service";

struct walk {
	struct units *units;
	struct watch_list watches;
	struct node_unit *found;
	size_t n_found, capacity;
	bool is_unwatched, is_cut;
};

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t unit_match(const char *const *globs, size_t n_globs, const char *path)
{
	for (size_t i = 0; i < n_globs; i++)
		if (globs[i][0] == '/' ? !fnmatch(globs[i] + 1, path, GLOB_FLAGS | FNM_PATHNAME)
				       : !fnmatch(globs[i], last_component(path), GLOB_FLAGS))
			return i;
	return n_globs;
}

static bool is_slice(const char *path)
{
	size_t n = strlen(path);

	return n > 6 && !strcmp(path + n - 6, ".slice");
}

/* Everything above it is a slice: the system's manager made it. */
static bool is_managed(const char *path)
{
	for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
		if (slash - path < 6 || strncmp(slash - 6, ".slice", 6) != 0)
			return false;
	return true;
}

static size_t count_components(const char *path)
{
	size_t n = 1;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* The first components of the glob, as many as the path has, match it, and there are more. */
static bool glob_leads_below(const char *glob, const char *path)
{
	size_t n = count_components(path);
	const char *end = glob;

	for (; n && end; n--)
		end = strchr(end + (*end == '/'), '/');
	if (!end)
		return false;
	char *beginning = strndup(glob, (size_t)(end - glob));
	bool leads = beginning && !fnmatch(beginning, path, GLOB_FLAGS | FNM_PATHNAME);
	free(beginning);
	return leads;
}

static bool is_above(const char *path, const char *below)
{
	size_t n = strlen(path);

	return !strncmp(path, below, n) && below[n] == '/';
}

static bool leads_below(const struct units *units, const char *path)
{
	if (is_above(path, shipper) || (units->own_path && is_above(path, units->own_path)))
		return true;
	for (size_t i = 0; i < units->n_globs; i++) {
		const char *glob = units->globs[i];
		if (glob[0] == '/' ? glob_leads_below(glob + 1, path)
				   : is_slice(path) && is_managed(path))
			return true;
	}
	return false;
}

static bool is_pod_root(const struct units *units, const char *path)
{
	for (size_t i = 0; i < units->n_pod_roots; i++)
		if (!strcmp(units->pod_roots[i], path))
			return true;
	return false;
}

/* A name of a unit counts only where the system's manager gave it. */
static size_t match(const struct units *units, const char *path)
{
	bool is_good_name = is_managed(path);

	for (size_t i = 0; i < units->n_globs; i++)
		if ((units->globs[i][0] == '/' || is_good_name) &&
		    unit_match((const char *const *)&units->globs[i], 1, path) == 0)
			return i;
	return units->n_globs;
}

static int add(struct walk *walk, struct node_unit unit)
{
	if (walk->n_found == walk->capacity) {
		size_t capacity = walk->capacity ? walk->capacity * 2 : 16;
		void *grown = reallocarray(walk->found, capacity, sizeof(*walk->found));
		if (!grown)
			return -ENOMEM;
		walk->found = grown;
		walk->capacity = capacity;
	}
	unit.path = strdup(unit.path);
	if (!unit.path)
		return -ENOMEM;
	walk->found[walk->n_found++] = unit;
	return 0;
}

/* Whom it is: exempt, one of the globs', or nobody's. */
static int judge(struct walk *walk, const char *path, uint64_t cgroup, unsigned level)
{
	const struct units *units = walk->units;
	struct node_unit unit = {.path = (char *)path, .cgroup = cgroup, .level = level};

	unit.is_own = units->own_path && !strcmp(units->own_path, path);
	unit.is_exempt = unit.is_own || !strcmp(path, shipper);
	unit.glob = match(units, path);
	if (!unit.is_exempt && unit.glob == units->n_globs)
		return 0;
	if (walk->n_found >= UNITS_MAX && !unit.is_exempt) {
		walk->is_cut = true;
		return 0;
	}
	return add(walk, unit);
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENODEV;
}

static int walk_directory(struct walk *walk, int directory, const char *path, unsigned depth);

static int walk_child(struct walk *walk, int directory, const char *path,
		      const struct cgroup_child *child, unsigned depth)
{
	const struct units *units = walk->units;
	char *below;

	if (asprintf(&below, "%s%s%s", path, path[0] ? "/" : "", child->name) < 0)
		return -ENOMEM;
	int r = judge(walk, below, child->id, units->tree->level + depth);
	if (r == 0 && !is_pod_root(units, below) && leads_below(units, below)) {
		int fd = depth < DEPTH_MAX ? cgroup_open(directory, child->name) : -E2BIG;
		if (fd >= 0) {
			r = walk_directory(walk, fd, below, depth);
			close(fd);
		} else if (fd == -E2BIG) {
			walk->is_cut = true;
		} else {
			r = fd;
		}
	}
	free(below);
	return is_gone(r) ? 0 : r;
}

static int walk_directory(struct walk *walk, int directory, const char *path, unsigned depth)
{
	struct cgroup_child *children;
	size_t n;
	bool is_cut;
	int r = watch_add_directory(walk->units->watch, &walk->watches, directory);

	if (r == -ENOSPC) {
		walk->is_unwatched = true;
		r = 0;
	}
	if (r == 0)
		r = cgroup_children(directory, CHILD_MAX, &children, &n, &is_cut);
	if (r < 0)
		return r;
	walk->is_cut |= is_cut;
	for (size_t i = 0; i < n && r == 0; i++)
		r = walk_child(walk, directory, path, &children[i], depth + 1);
	cgroup_children_free(children, n);
	return r;
}

static void found_free(struct node_unit *found, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(found[i].path);
	free(found);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct node_unit *)a)->path, ((const struct node_unit *)b)->path);
}

static void heard(void *userdata, int descriptor)
{
	struct units *units = userdata;

	units->is_stale = true;
}

int units_refresh(struct units *units)
{
	struct walk walk = {.units = units};
	int r = watch_drain(units->watch, heard, units);

	if (r < 0 || !units->n_globs || (!units->is_stale && !units->is_unwatched))
		return r < 0 ? r : 0;
	units->is_stale = false; /* what is heard from here on makes it so again */
	r = walk_directory(&walk, units->tree->fd, "", 0);
	if (r < 0) {
		units->is_stale = true;
		watch_list_join(units->watch, &units->watches, &walk.watches);
		found_free(walk.found, walk.n_found);
		return r;
	}
	watch_list_replace(units->watch, &units->watches, &walk.watches);
	found_free(units->units, units->n_units);
	if (walk.n_found)
		qsort(walk.found, walk.n_found, sizeof(*walk.found), compare_paths);
	units->units = walk.found;
	units->n_units = walk.n_found;
	units->is_unwatched = walk.is_unwatched;
	units->is_cut = walk.is_cut;
	return 0;
}

int units_open(struct units *units, const char *const *globs, size_t n_globs)
{
	int r = watch_open(&units->watch);

	if (r == 0)
		r = own_cgroup_path(units->tree, &units->own_path);
	if (r < 0)
		return r;
	units->is_stale = true;
	units->globs = calloc(n_globs + 1, sizeof(*units->globs));
	if (!units->globs)
		return -ENOMEM;
	for (; units->n_globs < n_globs; units->n_globs++) {
		units->globs[units->n_globs] = strdup(globs[units->n_globs]);
		if (!units->globs[units->n_globs])
			return -ENOMEM;
	}
	return 0;
}

void units_done(struct units *units)
{
	if (units->watch)
		watch_list_drop(units->watch, &units->watches);
	watch_free(units->watch);
	found_free(units->units, units->n_units);
	for (size_t i = 0; i < units->n_globs; i++)
		free(units->globs[i]);
	free(units->globs);
	free(units->own_path);
	*units = (struct units){};
}
