/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Quarantine, Release, ListQuarantines. The first two answer when the kernel has the change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/call.h"
#include "culprit/kill.h"
#include "daemon/control.h"
#include "daemon/quarantine.h"

#define ERROR_INVALID "io.podfence.Agent.QuarantineRefused"

static int refuse(struct control_request *request, const char *reason)
{
	json_string(control_fail(request, ERROR_INVALID), "reason", reason);
	return CONTROL_FAILED;
}

/* 0, or CONTROL_FAILED. */
static int read_allow(struct control_request *request, struct json_object *list,
		      struct prefix_list *allow)
{
	size_t n = list ? json_object_array_length(list) : 0;

	allow->prefixes = calloc(n ? n : 1, sizeof(*allow->prefixes));
	if (!allow->prefixes)
		return -ENOMEM;
	for (; allow->n_prefixes < n; allow->n_prefixes++) {
		struct pf_prefix *prefix = &allow->prefixes[allow->n_prefixes];
		const char *text =
			json_object_get_string(json_object_array_get_idx(list, allow->n_prefixes));
		if (pf_prefix_parse(text, prefix) != 0 || !prefix->length)
			return control_fail_parameter(request, "allow");
	}
	return 0;
}

static int make(struct control_request *request, const struct control_quarantine *wanted,
		struct quarantine *quarantine)
{
	uint64_t now = clock_usec(CLOCK_REALTIME);

	*quarantine = (struct quarantine){
		.namespace = strdup(wanted->namespace),
		.name = strdup(wanted->name),
		.reason = strdup(wanted->reason ? wanted->reason : ""),
		.since_usec = now,
		.until_usec = wanted->seconds ? now + wanted->seconds * 1000000u : 0,
		.keeps_probes = wanted->probes,
		.uid = request->caller->uid,
	};
	if (!quarantine->namespace || !quarantine->name || !quarantine->reason)
		return -ENOMEM;
	return read_allow(request, wanted->allow, &quarantine->allow);
}

int control_start_quarantine(struct control_request *request)
{
	static const struct call_field fields[] = {
		{"namespace", CALL_STRING, true, CONTROL_NAME_MAX,
		 offsetof(struct control_quarantine, namespace)},
		{"name", CALL_STRING, true, CONTROL_NAME_MAX,
		 offsetof(struct control_quarantine, name)},
		{"seconds", CALL_NUMBER, false, 10ull * 365 * 86400,
		 offsetof(struct control_quarantine, seconds)},
		{"reason", CALL_STRING, false, QUARANTINE_REASON_MAX,
		 offsetof(struct control_quarantine, reason)},
		{"allow", CALL_STRINGS, false, QUARANTINE_ALLOW_MAX,
		 offsetof(struct control_quarantine, allow)},
		{"probes", CALL_BOOL, false, 0, offsetof(struct control_quarantine, probes)},
		{"kill_sockets", CALL_BOOL, false, 0, offsetof(struct control_quarantine, kill)},
	};
	struct daemon *daemon = request->userdata;
	struct control_quarantine *wanted = request->state;
	struct quarantine quarantine = {};
	const char *bad;

	if (call_parameters(request->parameters, fields, sizeof(fields) / sizeof(fields[0]), wanted,
			    &bad) != 0)
		return control_fail_parameter(request, bad);
	if (!control_find_endpoint(request, wanted->namespace, wanted->name))
		return CONTROL_FAILED;
	int r = make(request, wanted, &quarantine);
	if (r != 0) {
		quarantine_done(&quarantine);
		return r;
	}
	wanted->works_before = daemon->n_works;
	r = quarantines_set(daemon, &quarantine, request->caller);
	return r == -ENOSPC ? refuse(request, "there are too many: release some first") : r;
}

int control_start_release(struct control_request *request)
{
	static const struct call_field fields[] = {
		{"namespace", CALL_STRING, true, CONTROL_NAME_MAX,
		 offsetof(struct control_quarantine, namespace)},
		{"name", CALL_STRING, true, CONTROL_NAME_MAX,
		 offsetof(struct control_quarantine, name)},
	};
	struct daemon *daemon = request->userdata;
	struct control_quarantine *wanted = request->state;
	const char *bad;

	if (call_parameters(request->parameters, fields, sizeof(fields) / sizeof(fields[0]), wanted,
			    &bad) != 0)
		return control_fail_parameter(request, bad);
	wanted->works_before = daemon->n_works;
	if (quarantines_release(daemon, wanted->namespace, wanted->name, request->caller))
		return CONTROL_DONE;
	const struct endpoint *endpoint = control_find_endpoint(request, wanted->namespace,
								wanted->name);
	if (!endpoint)
		return CONTROL_FAILED;
	return refuse(request,
		      quarantine_terms(NULL, endpoint).origin == QUARANTINE_LABELLED
			      ? "its label holds it: kubectl label pod NAME " QUARANTINE_LABEL "-"
			      : "it is in no quarantine");
}

/* What the kernel does about it. */
static const char *find_state(const struct daemon *daemon, const struct endpoint *endpoint)
{
	if (!endpoint)
		return "absent";
	if (daemon->failure[0])
		return "failed";
	bool is_known = endpoint->n_attachments ||
			(endpoint->kind != ENDPOINT_POD && endpoint->cgroup);
	return is_known ? "in-force" : "pending";
}

static const struct endpoint *find_endpoint(const struct daemon *daemon, const char *namespace,
					    const char *name)
{
	size_t i = control_find_behind(daemon->snapshot, namespace, name);

	if (i == 0)
		return NULL;
	const struct endpoint *endpoint = &daemon->snapshot->endpoints[i - 1];
	return !strcmp(endpoint_namespace(endpoint), namespace) &&
			       !strcmp(endpoint_name(endpoint), name)
		       ? endpoint
		       : NULL;
}

