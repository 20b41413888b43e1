/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A cgroup's id and path belong together as long as it is there: the kernel gives an id once and renames
 * nothing in this hierarchy. That it is gone shows when it is read (-ENODEV), and that something was made below
 * it in the number of its links (kernfs counts subdirectories). So what is remembered is looked at before it is
 * believed, and that is a fifth of what finding it out costs. */
#include "culprit/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "culprit/culprit.h"

static char *path_of(const struct places *places, int directory)
{
	size_t root = strlen(places->root);
	char name[48], path[PATH_MAX];

	snprintf(name, sizeof(name), "self/fd/%d", directory);
	ssize_t n = readlinkat(places->proc, name, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	if (n < 0 || strncmp(path, places->root, root) != 0 || path[root] != '/')
		return strdup("");
	return strdup(path + root + 1);
}

static void drop(struct place *place)
{
	if (!place->id)
		return;
	close(place->directory);
	if (place->processes >= 0)
		close(place->processes);
	free(place->path);
	*place = (struct place){};
}

static struct place *find(struct places *places, uint64_t id)
{
	for (size_t i = 0; i < PLACES_MAX; i++)
		if (places->kept[i].id == id)
			return &places->kept[i];
	return NULL;
}

static struct place *oldest(struct places *places)
{
	struct place *place = &places->kept[0];

	for (size_t i = 1; i < PLACES_MAX; i++)
		if (places->kept[i].used < place->used)
			place = &places->kept[i];
	return place;
}

/* Takes the descriptor over, also where it fails. */
static int keep(struct places *places, uint64_t id, int directory, struct place **ret_place)
{
	struct place *place = oldest(places);
	char *path = path_of(places, directory);

	if (!path) {
		close(directory);
		return -ENOMEM;
	}
	drop(place);
	*place = (struct place){
		.id = id,
		.used = ++places->uses,
		.directory = directory,
		.processes = cgroup_processes_open(directory),
		.path = path,
	};
	culprit_container(path, &place->container);
	*ret_place = place;
	return 0;
}

int places_get(struct places *places, uint64_t id, const struct place **ret_place)
{
	struct place *place = find(places, id);

	if (place) {
		place->used = ++places->uses;
		*ret_place = place;
		return 0;
	}
	int directory = cgroup_open_id(places->tree, id);
	if (directory < 0)
		return directory;
	int r = keep(places, id, directory, &place);
	if (r == 0)
		*ret_place = place;
	return r;
}

int place_processes(const struct place *place, pid_t *pids, size_t capacity, size_t *ret_n)
{
	if (place->processes < 0)
		return -ENODEV;
	return cgroup_processes_read(place->processes, pids, capacity, ret_n);
}

/* --- what stands below one --- */

struct walk {
	struct places *places;
	struct place_tree tree; /* while there is room */
	uint64_t *ids;
	size_t n, capacity;
	bool is_cut;
};

static void note(struct walk *walk, uint64_t id, int directory)
{
	struct stat status;

	if (walk->n < PLACE_TREE_MAX) {
		walk->tree.ids[walk->n] = id;
		walk->tree.links[walk->n] = fstat(directory, &status) == 0 ? status.st_nlink : 0;
	}
	walk->ids[walk->n++] = id;
}

/* Takes the descriptor over. */
static int walk_tree(struct walk *walk, uint64_t id, int directory)
{
	struct cgroup_child *children = NULL;
	size_t n = 0;
	bool is_cut = false;
	struct place *place;

	note(walk, id,
	     directory); /* before its children are read: one that comes between is missed by neither */
	int r = cgroup_children(directory, PLACE_CHILDREN_MAX, &children, &n, &is_cut);
	walk->is_cut |= is_cut;
	for (size_t i = 0; i < n; i++) {
		if (walk->n == walk->capacity) {
			walk->is_cut = true;
			break;
		}
		int below = cgroup_open(directory, children[i].name);
		int failure = below < 0 ? 0 : walk_tree(walk, children[i].id, below);
		r = failure < 0 ? failure : r;
	}
	cgroup_children_free(children, n);
	if (find(walk->places, id)) {
		close(directory);
		return r;
	}
	int failure = keep(walk->places, id, directory, &place);
	return failure < 0 ? failure : r;
}

static void remember(struct places *places, const char *path, const struct walk *walk)
{
	struct place_tree *tree = &places->trees[0];

	for (size_t i = 1; i < PLACE_TREES_MAX; i++)
		if (places->trees[i].used < tree->used)
			tree = &places->trees[i];
	char *copy = walk->is_cut || walk->n > PLACE_TREE_MAX ? NULL : strdup(path);
	if (!copy)
		return;
	free(tree->path);
	*tree = walk->tree;
	tree->path = copy;
	tree->n = walk->n;
	tree->used = ++places->uses;
}

static struct place_tree *find_tree(struct places *places, const char *path)
{
	for (size_t i = 0; i < PLACE_TREES_MAX; i++)
		if (places->trees[i].path && !strcmp(places->trees[i].path, path))
			return &places->trees[i];
	return NULL;
}

static void tree_drop(struct place_tree *tree)
{
	free(tree->path);
	*tree = (struct place_tree){};
}

static bool is_whole(struct places *places, const struct place_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct place *place = find(places, tree->ids[i]);
		struct stat status;
		if (!place || fstat(place->directory, &status) < 0 ||
		    status.st_nlink != tree->links[i])
			return false;
	}
	return true;
}

int places_below(struct places *places, const char *path, uint64_t *ids, size_t capacity,
		 size_t *ret_n, bool *ret_is_cut)
{
	struct place_tree *tree = find_tree(places, path);
	struct walk walk = {.places = places, .ids = ids, .capacity = capacity};
	uint64_t id;

	*ret_is_cut = false;
	if (tree && tree->n <= capacity && is_whole(places, tree)) {
		memcpy(ids, tree->ids, tree->n * sizeof(*ids));
		*ret_n = tree->n;
		tree->used = ++places->uses;
		return 0;
	}
	if (tree)
		tree_drop(tree);
	int directory = openat(places->tree->fd, path,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	int r = cgroup_id(directory, &id);
	if (r < 0) {
		close(directory);
		return r;
	}
	r = walk_tree(&walk, id, directory);
	if (r == 0)
		remember(places, path, &walk);
	*ret_n = walk.n;
	*ret_is_cut = walk.is_cut || r < 0;
	return 0;
}

void places_mistrust(struct places *places, const char *path)
{
	struct place_tree *tree = find_tree(places, path);

	if (tree)
		tree_drop(tree);
}

void places_forget(struct places *places)
{
	for (size_t i = 0; i < PLACES_MAX; i++)
		drop(&places->kept[i]);
	for (size_t i = 0; i < PLACE_TREES_MAX; i++)
		tree_drop(&places->trees[i]);
}
