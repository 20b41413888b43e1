/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

/* A text against the file of this name below $TEST_GOLDEN; with UPDATE_GOLDEN set the file is written instead. */
void assert_golden(const char *name, const char *text);
