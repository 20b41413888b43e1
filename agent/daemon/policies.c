/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Files and API give lists that are never changed, so whether something has changed is a comparison
 * of pointers. What both sources say counts: a policy that stands in a file and in the API is there
 * twice. Of a namespace's labels the API knows better. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/diag.h"

static bool is_same_list(const struct policy_list *a, const struct policy_list *b)
{
	if (!a || a->n_policies != b->n_policies)
		return false;
	for (size_t i = 0; i < a->n_policies; i++)
		if (a->policies[i] != b->policies[i])
			return false;
	return true;
}

/* Said when it is another than before. */
static void say_order(struct policies *policies)
{
	struct buffer text = BUFFER_INIT;
	struct report report;

	report_init(&report);
	policy_list_check(policies->list, &report);
	for (size_t i = 0; i < report.n_entries; i++)
		buffer_add_text(&text, report.entries[i].text);
	buffer_add_char(&text, '\0');
	if (!text.is_broken && strcmp(text.bytes, policies->said ? policies->said : "") != 0) {
		diag_policies_order(&report);
		free(policies->said);
		policies->said = strdup(text.bytes);
	}
	buffer_done(&text);
	report_done(&report);
}

static int join_policies(struct policies *policies, const struct policy_list *from_api)
{
	const struct policy_list *from_files = policies->files ? policies->files->policies : NULL;
	struct policy_list *list;
	int r = policy_list_join(from_api, from_files, &list);

	if (r < 0)
		return r;
	if (is_same_list(policies->list, list)) {
		policy_list_free(list);
		return 0;
	}
	policy_list_free(policies->list);
	policies->list = list;
	say_order(policies);
	return 0;
}

/* A namespace for each name that occurs, of which nobody has told anything else. */
static int name_namespaces(const struct pod_list *pods, struct namespace **namespaces, size_t *n)
{
	const char *last = "";

	for (size_t i = 0; pods && i < pods->n_pods; i++) { /* sorted by namespace */
		const char *name = pods->pods[i]->namespace;
		if (!strcmp(name, last))
			continue;
		int r = namespace_new(name, &namespaces[*n]);
		if (r < 0)
			return r;
		(*n)++;
		last = name;
	}
	return 0;
}

static bool is_same_namespaces(const struct namespace_list *a, const struct namespace_list *b)
{
	if (!a || a->n_namespaces != b->n_namespaces)
		return false;
	for (size_t i = 0; i < a->n_namespaces; i++)
		if (strcmp(a->namespaces[i]->name, b->namespaces[i]->name) != 0 ||
		    !label_list_is_equal(&a->namespaces[i]->labels, &b->namespaces[i]->labels))
			return false;
	return true;
}

static size_t copy_namespaces(struct namespace **to, const struct namespace_list *list)
{
	for (size_t i = 0; list && i < list->n_namespaces; i++)
		to[i] = list->namespaces[i];
	return list ? list->n_namespaces : 0;
}

static int join_namespaces(struct daemon *daemon, const struct namespace_list *from_api)
{
	struct policies *policies = &daemon->policies;
	const struct namespace_list *from_files = policies->files ? policies->files->namespaces
								  : NULL;
	struct namespace_list *list = NULL;
	size_t n_pods = daemon->pods ? daemon->pods->n_pods : 0;
	size_t n_told = (from_api ? from_api->n_namespaces : 0) +
			(from_files ? from_files->n_namespaces : 0);
	struct namespace **all = calloc(n_told + n_pods + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	size_t n = copy_namespaces(all, from_api), first;
	n += copy_namespaces(all + n, from_files);
	first = n;
	int r = name_namespaces(daemon->pods, all, &n);
	if (r == 0)
		r = namespace_list_new(all, n, &list);
	while (n > first)
		namespace_free(all[--n]);
	free(all);
	if (r < 0)
		return r;
	if (is_same_namespaces(policies->namespaces, list)) {
		namespace_list_free(list);
		return 0;
	}
	namespace_list_free(policies->namespaces);
	policies->namespaces = list;
	return 0;
}

/* NULL where there is no API. */
static int ask_cluster(struct daemon *daemon, struct policy_list **ret_policies,
		       struct namespace_list **ret_namespaces)
{
	*ret_policies = NULL;
	*ret_namespaces = NULL;
	if (!daemon->cluster)
		return 0;
	int r = cluster_policies(daemon->cluster, ret_policies);
	return r < 0 ? r : cluster_namespaces(daemon->cluster, ret_namespaces);
}

/* Takes over what it has been made of now. */
static void remember(struct daemon *daemon, struct policy_list *list,
		     struct namespace_list *namespaces)
{
	struct policies *policies = &daemon->policies;

	policy_list_free(policies->list_used);
	namespace_list_free(policies->namespaces_used);
	pod_list_free(policies->pods_used);
	policies->list_used = list;
	policies->namespaces_used = namespaces;
	policies->pods_used = daemon->pods ? pod_list_ref(daemon->pods) : NULL;
	policies->files_used = policies->files_version;
	policies->is_made = true;
}

int policies_now(struct daemon *daemon, struct policies_now *ret_now)
{
	struct policies *policies = &daemon->policies;
	struct namespace_list *namespaces;
	struct policy_list *list;
	int r = ask_cluster(daemon, &list, &namespaces);
	bool is_as_before = policies->is_made && policies->files_used == policies->files_version;

	if (r == 0 && !(is_as_before && list == policies->list_used))
		r = join_policies(policies, list);
	if (r == 0 && !(is_as_before && namespaces == policies->namespaces_used &&
			daemon->pods == policies->pods_used))
		r = join_namespaces(daemon, namespaces);
	if (r < 0) {
		policy_list_free(list);
		namespace_list_free(namespaces);
		return r;
	}
	remember(daemon, list, namespaces);
	policies->chosen = confirm_choose(daemon, policies->list);
	*ret_now = (struct policies_now){policies->chosen, policies->namespaces};
	return 0;
}

void policies_done(struct daemon *daemon)
{
	struct policies *policies = &daemon->policies;

	sd_event_source_disable_unref(policies->source);
	if (policies->watch >= 0)
		close(policies->watch);
	manifest_set_free(policies->files);
	buffer_done(&policies->files_kept);
	policy_list_free(policies->list);
	namespace_list_free(policies->namespaces);
	policy_list_free(policies->list_used);
	namespace_list_free(policies->namespaces_used);
	pod_list_free(policies->pods_used);
	free(policies->said);
}
