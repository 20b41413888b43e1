/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "cli/offline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/near.h"
#include "cli/options.h"
#include "kube/last_known.h"
#include "kube/manifest_saved.h"
#include "kube/manifest_set.h"
#include "node/view.h"
#include "policy/own.h"

static int say(int r, struct report *report, const char *what)
{
	report_print(report, stderr);
	if (r < 0)
		fprintf(stderr, "podfence: %s: %s\n", what, strerror(-r));
	report_done(report);
	return r ? 2 : 0;
}

const char *offline_node(const struct config *config)
{
	static char host[256];

	if (config->node.name[0])
		return config->node.name;
	if (getenv("NODE_NAME"))
		return getenv("NODE_NAME");
	(void)gethostname(host, sizeof(host) - 1);
	return host;
}

/* Nothing is written: a damaged file is left where it is, for the agent to set aside. */
static int read_cluster(struct offline *offline)
{
	const char *directory = offline->config->state.directory;
	struct report report;
	size_t length;
	char *path, *text;

	if (offline->config->kubernetes.source == CONFIG_SOURCE_NONE || !directory[0])
		return 0;
	if (asprintf(&path, "%s/%s", directory, LAST_KNOWN_NAME) < 0)
		return cli_fail(2, "out of memory");
	report_init(&report);
	int r = file_read(path, LAST_KNOWN_MAX, &text, &length);
	if (r == 0) {
		r = last_known_parse(path, text, length, offline_node(offline->config), &report,
				     &offline->cluster);
		free(text);
	} else if (r == -ENOENT) {
		r = 0;
	}
	int status = say(r, &report, path);
	free(path);
	return status;
}

static int read_pods(const struct cli *cli, struct offline *offline)
{
	const char *path = cli_value(cli, "pods");
	struct report report;

	if (!path && offline->config->pods.file[0] &&
	    offline->config->kubernetes.source == CONFIG_SOURCE_NONE)
		path = offline->config->pods.file;
	report_init(&report);
	int r = 0;
	if (path)
		r = podlist_read(path, NULL, &report, &offline->pods);
	else if (offline->cluster)
		r = cluster_pods(offline->cluster, &offline->pods);
	else if (!(offline->pods = pod_list_empty()))
		r = -ENOMEM;
	return say(r, &report, path ? path : "pods");
}

/* What the agent starts from where a file of the directory is refused; NULL: nothing is known of it, which is no
 * error. That it cannot be read matters only then, and is said then. */
static struct manifest_set *read_last_good(const struct offline *offline, struct report *report,
					   char **ret_path, int *ret_error)
{
	const char *directory = offline->config->state.directory;
	struct manifest_set *set = NULL;
	size_t length;
	char *text;

	*ret_path = NULL;
	*ret_error = 0;
	if (!directory[0] || asprintf(ret_path, "%s/" MANIFEST_SAVED_NAME, directory) < 0)
		return NULL;
	int r = file_read(*ret_path, MANIFEST_SAVED_MAX, &text, &length);
	if (r == 0) {
		r = manifest_saved_parse(*ret_path, text, length, offline_node(offline->config),
					 report, &set);
		free(text);
	}
	*ret_error = r < 0 && r != -ENOENT ? r : 0;
	return set;
}

static bool is_any_refused(const struct manifest_set *set)
{
	for (size_t i = 0; i < set->n_files; i++)
		if (set->files[i].manifest->n_refused || set->files[i].manifest->is_broken)
			return true;
	return false;
}

static void report_kept(struct report *report, const struct manifest_set *set, const char *path,
			int error)
{
	size_t n = set->n_kept;

	if (n)
		report_add(report, path, "%zu object%s of refused files count%s as good last", n,
			   n == 1 ? "" : "s", n == 1 ? "s" : "");
	else if (error && is_any_refused(set))
		report_add(report, path, "%s; what is refused may be in force as it was good last",
			   strerror(-error));
}

/* As the agent reads it at its start. */
static int read_directory(const struct offline *offline, const char *directory,
			  struct report *report, struct manifest_set *set)
{
	char *path;
	int error;
	struct manifest_set *last_good = read_last_good(offline, report, &path, &error);
	int r = manifest_set_add_directory(set, directory, last_good, report);

	if (r == 0)
		report_kept(report, set, path, error);
	manifest_set_free(last_good);
	free(path);
	return r;
}

