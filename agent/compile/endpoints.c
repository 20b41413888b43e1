/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Who is who, as elements. A link that leads to one pod needs only its ifindex: `guard` has proven
 * the source before. Behind a bridge the link is shared, so the pair (bridge, source) decides, and
 * the bridge table proves the pair (port, source). A host pod is its cgroup id.
 *
 * An endpoint that is not resolved has no element and therefore meets `pending`. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile/internal.h"

static void add_index(struct pf_set *set, uint32_t index)
{
	struct pf_key key = {};

	pf_key_add_u32(&key, index);
	pf_element_add(set, &key);
}

static void add_pair(struct pf_set *set, uint32_t link, const struct pf_address *address)
{
	struct pf_key key = {};

	pf_key_add_u32(&key, link);
	pf_key_add_address(&key, address);
	pf_element_add(set, &key);
}

/* Where nothing failed every set exists: the builder makes all look-ups of a failed ruleset moot.
 */
static struct pf_set *find(const struct compiler *compiler, const char *name)
{
	return compiler->inet ? pf_set_find(compiler->inet, name) : NULL;
}

static void add_node(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;
	struct pf_set *uplinks = find(compiler, UPLINKS), *roots = find(compiler, POD_ROOTS);

	for (size_t i = 0; i < snapshot->n_uplinks; i++) /* no set where they are few */
		add_index(uplinks, snapshot->uplinks[i]);
	for (size_t i = 0; i < snapshot->view->n_pod_roots; i++) {
		struct pf_key key = {};
		pf_key_add_u64(&key, snapshot->view->pod_roots[i].cgroup);
		pf_element_add(roots, &key);
	}
}

static void add_attachment(const struct compiler *compiler, const struct endpoint *endpoint,
			   const struct attachment *attachment)
{
	bool is_v4 = attachment->address.family == AF_INET;

	if (!attachment->port &&
	    snapshot_find_sole(compiler->snapshot, attachment->link) == endpoint)
		add_index(find(compiler, LINKS), attachment->link);
	else
		add_pair(find(compiler, is_v4 ? PODS4 : PODS6), attachment->link,
			 &attachment->address);
}

/* The chain of one audited host pod: its prefix says whose packet it was. */
static void add_tag(const struct compiler *compiler, const struct endpoint *endpoint,
		    const struct pf_key *cgroup)
{
	char name[PF_NAME_MAX];

	snprintf(name, sizeof(name), "tag-%x", endpoint->index);
	tail_add_tagged(compiler, pf_chain_add(compiler->inet, name), RULE_AUDIT, endpoint->index);
	pf_element_add_verdict(find(compiler, TAGS), cgroup, PF_GOTO, name);
}

static void add_host_pod(const struct compiler *compiler, const struct endpoint *endpoint)
{
	struct pf_key key = {};

	pf_key_add_u64(&key, endpoint->cgroup);
	pf_element_add(find(compiler, CGROUPS), &key);
	pf_element_add_mark(find(compiler, MARKS), &key, endpoint->index);
	if (compiler->is_audit)
		add_tag(compiler, endpoint, &key);
}

void compile_endpoints(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;

	if (!snapshot)
		return;
	add_node(compiler);
	for (size_t i = 0; i < snapshot->n_endpoints; i++) {
		const struct endpoint *endpoint = &snapshot->endpoints[i];
		bool is_resolved = endpoint->coverage == COVERAGE_ENFORCED ||
				   endpoint->coverage == COVERAGE_AUDIT;
		if (endpoint->kind == ENDPOINT_HOST_POD && is_resolved && endpoint->cgroup)
			add_host_pod(compiler, endpoint);
		for (size_t k = 0; k < endpoint->n_attachments; k++)
			add_attachment(compiler, endpoint, &endpoint->attachments[k]);
	}
}

/* What the bridge table knows of the same endpoints. */
void compile_bridge_endpoints(const struct compiler *compiler)
{
	const struct snapshot *snapshot = compiler->snapshot;
	struct pf_table *table = compiler->bridge;

	for (size_t i = 0; i < snapshot->n_endpoints; i++)
		for (size_t k = 0; k < snapshot->endpoints[i].n_attachments; k++) {
			const struct attachment *at = &snapshot->endpoints[i].attachments[k];
			bool is_v4 = at->address.family == AF_INET;
			struct pf_key key = {};
			if (!at->port)
				continue;
			add_index(pf_set_find(table, PORTS), at->port);
			add_pair(pf_set_find(table, is_v4 ? PORTS4 : PORTS6), at->port,
				 &at->address);
			pf_key_add_address(&key, &at->address);
			pf_element_add(pf_set_find(table, is_v4 ? ADDRESSES4 : ADDRESSES6), &key);
			if (is_v4)
				continue;
			add_pair(pf_set_find(table, TARGETS6), at->port, &at->address);
			pf_element_add(pf_set_find(table, ADVERTISED6), &key);
		}
}
