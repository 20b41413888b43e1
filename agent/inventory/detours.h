/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>
#include <podfence/nft.h>

#include "inventory/snapshot.h"

/* Ways for packets past our hooks that neither link nor cgroup shows, as they were read last. */
struct detours {
	struct pf_flow_device *devices; /* of flowtables */
	size_t n_devices;
	char *ipvs; /* an IPVS service that leads out, a sentence without its end; NULL: none */
};

void detours_done(struct detours *detours);
bool detours_is_equal(const struct detours *a, const struct detours *b);

/* Says of an endpoint that was found that it is not covered, where packets of it may leave without having been
 * judged: by a BPF program on its link, a flowtable, an IPVS service. What is
 * judged of it stays judged. detours: NULL where they are not known. Pure. 0 or -ENOMEM. */
PF_MUST_CHECK int detours_judge(struct endpoint *endpoint, const struct node_view *view,
				const struct detours *detours);
