/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "policy/verdict.h"

#define RULING_NAME_MAX	  512 /* names of objects have up to 253 characters */
#define RULING_REASON_MAX 1024

/* "NetworkPolicy", "ClusterNetworkPolicy", "allow list" */
const char *policy_kind(const struct policy *policy);
const char *policy_tier_name(enum policy_tier tier);
/* Which of its policy's rules, from 0. */
size_t ruling_rule_index(const struct ruling *ruling);

/* For people and for rule.name: "NetworkPolicy/shop/egress", "ClusterNetworkPolicy/edge/2". "" where it rests
 * on the agent's default alone. Returns its buffer. */
const char *ruling_name(const struct ruling *ruling, char name[static RULING_NAME_MAX]);
/* One sentence. */
const char *ruling_reason(const struct ruling *ruling, char reason[static RULING_REASON_MAX]);
