/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "kube/selector.h"

#include <stdlib.h>
#include <string.h>

static bool has_value(const struct label_requirement *requirement, const char *value)
{
	for (size_t i = 0; i < requirement->n_values; i++)
		if (!strcmp(requirement->values[i], value))
			return true;
	return false;
}

static bool holds(const struct label_requirement *requirement, const struct label_list *labels)
{
	const char *value = label_list_find(labels, requirement->key);

	switch (requirement->operator) {
	case LABEL_IN: return value && has_value(requirement, value);
	case LABEL_NOT_IN: return !value || !has_value(requirement, value);
	case LABEL_EXISTS: return value;
	case LABEL_DOES_NOT_EXIST: return !value;
	}
	return false;
}

bool label_selector_matches(const struct label_selector *selector, const struct label_list *labels)
{
	for (size_t i = 0; i < selector->n_requirements; i++)
		if (!holds(&selector->requirements[i], labels))
			return false;
	return true;
}

void label_selector_done(struct label_selector *selector)
{
	for (size_t i = 0; i < selector->n_requirements; i++) {
		struct label_requirement *requirement = &selector->requirements[i];
		free(requirement->key);
		for (size_t k = 0; k < requirement->n_values; k++)
			free(requirement->values[k]);
		free(requirement->values);
	}
	free(selector->requirements);
	*selector = (struct label_selector){};
}

static bool is_same_requirement(const struct label_requirement *a,
				const struct label_requirement *b)
{
	if (a->operator!= b->operator|| a->n_values != b->n_values || strcmp(a->key, b->key) != 0)
		return false;
	for (size_t i = 0; i < a->n_values; i++)
		if (strcmp(a->values[i], b->values[i]) != 0)
			return false;
	return true;
}

bool label_selector_is_equal(const struct label_selector *a, const struct label_selector *b)
{
	if (a->n_requirements != b->n_requirements)
		return false;
	for (size_t i = 0; i < a->n_requirements; i++)
		if (!is_same_requirement(&a->requirements[i], &b->requirements[i]))
			return false;
	return true;
}
