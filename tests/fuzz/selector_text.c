/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any text as a selector: one that is read holds only what a label can be, and can be asked. */
#include <stdlib.h>
#include <string.h>

#include "kube/selector_text.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct label_selector selector = {};
	const struct label_list none = {};
	const char *why = NULL;
	char *copy = strndup((const char *)bytes, length);

	if (!copy)
		abort();
	int r = label_selector_parse(copy, &selector, &why);
	free(copy);
	if (r < 0 || !r != !why)
		abort();
	for (size_t i = 0; i < selector.n_requirements; i++) {
		const struct label_requirement *one = &selector.requirements[i];
		bool has_values = one->operator== LABEL_IN || one->operator== LABEL_NOT_IN;
		if (!label_is_key(one->key) || has_values != !!one->n_values)
			abort();
		for (size_t k = 0; k < one->n_values; k++)
			if (!label_is_value(one->values[k]))
				abort();
	}
	label_selector_matches(&selector, &none);
	label_selector_done(&selector);
	return 0;
}
