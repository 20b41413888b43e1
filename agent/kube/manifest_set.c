/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * An object is known by its kind and names, wherever in its file it stands; one that does not say its
 * names by its place. */
#include "kube/manifest_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 1024

int manifest_set_new(struct manifest_set **ret_set)
{
	*ret_set = calloc(1, sizeof(**ret_set));
	return *ret_set ? 0 : -ENOMEM;
}

struct manifest_set *manifest_set_free(struct manifest_set *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < set->n_files; i++) {
		free(set->files[i].path);
		manifest_free(set->files[i].manifest);
	}
	free(set->files);
	policy_list_free(set->policies);
	namespace_list_free(set->namespaces);
	free(set);
	return NULL;
}

static int compare_identities(const void *a, const void *b)
{
	return strcmp((*(struct manifest_object *const *)a)->identity,
		      (*(struct manifest_object *const *)b)->identity);
}

/* Of those that do not say who they are. */
static bool has_refused_at(const struct manifest *manifest, const char *place)
{
	for (size_t i = 0; i < manifest->n_objects; i++)
		if (manifest->objects[i].is_refused && !manifest->objects[i].identity[0] &&
		    !strcmp(manifest->objects[i].place, place))
			return true;
	return false;
}

/* Objects by identity; NULL: no memory. */
static struct manifest_object **sort_objects(const struct manifest *manifest)
{
	struct manifest_object **sorted = calloc(manifest->n_objects + 1,
						 sizeof(struct manifest_object *));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < manifest->n_objects; i++)
		sorted[i] = &manifest->objects[i];
	qsort(sorted, manifest->n_objects, sizeof(*sorted), compare_identities);
	return sorted;
}

/* NULL: none of this identity. */
static struct manifest_object *find_object(struct manifest_object *const *sorted, size_t n,
					   const struct manifest_object *like)
{
	struct manifest_object *const *found = n && like->identity[0]
						       ? bsearch(&like, sorted, n, sizeof(*sorted),
								 compare_identities)
						       : NULL;

	return found ? *found : NULL;
}

/* Whether what was there before stays, next to what is there now. */
static bool stays(const struct manifest_object *before, const struct manifest *manifest,
		  const struct manifest_object *now)
{
	if (!before->policy && !before->namespace)
		return false;
	if (now)
		return now->is_refused;
	return manifest->is_broken || has_refused_at(manifest, before->place);
}

/* What says the same as before is the same value, so that nothing further on is done for it. */
static void take_same(struct manifest_object *now, const struct manifest_object *before)
{
	if (!now || !now->policy || !before->policy ||
	    !policy_is_equal(now->policy, before->policy))
		return;
	policy_free(now->policy);
	now->policy = policy_ref(before->policy);
}

/* Appending moves the objects, so what stays is found first. */
static int join_before(struct manifest *manifest, const struct manifest *before, size_t *n_all)
{
	size_t n = manifest->n_objects, n_kept = 0;
	struct manifest_object **sorted = sort_objects(manifest);
	const struct manifest_object **kept = calloc(before->n_objects + 1, sizeof(*kept));
	int r = sorted && kept ? 0 : -ENOMEM;

	for (size_t i = 0; i < before->n_objects && r == 0; i++) {
		const struct manifest_object *old = &before->objects[i];
		struct manifest_object *now = find_object(sorted, n, old);
		take_same(now, old);
		if (stays(old, manifest, now))
			kept[n_kept++] = old;
	}
	for (size_t i = 0; i < n_kept && r == 0; i++)
		r = manifest_add(manifest, kept[i]);
	*n_all += n_kept;
	free(sorted);
	free(kept);
	return r;
}

static const struct manifest *find_file(const struct manifest_set *set, const char *path)
{
	for (size_t i = 0; set && i < set->n_files; i++)
		if (!strcmp(set->files[i].path, path))
			return set->files[i].manifest;
	return NULL;
}

