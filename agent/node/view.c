/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "node/view.h"

#include <stdlib.h>

#include "node/sandbox.h"

const char *link_program_name(enum link_program program)
{
	static const char *const names[LINK_PROGRAM_N] = {
		[LINK_PROGRAM_NONE] = "none",	  [LINK_PROGRAM_XDP] = "XDP",
		[LINK_PROGRAM_TC] = "tc",	  [LINK_PROGRAM_TCX] = "tcx",
		[LINK_PROGRAM_NETKIT] = "netkit",
	};

	return names[program];
}

struct node_view *node_view_free(struct node_view *view)
{
	if (!view)
		return NULL;
	for (size_t i = 0; i < view->n_netnses; i++)
		free(view->netnses[i].addresses);
	for (size_t i = 0; i < view->n_sandboxes; i++)
		sandbox_done(&view->sandboxes[i]);
	for (size_t i = 0; i < view->n_pod_roots; i++)
		free(view->pod_roots[i].path);
	for (size_t i = 0; i < view->n_units; i++)
		free(view->units[i].path);
	free(view->units);
	free(view->own_cgroup);
	free(view->links);
	free(view->routes);
	free(view->netnses);
	free(view->sandboxes);
	free(view->pod_roots);
	free(view);
	return NULL;
}

const struct node_link *node_view_link(const struct node_view *view, uint32_t index)
{
	size_t low = 0, high = view->n_links;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (view->links[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < view->n_links && view->links[low].index == index ? &view->links[low] : NULL;
}