static void add_allow(struct json *json, const struct prefix_list *allow)
{
	char text[PF_PREFIX_TEXT];

	json_array_begin(json, "allow");
	for (size_t i = 0; allow && i < allow->n_prefixes; i++)
		json_string(json, NULL, pf_prefix_format(&allow->prefixes[i], text));
	json_array_end(json);
}

static void add_manual(struct json *json, const char *key, const struct daemon *daemon,
		       const struct quarantine *quarantine)
{
	const struct endpoint *endpoint = find_endpoint(daemon, quarantine->namespace,
							quarantine->name);

	json_object_begin(json, key);
	json_string(json, "namespace", quarantine->namespace);
	json_string(json, "name", quarantine->name);
	json_string(json, "origin", "manual");
	json_string(json, "state", find_state(daemon, endpoint));
	json_string(json, "reason", quarantine->reason);
	json_uint(json, "since_usec", quarantine->since_usec);
	json_uint(json, "until_usec", quarantine->until_usec);
	json_boolean(json, "probes", quarantine->keeps_probes);
	add_allow(json, &quarantine->allow);
	json_uint(json, "uid", quarantine->uid);
	json_boolean(json, "kept", daemon->quarantines.is_kept);
	json_object_end(json);
}

static void add_labelled(struct json *json, const struct daemon *daemon,
			 const struct endpoint *endpoint, const struct quarantine_terms *terms)
{
	json_object_begin(json, NULL);
	json_string(json, "namespace", endpoint->pod->namespace);
	json_string(json, "name", endpoint->pod->name);
	json_string(json, "origin", "label");
	json_string(json, "state", find_state(daemon, endpoint));
	json_string(json, "reason", "label " QUARANTINE_LABEL);
	json_uint(json, "since_usec", 0);
	json_uint(json, "until_usec", 0);
	json_boolean(json, "probes", terms->keeps_probes);
	add_allow(json, NULL);
	json_boolean(json, "kept", true);
	json_object_end(json);
}

/* Until the rules were made at least once since. */
static bool must_wait(const struct daemon *daemon, const struct control_quarantine *wanted)
{
	return daemon->n_works == wanted->works_before;
}

/* Whose connections end; false: nobody's that could be told. */
static bool find_target(const struct daemon *daemon, const struct endpoint *endpoint,
			struct kill_target *target)
{
	*target = (struct kill_target){.cgroup_root = daemon->config->node.cgroup_root,
				       .cgroup = endpoint->cgroup};
	if (endpoint->kind != ENDPOINT_POD)
		return endpoint->cgroup != 0;
	const struct node_view *view = daemon->snapshot->view;
	const struct node_sandbox *sandbox = endpoint->sandbox;
	if (!sandbox || sandbox->netns >= view->n_netnses || view->netnses[sandbox->netns].is_host)
		return false;
	target->netns = view->netnses[sandbox->netns].inode;
	target->pid = sandbox->pid;
	return true;
}

/* After the rules are in force: what is opened now gets nowhere. */
static void end_sockets(const struct daemon *daemon, const struct control_quarantine *wanted,
			struct json *reply)
{
	const struct endpoint *endpoint = find_endpoint(daemon, wanted->namespace, wanted->name);
	struct kill_target target;
	size_t n = 0;
	int r = -ESRCH;

	if (!wanted->kill)
		return;
	if (endpoint && find_target(daemon, endpoint, &target))
		r = kill_sockets(daemon->gate, &target, &n);
	json_uint(reply, "killed", n);
	if (r < 0)
		json_string(reply, "kill_failure",
			    r == -EOPNOTSUPP ? "this kernel cannot end sockets"
			    : r == -ESRCH    ? "its network namespace is not known"
			    : r == -EPERM    ? "the agent cannot enter network namespaces"
					     : strerror(-r));
}

int control_quarantine(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	const struct control_quarantine *wanted = request->state;
	const struct quarantine *quarantine = quarantine_find(&daemon->quarantines.list,
							      wanted->namespace, wanted->name);

	if (must_wait(daemon, wanted))
		return CONTROL_WAIT;
	if (!quarantine)
		return refuse(request, "somebody released it at the same time");
	if (daemon->failure[0])
		return refuse(request, daemon->failure);
	add_manual(reply, "quarantine", daemon, quarantine);
	end_sockets(daemon, wanted, reply);
	return CONTROL_DONE;
}

int control_release(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;

	if (must_wait(daemon, request->state))
		return CONTROL_WAIT;
	return daemon->failure[0] ? refuse(request, daemon->failure) : CONTROL_DONE;
}

/* There are at most QUARANTINE_MAX set by hand; of the labelled the first so many are told. */
int control_list_quarantines(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	const struct quarantine_list *list = &daemon->quarantines.list;
	const struct snapshot *snapshot = daemon->snapshot;
	size_t n = 0;

	json_array_begin(reply, "quarantines");
	for (size_t i = 0; i < list->n_items; i++)
		add_manual(reply, NULL, daemon, &list->items[i]);
	for (size_t i = 0; snapshot && i < snapshot->n_endpoints && n < QUARANTINE_MAX; i++) {
		struct quarantine_terms terms = quarantine_terms(list, &snapshot->endpoints[i]);
		if (terms.origin != QUARANTINE_LABELLED)
			continue;
		add_labelled(reply, daemon, &snapshot->endpoints[i], &terms);
		n++;
	}
	json_array_end(reply);
	return CONTROL_DONE;
}
