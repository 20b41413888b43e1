/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * podfence check: configuration files of both programs, policies and pod lists, told apart by what stands in them. An
 * object of Kubernetes says its kind; a list of pods is JSON and says so, or holds one. Policies of
 * several files are looked at together, as those of one directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "config/config.h"
#include "kube/manifest_set.h"
#include "kube/podlist.h"
#include "ship/config.h"

enum file_kind { FILE_CONFIG, FILE_SHIP_CONFIG, FILE_PODS, FILE_MANIFEST };

enum { GOOD = 0, NOT_AS_WRITTEN = 1, BAD = 2 };

static bool is_word(struct json_object *object, const char *key, const char *word)
{
	struct json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
	       json_object_object_get_ex(object, key, &value) &&
	       json_object_is_type(value, json_type_string) &&
	       !strcmp(json_object_get_string(value), word);
}

/* A list of pods, a list that begins with one, or what is no object of Kubernetes at all. */
static bool is_pod_list(struct json_object *root)
{
	struct json_object *items = NULL;
	bool is_array;

	if (is_word(root, "kind", "PodList") ||
	    !json_object_object_get_ex(root, "apiVersion", NULL) ||
	    !json_object_object_get_ex(root, "kind", NULL))
		return true;
	is_array = json_object_object_get_ex(root, "items", &items) &&
		   json_object_is_type(items, json_type_array);
	return is_word(root, "kind", "List") && is_array && json_object_array_length(items) &&
	       is_word(json_object_array_get_idx(items, 0), "kind", "Pod");
}

/* What begins with a brace can be YAML as well. */
static enum file_kind kind_of_braces(const char *path, const char *text)
{
	struct json_object *root = json_tokener_parse(text);
	const char *ending = strrchr(path, '.');
	bool is_yaml = ending && (!strcmp(ending, ".yaml") || !strcmp(ending, ".yml"));
	enum file_kind kind = is_yaml ? FILE_MANIFEST : FILE_PODS;

	if (json_object_is_type(root, json_type_object))
		kind = is_pod_list(root) ? FILE_PODS : FILE_MANIFEST;
	json_object_put(root);
	return kind;
}

/* No key of the configuration is called so. */
static bool has_object_key(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "apiVersion:", 11) || !strncmp(line, "kind:", 5) || *line == '{')
			return true;
	}
	return false;
}

static bool begins_with_key(const char *line, const char *path)
{
	size_t length = strcspn(path, ".");

	return !strncmp(line, path, length) && line[length] == ':';
}

/* The two configurations have no section in common. */
static bool has_ship_key(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (begins_with_key(line, "outputs"))
			return true;
		for (size_t i = 0; i < n_ship_keys; i++)
			if (begins_with_key(line, ship_keys[i].path))
				return true;
	}
	return false;
}

/* A negative errno where it cannot be read. What is too large for a manifest is a list of pods. */
static int kind_of(const char *path)
{
	enum file_kind kind = FILE_CONFIG;
	size_t length;
	char *text;
	int r = file_read(path, MANIFEST_MAX, &text, &length);

	if (r == -EFBIG)
		return FILE_PODS;
	if (r < 0)
		return r;
	const char *first = text + strspn(text, " \t\r\n");
	if (*first == '{')
		kind = kind_of_braces(path, first);
	else if (has_object_key(text))
		kind = FILE_MANIFEST;
	else if (has_ship_key(text))
		kind = FILE_SHIP_CONFIG;
	free(text);
	return kind;
}

static int check_config(const char *path, struct report *report)
{
	struct config *config;
	int r = config_read(path, report, &config);

	if (!r) {
		config_free(config);
		printf("%s: good\n", path);
	}
	return r;
}

static int check_ship_config(const char *path, struct report *report)
{
	struct ship_config *config;
	int r = ship_config_read(path, report, &config);

	if (!r) {
		ship_config_free(config);
		printf("%s: good\n", path);
	}
	return r;
}

static int check_pods(const char *path, struct report *report)
{
	struct pod_list *list;
	int r = podlist_read(path, NULL, report, &list);

	if (!r) {
		printf("%s: %zu pod%s, %zu refused\n", path, list->n_pods,
		       list->n_pods == 1 ? "" : "s", list->n_refused);
		r = list->n_refused > 0;
		pod_list_free(list);
	}
	return r;
}

static size_t count_policies(const struct manifest *manifest)
{
	size_t n = 0;

	for (size_t i = 0; i < manifest->n_objects; i++)
		n += manifest->objects[i].policy != NULL;
	return n;
}

static int check_manifest(const char *path, struct manifest_set *set, struct report *report,
			  int *ret_status)
{
	struct manifest *manifest;
	int r = manifest_read(path, report, &manifest);

	if (r < 0)
		return r;
	size_t n = count_policies(manifest);
	printf("%s: %zu polic%s, %zu refused\n", path, n, n == 1 ? "y" : "ies",
	       manifest->n_refused);
	if (manifest->n_refused || manifest->is_broken)
		*ret_status = BAD;
	else if (manifest->n_noted)
		*ret_status = NOT_AS_WRITTEN;
	return manifest_set_add(set, path, manifest, NULL);
}

static int check_file(const char *path, struct manifest_set *set)
{
	struct report report;
	int status = GOOD, kind = kind_of(path), r = kind;

	report_init(&report);
	if (kind == FILE_MANIFEST)
		r = check_manifest(path, set, &report, &status);
	else if (kind == FILE_PODS)
		r = check_pods(path, &report);
	else if (kind == FILE_CONFIG)
		r = check_config(path, &report);
	else if (kind == FILE_SHIP_CONFIG)
		r = check_ship_config(path, &report);
	report_print(&report, stderr);
	if (r < 0 && report_is_empty(&report))
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	report_done(&report);
	return r ? BAD : status;
}

/* What the files say only together. */
static int check_set(struct manifest_set *set)
{
	struct report report;

	report_init(&report);
	int r = manifest_set_finish(set, &report), status = set->n_twins ? BAD : GOOD;
	if (r == 0)
		policy_list_check(set->policies, &report);
	else
		fprintf(stderr, "podfence: %s\n", strerror(-r));
	report_print(&report, stderr);
	if (status == GOOD && !report_is_empty(&report))
		status = NOT_AS_WRITTEN;
	report_done(&report);
	return r < 0 ? BAD : status;
}

int cli_check(const struct cli *cli)
{
	struct manifest_set *set;
	int status = GOOD;

	if (manifest_set_new(&set) < 0) {
		fputs("podfence: out of memory\n", stderr);
		return BAD;
	}
	for (size_t i = 0; i < cli->n_arguments; i++) {
		int one = check_file(cli->arguments[i], set);
		status = one > status ? one : status;
	}
	int together = check_set(set);
	manifest_set_free(set);
	return together > status ? together : status;
}
