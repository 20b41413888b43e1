/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "culprit/culprit.h"

/* Answers that outlive their question: one copy of each, however many flows have it. */

#define CULPRITS_KEPT_MAX 1024 /* different ones, of some 2 KB each */

struct culprit_store;

PF_MUST_CHECK int culprit_store_new(struct culprit_store **ret_store);
struct culprit_store *culprit_store_free(struct culprit_store *store); /* and all that is in it */
size_t culprit_store_count(const struct culprit_store *store);

/* A copy that lives until it was given back as often as it was taken. It is as long as its arguments are: to be read,
 * never copied as a struct. NULL: there is no memory, or no room. */
const struct culprit *culprit_store_take(struct culprit_store *store,
					 const struct culprit *culprit);
void culprit_store_give_back(struct culprit_store *store, const struct culprit *kept);

/* They say the same. Pure. */
bool culprit_equal(const struct culprit *a, const struct culprit *b);
