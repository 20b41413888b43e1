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
