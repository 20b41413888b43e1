/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "kube/manifest.h"

/* Several files as one: what they say together. Never changed once it is finished. */
struct manifest_file {
	char *path;
	struct manifest *manifest;
};

struct manifest_set {
	struct manifest_file *files; /* in the order they were added */
	size_t n_files;
	struct policy_list *policies; /* these two once it is finished */
	struct namespace_list *namespaces;
	size_t n_twins; /* objects that stand somewhere else already: left out */
	size_t n_kept;	/* objects of `before` that stay, because their successors are refused */
};

PF_MUST_CHECK int manifest_set_new(struct manifest_set **ret_set);
struct manifest_set *manifest_set_free(struct manifest_set *set);

/* Takes the manifest over, also when this fails. What `before` (or NULL) had of this file stays where
 * its successor is refused, and where the file cannot be read to its end. 0 or -ENOMEM. */
PF_MUST_CHECK int manifest_set_add(struct manifest_set *set, const char *path,
				   struct manifest *manifest, const struct manifest_set *before);
/* The files *.yaml, *.yml and *.json of a directory in the order of their names; a directory that is missing is
 * an empty one. Negative errno; what is wrong with a file stands in the report. */
PF_MUST_CHECK int manifest_set_add_directory(struct manifest_set *set, const char *directory,
					     const struct manifest_set *before,
					     struct report *report);
/* Names objects that stand twice; the first one counts. 0 or -ENOMEM. */
PF_MUST_CHECK int manifest_set_finish(struct manifest_set *set, struct report *report);
