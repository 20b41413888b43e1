/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "config/config.h"
#include "inventory/snapshot.h"
#include "node/view.h"

struct node_options cli_node_options(const struct config *config);
/* This node as it is now, without any pod. 0 or a negative errno. */
PF_MUST_CHECK int cli_look(const struct config *config, struct snapshot **ret_snapshot);