static int add_manifest(struct manifest_set *set, const char *path, struct report *report)
{
	struct manifest *manifest = NULL;
	int r = manifest_read(path, report, &manifest);

	return r < 0 ? r : manifest_set_add(set, path, manifest, NULL);
}

static int add_path(struct manifest_set *set, const char *path, struct report *report)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return manifest_set_add_directory(set, path, NULL, report);
	return add_manifest(set, path, report);
}

static int join(struct offline *offline, const struct manifest_set *files)
{
	struct policy_list *kept = NULL;
	struct namespace_list *known = NULL;
	int r = offline->cluster ? cluster_policies(offline->cluster, &kept) : 0;

	if (r == 0 && offline->cluster)
		r = cluster_namespaces(offline->cluster, &known);
	if (r == 0)
		r = policy_list_join(kept, files->policies, &offline->policies);
	if (r == 0)
		r = namespace_list_join(known, files->namespaces, &offline->namespaces);
	policy_list_free(kept);
	namespace_list_free(known);
	return r;
}

static int read_policies(const struct cli *cli, struct offline *offline)
{
	const char *named = cli_value(cli, "policies");
	const char *path = named ? named : offline->config->policies.directory;
	struct manifest_set *set = NULL;
	struct report report;

	report_init(&report);
	int r = manifest_set_new(&set);
	if (r == 0 && path[0])
		r = named ? add_path(set, path, &report)
			  : read_directory(offline, path, &report, set);
	if (r == 0)
		r = manifest_set_finish(set, &report);
	if (r == 0)
		r = join(offline, set);
	manifest_set_free(set);
	return say(r, &report, path);
}

int offline_derive(struct offline *offline)
{
	const struct network_facts facts = {.cluster = offline->cluster};

	if (offline->config->network.derive == CONFIG_OFF || !offline->cluster)
		return 0;
	return network_list_new(&facts, &offline->networks) < 0 ? cli_fail(2, "out of memory") : 0;
}

int offline_read(const struct cli *cli, struct offline *offline)
{
	int status = cli_config(cli, &offline->config);

	if (!status)
		status = read_cluster(offline);
	if (!status)
		status = read_pods(cli, offline);
	if (!status)
		status = read_policies(cli, offline);
	if (!status)
		status = offline_derive(offline);
	return status;
}

static int compare_pods(const void *a_pointer, const void *b_pointer)
{
	const struct pod *a = *(struct pod *const *)a_pointer, *b = *(struct pod *const *)b_pointer;
	int order = strcmp(a->namespace, b->namespace);

	return order ? order : strcmp(a->name, b->name);
}

int offline_add_pod(struct offline *offline, struct pod *pod)
{
	struct pod_list *list = pod_list_empty();
	size_t n = offline->pods->n_pods;

	if (list)
		list->pods = calloc(n + 1, sizeof(struct pod *));
	if (!list || !list->pods) {
		pod_free(pod);
		pod_list_free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		list->pods[list->n_pods++] = pod_ref(offline->pods->pods[i]);
	list->pods[list->n_pods++] = pod;
	qsort(list->pods, list->n_pods, sizeof(struct pod *), compare_pods);
	pod_list_free(offline->pods);
	offline->pods = list;
	return 0;
}

static bool is_same_object(const struct policy *a, const struct policy *b)
{
	bool is_network_policy = a->tier == POLICY_TIER_NETWORK_POLICY;

	return is_network_policy == (b->tier == POLICY_TIER_NETWORK_POLICY) &&
	       !strcmp(a->namespace, b->namespace) && !strcmp(a->name, b->name);
}

/* One that says what it said before stays what it is: nothing follows from it. */
static struct policy *find_successor(const struct policy *policy, const struct policy_list *by)
{
	for (size_t i = 0; i < by->n_policies; i++)
		if (is_same_object(policy, by->policies[i]))
			return by->policies[i];
	return NULL;
}

static bool is_new(const struct policy *policy, const struct policy_list *before)
{
	for (size_t i = 0; i < before->n_policies; i++)
		if (is_same_object(policy, before->policies[i]))
			return false;
	return true;
}

int offline_replace(struct offline *offline, const struct policy_list *policies)
{
	const struct policy_list *before = offline->policies;
	struct policy **all = calloc(before->n_policies + policies->n_policies + 1, sizeof(*all));
	struct policy_list *list;
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < before->n_policies; i++) {
		struct policy *next = find_successor(before->policies[i], policies);
		bool stays = !next || policy_means_same(before->policies[i], next);
		all[n++] = stays ? before->policies[i] : next;
	}
	for (size_t i = 0; i < policies->n_policies; i++)
		if (is_new(policies->policies[i], before))
			all[n++] = policies->policies[i];
	int r = policy_list_new(all, n, &list);
	free(all);
	if (r < 0)
		return r;
	policy_list_free(offline->policies);
	offline->policies = list;
	return 0;
}

