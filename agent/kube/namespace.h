/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "kube/label.h"
#include "base/json.h"
#include "kube/store.h"

struct namespace
{
	char *name;
	struct label_list labels;
};

extern const struct store_kind namespace_kind; /* of struct namespace */
void namespace_write(struct json *json, const struct namespace *namespace);
