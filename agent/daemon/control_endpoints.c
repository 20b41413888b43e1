/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * ListEndpoints: a piece of the list a turn. Between two of them the snapshot may be another, so the place is
 * kept as the name that was told last: endpoints are sorted by it. */
#include "daemon/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "control/call.h"
#include "policy/ruling_text.h"

#define PIECE	     50
#define NEAR_MAX     5
#define LABELS_SHOWN 64
int control_start_endpoints(struct control_request *request)
{
	static const struct call_field fields[] = {
		{"namespace", CALL_STRING, false, CONTROL_NAME_MAX,
		 offsetof(struct control_endpoints, namespace)},
		{"name", CALL_STRING, false, CONTROL_NAME_MAX,
		 offsetof(struct control_endpoints, name)},
		{"unresolved", CALL_BOOL, false, 0,
		 offsetof(struct control_endpoints, only_unresolved)},
	};
	const char *bad;

	if (call_parameters(request->parameters, fields, sizeof(fields) / sizeof(fields[0]),
			    request->state, &bad) != 0)
		return control_fail_parameter(request, bad);
	return CONTROL_DONE;
}

static int compare(const struct endpoint *endpoint, const char *namespace, const char *name)
{
	int order = strcmp(endpoint_namespace(endpoint), namespace);

	return order ? order : strcmp(endpoint_name(endpoint), name);
}

