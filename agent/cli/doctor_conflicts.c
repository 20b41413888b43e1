/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The same ways past the rules that make an endpoint uncovered (inventory/detours), by the same readers, of the whole
 * node: an operator should know of them before a pod is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <podfence/nft.h>

#include "cli/doctor.h"
#include "node/ipvs.h"
#include "policy/leads_out.h"

#define NAMES_SHOW 4 /* of links; the rest is a number */

/* The names of links with such a program, uplinks apart: what comes in there is no pod's. How many there are. */
static size_t name_links(const struct snapshot *node, enum link_program program, char *names,
			 size_t size)
{
	size_t n = 0, length = 0;

	names[0] = '\0';
	for (size_t i = 0; i < node->view->n_links; i++) {
		const struct node_link *link = &node->view->links[i];
		if (link->program != program || snapshot_is_uplink(node, link->index))
			continue;
		if (n++ < NAMES_SHOW)
			length += (size_t)snprintf(names + length, size - length, "%s%s",
						   n > 1 ? ", " : "", link->name);
	}
	if (n > NAMES_SHOW)
		snprintf(names + length, size - length, " and %zu more", n - NAMES_SHOW);
	return n;
}

static void find_programs(struct doctor *doctor, const struct snapshot *node)
{
	char names[128];

	for (enum link_program program = LINK_PROGRAM_XDP; program < LINK_PROGRAM_N; program++)
		if (name_links(node, program, names, sizeof(names)))
			doctor_find(doctor, "eBPF", HEALTH_WARNING,
				    "with Cilium: bpf.hostLegacyRouting=true; otherwise see what "
				    "it is: bpftool net",
				    "a BPF program (%s) on %s may send its packets on past the "
				    "rules",
				    link_program_name(program), names);
	if (node->view->is_tcx_hidden)
		doctor_find(doctor, "eBPF", HEALTH_UNKNOWN, NULL,
			    "whether links have programs by tcx or netkit is not known: the kernel "
			    "did not let us ask");
}

static int find_flowtables(struct doctor *doctor)
{
	struct pf_flow_device *devices = NULL;
	struct pf_nft *nft;
	size_t n = 0;
	int r = pf_nft_open(&nft);

	if (r < 0)
		return r;
	r = pf_nft_flow_devices(nft, &devices, &n);
	pf_nft_free(nft);
	for (size_t i = 0; r == 0 && i < n; i++)
		doctor_find(doctor, "flowtable", HEALTH_PROBLEM,
			    "take the device out of the flowtable: a policy or quarantine does not "
			    "cut connections that are in it",
			    "%s of flowtable %s: established connections pass by the rules",
			    devices[i].device, devices[i].flowtable);
	free(devices);
	return r;
}

static int find_ipvs(struct doctor *doctor)
{
	char *text, *sentence;
	size_t length;
	int r = ipvs_read(&text, &length);

	if (r < 0)
		return r;
	r = ipvs_leads_out(doctor->config, NULL, text, length, &sentence);
	free(text);
	if (r == 0 && sentence)
		doctor_find(doctor, "IPVS", HEALTH_PROBLEM,
			    "what a service leads to is not judged: no external address may be an "
			    "endpoint of one",
			    "%s", sentence);
	free(r == 0 ? sentence : NULL);
	return r;
}

void doctor_conflicts(struct doctor *doctor, const struct snapshot *node)
{
	size_t before = json_object_array_length(doctor->findings);
	int r = find_flowtables(doctor);

	if (r == 0)
		r = find_ipvs(doctor);
	if (r < 0)
		doctor_find(doctor, "conflicts", HEALTH_UNKNOWN, NULL,
			    "what else could carry packets is not known: %s", strerror(-r));
	if (node)
		find_programs(doctor, node);
	if (node && json_object_array_length(doctor->findings) == before)
		doctor_find(doctor, "conflicts", HEALTH_OK, NULL,
			    "no flowtable, no BPF program at links, no IPVS service that leads "
			    "outside");
}
