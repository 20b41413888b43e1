/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdio.h>

#include <json-c/json.h>

/* An Answer of io.podfence.Agent for a person; `destination` as he wrote it. */
void answer_print(struct json_object *answer, const char *destination, FILE *stream);
