/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "config/config.h"
#include "inventory/snapshot.h"

/* Endpoints of the units in the view, sorted by name, into the snapshot's list, which has room for
 * view->n_units more; whoever is exempt into its list. Pure. 0 or -ENOMEM. */
PF_MUST_CHECK int unit_endpoints_make(struct snapshot *snapshot,
				      const struct unit_rule_list *rules);

/* The pod this process runs in; NULL where in none. */
const struct node_sandbox *own_sandbox(const struct node_view *view);

/* The entry of the configuration that has this glob; n_rules: none. */
size_t unit_rule_of(const struct unit_rule_list *rules, size_t glob);
