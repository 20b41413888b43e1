/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "base/json.h"
#include "kube/policy.h"

/* The object that says what the policy says, without what was left out of it. */
void policy_write(struct json *json, const struct policy *policy);
