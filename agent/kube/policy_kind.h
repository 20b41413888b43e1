/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "kube/object_store.h"

extern const struct object_store_kind network_policy_kind,
	cluster_network_policy_kind; /* of struct policy */
