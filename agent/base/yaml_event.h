/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include <yaml.h>

/* It has an anchor or a tag, or is an alias. */
bool yaml_event_is_decorated(const yaml_event_t *event);
