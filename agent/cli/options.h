/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "cli/cli.h"
#include "config/config.h"

/* Reads the configuration of --config, or the usual one. 0, or the exit status after the
 * reason was printed. */
PF_MUST_CHECK int cli_config(const struct cli *cli, struct config **ret_config);
/* The same for commands that have to work when the configuration does not: the defaults, without a
 * word where there is no file and none was named, with the reason where it is refused. */
PF_MUST_CHECK int cli_config_or_default(const struct cli *cli, struct config **ret_config);
