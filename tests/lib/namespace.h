/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

/* Moves the calling process into a network and mount namespace of its own, with lo up and a private
 * /run/netns, so that nothing a test does reaches the machine. False where that is not allowed (no
 * root): the test then prints a TAP skip with the reason and exits 0 itself, so callers need only
 * call it first in main(). */
void namespace_enter_or_skip(void);

/* Runs a shell command; false and the command on stderr where it failed. */
bool namespace_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
