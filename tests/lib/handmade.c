/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "handmade.h"

#include <stdlib.h>
#include <string.h>

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static char *copy(const char *text)
{
	return must(strdup(text ? text : ""));
}

static void *copy_array(const void *array, size_t n, size_t size)
{
	void *made = must(calloc(n + 1, size));

	if (n)
		memcpy(made, array, n * size);
	return made;
}

static void *grow(void *array, size_t n, size_t size)
{
	return must(realloc(array, (n + 1) * size));
}

static void replace(char **text, const char *value)
{
	free(*text);
	*text = copy(value);
}

struct pf_address handmade_address(const char *text)
{
	struct pf_address address;

	if (pf_address_parse(text, &address) < 0)
		abort();
	return address;
}

struct pod *handmade_pod(const char *namespace, const char *name, const char *uid,
			 bool is_host_network)
{
	struct pod *pod = must(calloc(1, sizeof(*pod)));

	*pod = (struct pod){
		.n_references = 1,
		.namespace = copy(namespace),
		.name = copy(name),
		.uid = copy(uid),
		.cgroup_uid = copy(uid),
		.node = copy("node-17"),
		.service_account = copy("default"),
		.owner_kind = copy(""),
		.owner_name = copy(""),
		.owner_uid = copy(""),
		.workload_kind = copy(""),
		.workload_name = copy(""),
		.is_host_network = is_host_network,
	};
	return pod;
}

void handmade_pod_owner(struct pod *pod, const char *kind, const char *name,
			const char *workload_kind, const char *workload_name)
{
	replace(&pod->owner_kind, kind);
	replace(&pod->owner_name, name);
	replace(&pod->workload_kind, workload_kind);
	replace(&pod->workload_name, workload_name);
}

void handmade_pod_label(struct pod *pod, const char *key, const char *value)
{
	struct label_list *list = &pod->labels;

	list->labels = grow(list->labels, list->n_labels, sizeof(*list->labels));
	list->labels[list->n_labels++] = (struct label){copy(key), copy(value)};
}

void handmade_pod_address(struct pod *pod, const char *text)
{
	pod->addresses = grow(pod->addresses, pod->n_addresses, sizeof(*pod->addresses));
	pod->addresses[pod->n_addresses++] = handmade_address(text);
}

void handmade_pod_container(struct pod *pod, const struct handmade_container *container)
{
	pod->containers = grow(pod->containers, pod->n_containers, sizeof(*pod->containers));
	pod->containers[pod->n_containers++] = (struct pod_container){
		.name = copy(container->name),
		.id = copy(container->id),
		.runtime = copy(container->runtime),
		.image = copy(container->image),
		.is_init = container->is_init,
	};
}

struct pod_list *handmade_pod_list(struct pod *const *pods, size_t n_pods)
{
	struct pod_list *list = must(pod_list_empty());

	list->pods = copy_array(pods, n_pods, sizeof(struct pod *));
	list->n_pods = n_pods;
	return list;
}

struct node_view *handmade_view(const struct node_view *model)
{
	struct node_view *view = copy_array(model, 1, sizeof(*view));

	view->links = copy_array(model->links, model->n_links, sizeof(*model->links));
	view->routes = copy_array(model->routes, model->n_routes, sizeof(*model->routes));
	view->netnses = copy_array(model->netnses, model->n_netnses, sizeof(*model->netnses));
	for (size_t i = 0; i < model->n_netnses; i++)
		view->netnses[i].addresses = copy_array(model->netnses[i].addresses,
							model->netnses[i].n_addresses,
							sizeof(struct node_address));
	view->sandboxes = copy_array(model->sandboxes, model->n_sandboxes,
				     sizeof(*model->sandboxes));
	for (size_t i = 0; i < model->n_sandboxes; i++) {
		struct node_sandbox *sandbox = &view->sandboxes[i];
		sandbox->path = copy(sandbox->path);
		sandbox->containers = copy_array(sandbox->containers, sandbox->n_containers,
						 sizeof(struct node_container));
	}
	view->pod_roots = copy_array(model->pod_roots, model->n_pod_roots,
				     sizeof(*model->pod_roots));
	for (size_t i = 0; i < model->n_pod_roots; i++)
		view->pod_roots[i].path = copy(view->pod_roots[i].path);
	view->units = copy_array(model->units, model->n_units, sizeof(*model->units));
	for (size_t i = 0; i < model->n_units; i++)
		view->units[i].path = copy(view->units[i].path);
	if (model->own_cgroup)
		view->own_cgroup = copy(model->own_cgroup);
	return view;
}
