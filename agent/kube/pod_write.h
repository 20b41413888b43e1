/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "base/json.h"
#include "kube/pod.h"

/* One Pod object, which pod_parse() makes the same value of. */
void pod_write(struct json *json, const struct pod *pod);