static int make_endpoints(struct offline *offline)
{
	struct snapshot *snapshot = &offline->snapshot;
	size_t n = offline->pods->n_pods;

	free(snapshot->endpoints);
	snapshot->endpoints = calloc(n + 1, sizeof(*snapshot->endpoints));
	if (!snapshot->view)
		snapshot->view = calloc(1, sizeof(*snapshot->view));
	if (!snapshot->endpoints || !snapshot->view)
		return -ENOMEM;
	snapshot->networks = offline->networks;
	snapshot->n_endpoints = n;
	for (size_t i = 0; i < n; i++) {
		const struct pod *pod = offline->pods->pods[i];
		snapshot->endpoints[i] = (struct endpoint){
			.kind = pod->is_host_network ? ENDPOINT_HOST_POD : ENDPOINT_POD,
			.pod = pod,
			.reason = "",
		};
	}
	return 0;
}

int offline_decide(struct offline *offline)
{
	struct decision_input input = {
		.config = offline->config,
		.policies = offline->policies,
		.namespaces = offline->namespaces,
	};
	int r = make_endpoints(offline);

	if (r == 0 && !offline->own)
		r = own_policy_new("default.allow", &offline->config->fallback.allow, NULL,
				   &offline->own);
	input.own = offline->own;

	decisions_free(offline->decisions);
	offline->decisions = NULL;
	return r < 0 ? r : decisions_new(&input, &offline->snapshot, NULL, &offline->decisions);
}

void offline_done(struct offline *offline)
{
	decisions_free(offline->decisions);
	policy_free(offline->own);
	free(offline->snapshot.endpoints);
	free(offline->snapshot.view);
	network_list_free(offline->networks);
	namespace_list_free(offline->namespaces);
	policy_list_free(offline->policies);
	pod_list_free(offline->pods);
	cluster_free(offline->cluster);
	config_free(offline->config);
	*offline = (struct offline){};
}

static void say_near(const struct offline *offline, const char *wanted)
{
	const struct pod *nearest = NULL;
	unsigned best = 6;

	for (size_t i = 0; i < offline->pods->n_pods; i++) {
		const struct pod *pod = offline->pods->pods[i];
		char full[600];
		snprintf(full, sizeof(full), "%s/%s", pod->namespace, pod->name);
		unsigned distance = near_distance(wanted, full);
		if (distance < best) {
			best = distance;
			nearest = pod;
		}
	}
	if (nearest)
		cli_fail(2, "no pod %s; %s/%s?", wanted, nearest->namespace, nearest->name);
	else
		cli_fail(2, "no pod %s among %zu", wanted, offline->pods->n_pods);
}

const struct endpoint *offline_find(const struct cli *cli, const struct offline *offline,
				    const char *name)
{
	const char *namespace = cli_value(cli, "namespace");
	char full[600];

	if (!strncmp(name, "unit:", 5)) {
		cli_fail(2, "%s: units are found by a running podfenced alone", name);
		return NULL;
	}
	if (strchr(name, '/'))
		snprintf(full, sizeof(full), "%s", name);
	else
		snprintf(full, sizeof(full), "%s/%s", namespace ? namespace : "default", name);
	const char *slash = strchr(full, '/');
	for (size_t i = 0; i < offline->snapshot.n_endpoints; i++) {
		const struct pod *pod = offline->snapshot.endpoints[i].pod;
		if (strlen(pod->namespace) == (size_t)(slash - full) &&
		    !strncmp(pod->namespace, full, (size_t)(slash - full)) &&
		    !strcmp(pod->name, slash + 1))
			return &offline->snapshot.endpoints[i];
	}
	say_near(offline, full);
	return NULL;
}