int manifest_set_add(struct manifest_set *set, const char *path, struct manifest *manifest,
		     const struct manifest_set *before)
{
	const struct manifest *old = find_file(before, path);
	struct manifest_file *grown;
	char *copy = strdup(path);
	int r = copy ? 0 : -ENOMEM;

	if (r == 0 && old)
		r = join_before(manifest, old, &set->n_kept);
	grown = r == 0 ? reallocarray(set->files, set->n_files + 1, sizeof(*grown)) : NULL;
	if (!grown) {
		free(copy);
		manifest_free(manifest);
		return -ENOMEM;
	}
	set->files = grown;
	set->files[set->n_files++] = (struct manifest_file){copy, manifest};
	return 0;
}

/* Objects with something in them, by identity and then as they stand. */
struct one {
	struct manifest_object *object;
	size_t at;
};

static int compare_ones(const void *a, const void *b)
{
	const struct one *x = a, *y = b;
	int order = strcmp(x->object->identity, y->object->identity);

	return order ? order : x->at < y->at ? -1 : 1;
}

static size_t collect(const struct manifest_set *set, struct one *ones)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n_files; i++) {
		const struct manifest *manifest = set->files[i].manifest;
		for (size_t k = 0; k < manifest->n_objects; k++) {
			struct manifest_object *object = &manifest->objects[k];
			if (!object->policy && !object->namespace)
				continue;
			if (ones)
				ones[n] = (struct one){object, n};
			n++;
		}
	}
	return n;
}

/* The first of each identity remains. */
static size_t drop_twins(struct manifest_set *set, struct one *ones, size_t n,
			 struct report *report)
{
	size_t left = 0;

	qsort(ones, n, sizeof(*ones), compare_ones);
	for (size_t i = 0; i < n; i++) {
		const struct manifest_object *object = ones[i].object;
		const struct manifest_object *first = left ? ones[left - 1].object : NULL;
		if (!first || strcmp(first->identity, object->identity) != 0) {
			ones[left++] = ones[i];
			continue;
		}
		report_add(report, object->origin, "%s is left out: it stands in %s too",
			   object->identity, first->origin);
		set->n_twins++;
	}
	return left;
}

static int make_lists(struct manifest_set *set, const struct one *ones, size_t n)
{
	struct policy **policies = calloc(n + 1, sizeof(struct policy *));
	struct namespace **namespaces = calloc(n + 1, sizeof(struct namespace *));
	size_t n_policies = 0, n_namespaces = 0;
	int r = policies && namespaces ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (ones[i].object->policy)
			policies[n_policies++] = ones[i].object->policy;
		else
			namespaces[n_namespaces++] = ones[i].object->namespace;
	}
	if (r == 0)
		r = policy_list_new(policies, n_policies, &set->policies);
	if (r == 0)
		r = namespace_list_new(namespaces, n_namespaces, &set->namespaces);
	free(policies);
	free(namespaces);
	return r;
}

int manifest_set_finish(struct manifest_set *set, struct report *report)
{
	size_t n = collect(set, NULL);
	struct one *ones = calloc(n + 1, sizeof(*ones));

	if (!ones)
		return -ENOMEM;
	n = drop_twins(set, ones, collect(set, ones), report);
	int r = make_lists(set, ones, n);
	free(ones);
	return r;
}

static int is_manifest(const struct dirent *entry)
{
	static const char *const endings[] = {".yaml", ".yml", ".json"};
	size_t n = strlen(entry->d_name);

	if (entry->d_name[0] == '.')
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t tail = strlen(endings[i]);
		if (n > tail && !strcmp(entry->d_name + n - tail, endings[i]))
			return true;
	}
	return false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_file(struct manifest_set *set, const char *directory, const char *name,
		    const struct manifest_set *before, struct report *report)
{
	struct manifest *manifest = NULL;
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return -ENOMEM;
	int r = manifest_read(path, report, &manifest);
	if (r >= 0)
		r = manifest_set_add(set, path, manifest, before);
	free(path);
	return r;
}

int manifest_set_add_directory(struct manifest_set *set, const char *directory,
			       const struct manifest_set *before, struct report *report)
{
	struct dirent **entries;
	int n = scandir(directory, &entries, is_manifest, by_name), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	if (n > FILES_MAX) {
		report_add(report, directory, "holds %d files, at most %d are allowed", n,
			   FILES_MAX);
		r = -E2BIG;
	}
	for (int i = 0; i < n && r == 0; i++)
		r = add_file(set, directory, entries[i]->d_name, before, report);
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	return r;
}
