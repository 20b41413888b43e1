/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

/* Sentences on standard output as mdoc(7) wants them: each on a line of its own, lines filled, nothing that
 * could be taken for a request. */
void mdoc_print_text(const char *text);
