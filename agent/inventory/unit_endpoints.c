/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Units of the view to endpoints. A unit inside a unit is its own: the deepest counts, in the kernel as here.
 *
 * Exempt is podfence itself: the cgroup of this process, or the whole pod it runs in (so that the shipper
 * beside it in the pod is, too), and the shipper's service; and what an entry with mode off names. An exempt
 * cgroup costs each packet of the node a look, so only those are kept that stand inside something judged. */
#include "inventory/unit_endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t unit_rule_of(const struct unit_rule_list *rules, size_t glob)
{
	size_t i = 0;

	for (; i < rules->n_rules && glob >= rules->rules[i].match.n_strings; i++)
		glob -= rules->rules[i].match.n_strings;
	return i;
}

static const char *leaf(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_judged(const struct node_unit *unit, const struct unit_rule_list *rules)
{
	size_t rule = unit_rule_of(rules, unit->glob);

	return !unit->is_exempt && rule < rules->n_rules &&
	       rules->rules[rule].mode != CONFIG_MODE_OFF;
}

static int compare_to_path(const void *key, const void *unit)
{
	return strcmp(key, ((const struct node_unit *)unit)->path);
}

/* Some unit above it is judged. */
static bool is_inside(const struct node_view *view, const char *path,
		      const struct unit_rule_list *rules)
{
	char *above = strdup(path);
	bool is_found = !above; /* without memory: rather a look too many */

	for (char *slash; above && !is_found && (slash = strrchr(above, '/'));) {
		*slash = '\0';
		const struct node_unit *unit = bsearch(above, view->units, view->n_units,
						       sizeof(*unit), compare_to_path);
		is_found = unit && is_judged(unit, rules);
	}
	free(above);
	return is_found;
}

static int add_exempt(struct snapshot *snapshot, uint64_t cgroup, unsigned level)
{
	struct exempt_cgroup *grown = reallocarray(snapshot->exempt, snapshot->n_exempt + 1,
						   sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	snapshot->exempt = grown;
	grown[snapshot->n_exempt++] = (struct exempt_cgroup){cgroup, level};
	return 0;
}

const struct node_sandbox *own_sandbox(const struct node_view *view)
{
	for (size_t i = 0; view->own_cgroup && i < view->n_sandboxes; i++) {
		const char *path = view->sandboxes[i].path;
		size_t n = strlen(path);
		if (!strncmp(path, view->own_cgroup, n) &&
		    (view->own_cgroup[n] == '/' || !view->own_cgroup[n]))
			return &view->sandboxes[i];
	}
	return NULL;
}

static int exempt_all(struct snapshot *snapshot, const struct unit_rule_list *rules)
{
	const struct node_view *view = snapshot->view;
	const struct node_sandbox *own = own_sandbox(view);
	int r = own ? add_exempt(snapshot, own->cgroup, own->level) : 0;

	for (size_t i = 0; i < view->n_units && r == 0; i++)
		if (!is_judged(&view->units[i], rules) &&
		    is_inside(view, view->units[i].path, rules))
			r = add_exempt(snapshot, view->units[i].cgroup, view->units[i].level);
	return r;
}

static int endpoint_of(const struct node_unit *unit, size_t rule,
		       const struct unit_rule_list *rules, struct endpoint *endpoint)
{
	const struct unit_rule *said = &rules->rules[rule];

	*endpoint = (struct endpoint){
		.kind = ENDPOINT_UNIT,
		.index = (uint32_t)unit->cgroup,
		.cgroup = unit->cgroup,
		.level = unit->level,
		.coverage = said->mode == CONFIG_MODE_AUDIT ? COVERAGE_AUDIT : COVERAGE_ENFORCED,
		.reason = "",
		.unit = unit,
		.unit_rule = rule,
		.name = strdup(leaf(unit->path)),
		.group = strdup(said->name),
	};
	return endpoint->name && endpoint->group ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct endpoint *)a)->name, ((const struct endpoint *)b)->name);
}

/* Units of one name in two places are told apart by their paths. */
static int make_names_unique(struct endpoint *endpoints, size_t n)
{
	bool is_sorted = true;

	for (size_t begin = 0, end; begin < n; begin = end) {
		for (end = begin + 1;
		     end < n && !compare_names(&endpoints[begin], &endpoints[end]);)
			end++;
		for (size_t i = begin; end - begin > 1 && i < end; i++) {
			size_t length = strlen(endpoints[i].unit->path);
			char *path = malloc(length + 2);
			if (!path)
				return -ENOMEM;
			path[0] = '/';
			memcpy(path + 1, endpoints[i].unit->path, length + 1);
			is_sorted = false;
			free(endpoints[i].name);
			endpoints[i].name = path;
		}
	}
	if (!is_sorted)
		qsort(endpoints, n, sizeof(*endpoints), compare_names);
	return 0;
}

int unit_endpoints_make(struct snapshot *snapshot, const struct unit_rule_list *rules)
{
	const struct node_view *view = snapshot->view;
	struct endpoint *endpoints = snapshot->endpoints + snapshot->n_endpoints;
	size_t n = 0;

	for (size_t i = 0; i < view->n_units; i++) {
		const struct node_unit *unit = &view->units[i];
		if (!is_judged(unit, rules))
			continue;
		snapshot->n_endpoints++;
		if (endpoint_of(unit, unit_rule_of(rules, unit->glob), rules, &endpoints[n++]) < 0)
			return -ENOMEM;
	}
	if (n)
		qsort(endpoints, n, sizeof(*endpoints), compare_names);
	int r = make_names_unique(endpoints, n);
	return r == 0 ? exempt_all(snapshot, rules) : r;
}
