/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

/* How far two names are from each other: edit distance without regard to case; of long texts the beginnings
 * are compared. */
unsigned near_distance(const char *a, const char *b);
