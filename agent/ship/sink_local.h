/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "ship/delivery.h"

/* A file: lines appended, moved to PATH.1 ... PATH.n by size. */
PF_MUST_CHECK int sink_file_write(struct delivery *delivery, const struct delivery_item *item);
void sink_file_close(struct delivery *delivery); /* the next line opens it anew */

/* The journal: the event's message with native fields, and the whole line as PODFENCE_EVENT. */
PF_MUST_CHECK int sink_journal_write(struct delivery *delivery, const struct delivery_item *item);
