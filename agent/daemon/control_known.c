/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * ListKnown: what the rules are decided on, as the objects of Kubernetes that it came from: the pods, the policies
 * and namespaces in force, and what networks are derived from. All of one time, however long the caller takes to
 * read: lists are shared and never change. */
#include <stdlib.h>

#include "daemon/control.h"
#include "kube/pod_write.h"
#include "kube/policy_write.h"

#define PIECE 50

int control_start_known(struct control_request *request)
{
	const struct daemon *daemon = request->userdata;
	struct control_known *known = request->state;
	int r = control_no_parameters(request);

	if (r != CONTROL_DONE)
		return r;
	known->pods = daemon->pods ? pod_list_ref(daemon->pods) : NULL;
	known->policies = daemon->policies.chosen ? policy_list_ref(daemon->policies.chosen) : NULL;
	known->namespaces = daemon->policies.namespaces
				    ? namespace_list_ref(daemon->policies.namespaces)
				    : NULL;
	return CONTROL_DONE;
}

void control_stop_known(struct control_request *request)
{
	struct control_known *known = request->state;

	pod_list_free(known->pods);
	policy_list_free(known->policies);
	namespace_list_free(known->namespaces);
}

/* The object of that number; false: there are no more. */
static bool write_object(const struct control_known *known, size_t at, struct json *reply)
{
	size_t n_pods = known->pods ? known->pods->n_pods : 0;
	size_t n_policies = known->policies ? known->policies->n_policies : 0;
	size_t n_namespaces = known->namespaces ? known->namespaces->n_namespaces : 0;

	if (at < n_pods)
		pod_write(reply, known->pods->pods[at]);
	else if ((at -= n_pods) < n_policies)
		policy_write(reply, known->policies->policies[at]);
	else if ((at -= n_policies) < n_namespaces)
		namespace_write(reply, known->namespaces->namespaces[at]);
	else
		return false;
	return true;
}

int control_list_known(struct control_request *request, struct json *reply)
{
	const struct daemon *daemon = request->userdata;
	struct control_known *known = request->state;
	bool has_more = true;

	json_array_begin(reply, "objects");
	for (size_t i = 0; i < PIECE && has_more; i++) {
		has_more = write_object(known, known->at, reply);
		known->at += has_more;
	}
	if (!has_more && daemon->cluster)
		cluster_write_networks(daemon->cluster, reply);
	json_array_end(reply);
	return has_more ? CONTROL_AGAIN : CONTROL_DONE;
}
