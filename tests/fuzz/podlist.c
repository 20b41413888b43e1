/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a PodList, whole and in chunks of the size that the first byte says: both give the
 * same, and what is kept holds what pod.h promises. */
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "kube/podlist.h"

#include "fuzz.h"

static int read_in_chunks(const char *bytes, size_t length, size_t chunk, struct report *report,
			  struct pod_list **ret_list)
{
	struct podlist *podlist;
	int r = podlist_new("fuzz.json", NULL, report, &podlist);

	if (r < 0)
		abort();
	while (!r && length) {
		size_t n = chunk < length ? chunk : length;
		char *exact = malloc(n);
		if (!exact)
			abort();
		memcpy(exact, bytes, n);
		r = podlist_feed(podlist, exact, n);
		free(exact);
		bytes += n;
		length -= n;
	}
	if (!r)
		r = podlist_finish(podlist, ret_list);
	podlist_free(podlist);
	return r;
}

static void check_pod(const struct pod *pod)
{
	if (!name_is_label(pod->namespace) || !name_is_subdomain(pod->name) || !pod->uid[0] ||
	    !pod->cgroup_uid[0] || !pod->node || !pod->service_account || !pod->owner_kind ||
	    !pod->owner_name || !pod->owner_uid || !pod->workload_kind || !pod->workload_name ||
	    pod->is_finished)
		abort();
	for (size_t i = 0; i < pod->labels.n_labels; i++)
		if (i && strcmp(pod->labels.labels[i - 1].key, pod->labels.labels[i].key) >= 0)
			abort();
	for (size_t i = 0; i < pod->n_containers; i++)
		if (!name_is_label(pod->containers[i].name) || !pod->containers[i].image ||
		    !pod->containers[i].id[0] != !pod->containers[i].runtime[0])
			abort();
}

static void check_list(const struct pod_list *list)
{
	for (size_t i = 0; i < list->n_pods; i++) {
		const struct pod *pod = list->pods[i], *before = i ? list->pods[i - 1] : NULL;
		check_pod(pod);
		int order = before ? strcmp(before->namespace, pod->namespace) : -1;
		if (order > 0 || (!order && strcmp(before->name, pod->name) >= 0))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct pod_list *whole = NULL, *cut = NULL;
	struct report whole_report, cut_report;

	if (!length)
		return 0;
	report_init(&whole_report);
	report_init(&cut_report);
	const char *text = (const char *)bytes + 1;
	int r = read_in_chunks(text, length - 1, length, &whole_report, &whole);
	int same = read_in_chunks(text, length - 1, bytes[0] % 64 + 1u, &cut_report, &cut);
	if (r < 0 || r != same || whole_report.n_entries != cut_report.n_entries ||
	    (r && report_is_empty(&whole_report)))
		abort();
	for (size_t i = 0; i < whole_report.n_entries; i++)
		if (strcmp(whole_report.entries[i].text, cut_report.entries[i].text) != 0)
			abort();
	if (!r) {
		check_list(whole);
		if (whole->n_pods != cut->n_pods || whole->n_refused != cut->n_refused)
			abort();
	}
	pod_list_free(whole);
	pod_list_free(cut);
	report_done(&whole_report);
	report_done(&cut_report);
	return 0;
}
