/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include <podfence/attributes.h>

/* A Status of io.podfence.Agent for a person. Pure but for the stream. 0 or -ENOMEM. */
PF_MUST_CHECK int status_print(struct json_object *status, uint64_t now_usec, bool has_colours,
			       FILE *stream);
/* The rules are what they should be, and nobody is left out. */
bool status_is_good(struct json_object *status);
/* The rules are in force, the last change among them, and who the pods are was heard: an agent may take the
 * place of another. Endpoints nothing can be done about do not count. */
bool status_is_ready(struct json_object *status);
