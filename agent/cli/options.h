/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "config/config.h"

/* [--config FILE] and nothing else: reads that configuration. 0, or the exit status after the
 * reason was printed. */
int cli_config(int argc, char **argv, struct config **ret_config);
