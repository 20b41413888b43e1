/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "cli/cli.h"
#include "config/config.h"

/* Reads the configuration of --config, or the usual one. 0, or the exit status after the
 * reason was printed. */
PF_MUST_CHECK int cli_config(const struct cli *cli, struct config **ret_config);
