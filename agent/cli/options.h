/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "config/config.h"

/* [--config FILE] and nothing else: reads that configuration. 0, or the exit status after the
 * reason was printed. */
PF_MUST_CHECK int cli_config(int argc, char **argv, struct config **ret_config);
/* The same for commands that have to work when the configuration does not: the defaults, without a
 * word where there is no file and none was named, with the reason where it is refused. */
PF_MUST_CHECK int cli_config_or_default(int argc, char **argv, struct config **ret_config);
