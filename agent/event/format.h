/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "base/json.h"
#include "event/event.h"

/* What the writers of event lines share. */

/* Members that are always the same. */
#define RAW(json, literal) json_raw(json, NULL, literal, sizeof(literal) - 1)

void event_hex_add(struct json *json, const char *key, const uint8_t bytes[static 16]);
/* format_own.c: podfence.* */
void event_own_add(struct json *json, const struct event *event);