size_t control_find_behind(const struct snapshot *snapshot, const char *namespace, const char *name)
{
	size_t low = 0, high = snapshot ? snapshot->n_endpoints : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&snapshot->endpoints[middle], namespace, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_wanted(const struct control_endpoints *list, const struct endpoint *endpoint)
{
	if (list->namespace && strcmp(list->namespace, endpoint_namespace(endpoint)) != 0)
		return false;
	if (list->name && strcmp(list->name, endpoint_name(endpoint)) != 0)
		return false;
	return !list->only_unresolved || endpoint->coverage == COVERAGE_PENDING ||
	       endpoint->coverage == COVERAGE_UNCOVERED;
}

static const char *if_set(const char *text)
{
	return text && text[0] ? text : NULL;
}

static void add_links(struct json *json, const struct snapshot *snapshot,
		      const struct endpoint *endpoint)
{
	uint32_t last = 0;

	json_array_begin(json, "links");
	for (size_t i = 0; i < endpoint->n_attachments; i++) {
		const struct attachment *at = &endpoint->attachments[i];
		uint32_t index = at->port ? at->port : at->link;
		const struct node_link *link = node_view_link(snapshot->view, index);
		if (link && index != last)
			json_string_n(json, NULL, link->name,
				      strnlen(link->name, sizeof(link->name)));
		last = index;
	}
	json_array_end(json);
}

static void add_addresses(struct json *json, const struct endpoint *endpoint)
{
	json_array_begin(json, "addresses");
	if (endpoint->n_attachments)
		for (size_t i = 0; i < endpoint->n_attachments; i++)
			json_address(json, NULL, &endpoint->attachments[i].address);
	else if (endpoint->pod)
		for (size_t i = 0; i < endpoint->pod->n_addresses; i++)
			json_address(json, NULL, &endpoint->pod->addresses[i]);
	json_array_end(json);
}

static void add_labels(struct json *json, const struct pod *pod)
{
	json_object_begin(json, "labels");
	for (size_t i = 0; i < pod->labels.n_labels && i < LABELS_SHOWN; i++)
		json_string_keyed(json, pod->labels.labels[i].key, pod->labels.labels[i].value);
	json_object_end(json);
}

static void add_pod_facts(struct json *json, const struct pod *pod)
{
	json_string(json, "workload_kind", if_set(pod->workload_kind));
	json_string(json, "workload_name", if_set(pod->workload_name));
	json_string(json, "service_account", if_set(pod->service_account));
	add_labels(json, pod);
}

static void add_policies(struct json *json, const struct daemon *daemon,
			 const struct endpoint *endpoint)
{
	const struct decision *decision =
		daemon->decisions ? decisions_of(daemon->decisions, daemon->snapshot, endpoint)
				  : NULL;
	char name[RULING_NAME_MAX];

	json_array_begin(json, "policies");
	for (size_t i = 0; decision && i < decision->n_policies; i++) {
		const struct ruling ruling = {.policy = decision->policies[i]};
		json_string(json, NULL, ruling_name(&ruling, name));
	}
	json_array_end(json);
}

static void add_endpoint(struct json *json, const struct daemon *daemon,
			 const struct endpoint *endpoint)
{
	static const char *const origins[] = {
		[QUARANTINE_NONE] = NULL,
		[QUARANTINE_MANUAL] = "manual",
		[QUARANTINE_LABELLED] = "label",
	};
	static const char *const coverages[] = {
		[COVERAGE_ENFORCED] = "enforced",
		[COVERAGE_AUDIT] = "audit",
		[COVERAGE_PENDING] = "pending",
		[COVERAGE_UNCOVERED] = "uncovered",
	};
	const struct quarantine_list *list = &daemon->quarantines.list;
	const struct pod *pod = endpoint->pod;

	json_object_begin(json, NULL);
	json_string(json, "kind", endpoint_kind_name(endpoint));
	json_string(json, "namespace", endpoint_namespace(endpoint));
	json_string(json, "name", endpoint_name(endpoint));
	json_string(json, "uid", pod ? pod->uid : "");
	json_string(json, "coverage", coverages[endpoint->coverage]);
	json_string(json, "reason", if_set(endpoint->reason));
	json_string(json, "quarantine", origins[quarantine_terms(list, endpoint).origin]);
	add_policies(json, daemon, endpoint);
	json_uint(json, "index", endpoint->index);
	json_uint(json, "cgroup", endpoint->cgroup);
	add_addresses(json, endpoint);
	add_links(json, daemon->snapshot, endpoint);
	if (pod)
		add_pod_facts(json, pod);
	json_object_end(json);
}

int control_list_endpoints(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	const struct snapshot *snapshot = daemon->snapshot;
	struct control_endpoints *list = request->state;
	size_t i = 0, n = 0;

	if (!list->has_begun && list->namespace && list->name &&
	    !control_find_endpoint(request, list->namespace, list->name))
		return CONTROL_FAILED;
	json_array_begin(reply, "endpoints");
	if (snapshot && list->has_begun)
		i = control_find_behind(snapshot, list->last_namespace, list->last_name);
	list->has_begun = true;
	/* Those that are passed over count too: a turn is bounded. */
	for (; snapshot && i < snapshot->n_endpoints && n < PIECE; i++, n++)
		if (is_wanted(list, &snapshot->endpoints[i]))
			add_endpoint(reply, daemon, &snapshot->endpoints[i]);
	json_array_end(reply);
	if (!snapshot || i == snapshot->n_endpoints)
		return CONTROL_DONE;
	const struct endpoint *last = &snapshot->endpoints[i - 1];
	strncpy(list->last_namespace, endpoint_namespace(last), CONTROL_NAME_MAX);
	strncpy(list->last_name, endpoint_name(last), CONTROL_NAME_MAX);
	return CONTROL_AGAIN;
}

struct near {
	unsigned distance;
	const struct endpoint *endpoint;
};

/* Names of the right namespace are nearer than any other. */
static void find_near(const struct snapshot *snapshot, const char *namespace, const char *name,
		      struct near near[static NEAR_MAX], size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; snapshot && i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		const char *known = endpoint_name(endpoint);
		bool is_beginning = name[0] && !strncmp(known, name, strlen(name));
		unsigned d = is_beginning ? 1 : near_distance(known, name);
		d += near_distance(endpoint_namespace(endpoint), namespace);
		if (d > (strlen(name) + strlen(namespace)) / 2 + 1)
			continue;
		size_t at = n < NEAR_MAX ? n++ : NEAR_MAX;
		for (; at > 0 && near[at - 1].distance > d; at--)
			if (at < NEAR_MAX)
				near[at] = near[at - 1];
		if (at < NEAR_MAX)
			near[at] = (struct near){d, endpoint};
	}
	*ret_n = n;
}

const struct endpoint *control_find_endpoint(struct control_request *request, const char *namespace,
					     const char *name)
{
	const struct daemon *daemon = request->userdata;
	const struct snapshot *snapshot = daemon->snapshot;
	struct near near[NEAR_MAX];
	size_t n;

	size_t i = control_find_behind(snapshot, namespace, name);
	if (i > 0 && compare(&snapshot->endpoints[i - 1], namespace, name) == 0)
		return &snapshot->endpoints[i - 1];
	find_near(snapshot, namespace, name, near, &n);
	struct json *error = control_fail(request, "io.podfence.Agent.NoSuchEndpoint");
	json_string(error, "namespace", namespace);
	json_string(error, "name", name);
	json_array_begin(error, "near");
	for (size_t k = 0; k < n; k++) {
		char text[2 * CONTROL_NAME_MAX + 2];
		const char *in = endpoint_namespace(near[k].endpoint);
		int length = snprintf(text, sizeof(text), "%s%s%s", in[0] ? in : "unit",
				      in[0] ? "/" : ":", endpoint_name(near[k].endpoint));
		json_string_n(error, NULL, text, (size_t)length);
	}
	json_array_end(error);
	return NULL;
}
