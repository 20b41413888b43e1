/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "kube/namespace.h"
#include "kube/policy.h"

/* A file of Kubernetes objects, as one gives it to kubectl: YAML documents or JSON, lists of objects
 * among them. Policies and namespaces are taken, other kinds are named and passed over. */

#define MANIFEST_MAX	     (10u << 20) /* bytes */
#define MANIFEST_OBJECTS_MAX 10000

struct manifest_object {
	char *identity; /* "NetworkPolicy shop/web"; "" where it does not say */
	char *place;	/* in the file: "document 2", "document 1: items[3]" */
	char *origin;	/* with the file: "a.yaml: document 2" */
	bool is_refused;
	/* At most one of both; none: refused, or it says nothing about egress. */
	struct policy *policy;
	struct namespace *namespace;
};

struct manifest {
	struct manifest_object *objects;
	size_t n_objects, n_refused;
	size_t n_ignored; /* of other kinds */
	size_t n_noted;	  /* taken, and the report says something about them */
	bool is_broken;	  /* it could not be read to its end */
};

enum {
	MANIFEST_E_BROKEN = 1, /* what came before is there; the report says where it ends */
};

/* Pure. `path` stands before every message. ret_manifest is set with MANIFEST_E_BROKEN too. */
PF_MUST_CHECK int manifest_parse(const char *path, const char *text, size_t length,
				 struct report *report, struct manifest **ret_manifest);
/* A file of which nothing can be read. */
PF_MUST_CHECK int manifest_new_broken(struct manifest **ret_manifest);
/* From a file. One that cannot be read is broken, and the report says why. */
PF_MUST_CHECK int manifest_read(const char *path, struct report *report,
				struct manifest **ret_manifest);
struct manifest *manifest_free(struct manifest *manifest);
/* A reference to what the object gave, under its names; -ENOMEM. */
PF_MUST_CHECK int manifest_add(struct manifest *manifest, const struct manifest_object *object);
