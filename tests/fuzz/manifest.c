/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a file of objects. The first byte cuts them in two: the version before and the one of
 * now. What is taken holds what policy.h promises, what is refused is said, and reading the same again
 * changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "kube/manifest_set.h"
#include "policies.h"

#include "fuzz.h"

static struct manifest *parse(const char *text, size_t length, struct report *report)
{
	struct manifest *manifest;
	char *exact = malloc(length ? length : 1);

	if (!exact)
		abort();
	memcpy(exact, text, length);
	int r = manifest_parse("f", exact, length, report, &manifest);
	free(exact);
	if (r < 0 || (r > 0) != manifest->is_broken ||
	    ((r > 0 || manifest->n_refused || manifest->n_noted) && report_is_empty(report)))
		abort();
	return manifest;
}

static struct manifest_set *read_one(const char *text, size_t length,
				     const struct manifest_set *before, struct report *report)
{
	struct manifest_set *set;

	if (manifest_set_new(&set) < 0 ||
	    manifest_set_add(set, "f", parse(text, length, report), before) < 0 ||
	    manifest_set_finish(set, report) < 0)
		abort();
	for (size_t i = 0; i < set->policies->n_policies; i++)
		policies_verify(set->policies->policies[i]);
	for (size_t i = 1; i < set->namespaces->n_namespaces; i++)
		if (strcmp(set->namespaces->namespaces[i - 1]->name,
			   set->namespaces->namespaces[i]->name) >= 0)
			abort();
	return set;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct report report;

	if (!length)
		return 0;
	const char *text = (const char *)bytes + 1;
	size_t cut = (length - 1) * bytes[0] / 256;
	report_init(&report);
	struct manifest_set *first = read_one(text, cut, NULL, &report);
	struct manifest_set *second = read_one(text + cut, length - 1 - cut, first, &report);
	struct manifest_set *again = read_one(text + cut, length - 1 - cut, second, &report);
	if (second->policies->n_policies != again->policies->n_policies)
		abort();
	for (size_t i = 0; i < again->policies->n_policies; i++)
		if (!policy_is_equal(second->policies->policies[i], again->policies->policies[i]))
			abort();
	manifest_set_free(first);
	manifest_set_free(second);
	manifest_set_free(again);
	report_done(&report);
	return 0;
}
