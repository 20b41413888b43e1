/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "config/config.h"
#include "kube/policy.h"

/* An allow list of the configuration as a policy of tier agent: one rule an entry, all Accept. `name` stands in
 * answers ("default.allow"). NULL in ret_policy where both lists are empty; `more` or NULL follows `list`. 0 or
 * -ENOMEM. */
PF_MUST_CHECK int own_policy_new(const char *name, const struct destination_list *list,
				 const struct destination_list *more, struct policy **ret_policy);

/* The allow lists of the configuration: default.allow, and for each entry of units its own and default.allow
 * together. */
struct own_policies {
	struct policy *fallback; /* NULL: none */
	struct policy **units;
	size_t n_units;
};

PF_MUST_CHECK int own_policies_make(const struct config *config, struct own_policies *ret_own);
void own_policies_done(struct own_policies *own);
