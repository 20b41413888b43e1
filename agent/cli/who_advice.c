/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The classic investigation, as commands to copy: find the pod, look at it, stop the controller that would make
 * it again, delete it; and our own answer, which is quicker. */
#include <ctype.h>
#include <string.h>

#include "cli/who.h"

#define ENDPOINTS_MAX 5 /* a page of advice is read by nobody */

/* Names go into a command line: what is no Kubernetes or unit name is not offered. */
static const char *word_of(struct json_object *item, const char *key)
{
	struct json_object *value = table_value(item, key);
	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	for (const char *c = text; c && *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._/@:\\", *c))
			return NULL;
	return text && text[0] && text[0] != '-' ? text : NULL;
}

/* `'` needs none of what word_of() lets through; a backslash (of unit names) does. */
static void print_unit(const char *unit, FILE *stream)
{
	fprintf(stream, "\nunit %s\n", unit);
	fprintf(stream, "  look           systemctl status '%s'; journalctl -u '%s'\n", unit, unit);
	fprintf(stream, "  stop it        systemctl stop '%s'\n", unit);
	fprintf(stream, "  cut it off     podfence quarantine 'unit:%s' --reason ...\n", unit);
}

/* What makes a pod again when it is deleted, as kubectl scales it. */
static void print_controller(const char *namespace, const char *workload, FILE *stream)
{
	if (!strncmp(workload, "daemonset/", 10) || !strncmp(workload, "job/", 4))
		fprintf(stream, "  stop it        kubectl -n %s delete %s   # it has no scale\n",
			namespace, workload);
	else if (!strncmp(workload, "cronjob/", 8))
		fprintf(stream,
			"  stop it        kubectl -n %s patch %s -p "
			"'{\"spec\":{\"suspend\":true}}'\n",
			namespace, workload);
	else
		fprintf(stream, "  stop it        kubectl -n %s scale %s --replicas=0\n", namespace,
			workload);
}

static void print_gone(struct json_object *item, const char *namespace, const char *name,
		       FILE *stream)
{
	const char *workload = word_of(item, "workload");

	fprintf(stream, "\npod %s/%s%s%s is no longer on this node\n", namespace, name,
		workload ? ", of " : "", workload ? workload : "");
	fprintf(stream, "  look           podfence events %s/%s\n", namespace, name);
	if (!workload)
		return;
	fprintf(stream, "                 kubectl -n %s describe %s\n", namespace, workload);
	print_controller(namespace, workload, stream);
}

static void print_pod(struct json_object *item, const char *namespace, const char *name,
		      FILE *stream)
{
	const char *workload = word_of(item, "workload"), *container = word_of(item, "container");
	struct json_object *here = table_value(item, "here");

	if (here && !json_object_get_boolean(here)) {
		print_gone(item, namespace, name, stream);
		return;
	}

	fprintf(stream, "\npod %s/%s%s%s\n", namespace, name, workload ? ", of " : "",
		workload ? workload : "");
	fprintf(stream, "  look           kubectl -n %s describe pod %s\n", namespace, name);
	fprintf(stream, "                 kubectl -n %s logs %s%s%s\n", namespace, name,
		container ? " -c " : " --all-containers", container ? container : "");
	fprintf(stream, "                 podfence events %s/%s\n", namespace, name);
	fprintf(stream, "  cut it off     podfence quarantine %s/%s --reason ...\n", namespace,
		name);
	if (workload)
		print_controller(namespace, workload, stream);
	fprintf(stream, "  delete it      kubectl -n %s delete pod %s%s\n", namespace, name,
		workload ? "   # its controller makes another one" : "");
	fprintf(stream,
		"                 kubectl -n %s delete pod %s --grace-period=0 --force   # where "
		"it hangs\n",
		namespace, name);
}

static bool is_same(struct json_object *a, struct json_object *b)
{
	static const char *const keys[] = {"namespace", "name", "unit"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *one = word_of(a, keys[i]), *other = word_of(b, keys[i]);
		if (!one != !other || (one && strcmp(one, other) != 0))
			return false;
	}
	return true;
}

static bool was_told(struct json_object *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_same(json_object_array_get_idx(items, i),
			    json_object_array_get_idx(items, n)))
			return true;
	return false;
}

void who_advise(struct json_object *items, FILE *stream)
{
	size_t n = json_object_array_length(items), told = 0, left = 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *namespace = word_of(item, "namespace"), *name = word_of(item, "name");
		const char *unit = word_of(item, "unit");
		if ((!unit && !(namespace && name)) || was_told(items, i))
			continue;
		if (told == ENDPOINTS_MAX) {
			left++;
			continue;
		}
		told++;
		if (unit)
			print_unit(unit, stream);
		else
			print_pod(item, namespace, name, stream);
	}
	if (left)
		fprintf(stream, "\nand %zu more endpoints\n", left);
}
