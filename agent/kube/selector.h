/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kube/label.h"

/* metav1.LabelSelector as one list: matchLabels {k: v} is the requirement k In [v]. All must hold; an empty
 * list selects everything. */
enum label_operator { LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_DOES_NOT_EXIST };

struct label_requirement {
	char *key;
	enum label_operator operator;
	char **values; /* sorted */
	size_t n_values;
};

struct label_selector {
	struct label_requirement *requirements;
	size_t n_requirements;
};

/* As Kubernetes does it: NotIn and DoesNotExist hold where the key is missing. Pure. */
bool label_selector_matches(const struct label_selector *selector, const struct label_list *labels);
void label_selector_done(struct label_selector *selector);
bool label_selector_is_equal(const struct label_selector *a, const struct label_selector *b);
