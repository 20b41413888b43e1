/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "ship/delivery.h"

/* Between delivery.c (batches, books, the timer) and delivery_send.c (requests and replies). */

void delivery_item_done(struct delivery *delivery, struct delivery_item *item);
void delivery_item_dead(struct delivery *delivery, struct delivery_item *item, const char *reason);
void delivery_fail(struct delivery *delivery, const char *problem, uint64_t delay_usec);
void delivery_succeed(struct delivery *delivery);
uint64_t delivery_backoff(const struct delivery *delivery);
void delivery_plan(struct delivery *delivery, uint64_t delay_usec);
bool delivery_is_planned(const struct delivery *delivery);

void delivery_send(struct delivery *delivery);
