/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include "policy/verdict.h"

/* ADDRESS[:PORT[/PROTOCOL]] of a command line; a port without a protocol is one of TCP, and what has no port
 * matches only rules that ask for none. 0, or 2 after a message. */
PF_MUST_CHECK int cli_destination(const char *text, struct policy_packet *ret_packet);
