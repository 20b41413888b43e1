/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <podfence/attributes.h>

#include "kube/selector.h"

enum {
	SELECTOR_E_INVALID = 1,
};

/* The text that kubectl takes after -l: "tier=web,env in (prod,test),!legacy". Nothing selects everything.
 * 0; SELECTOR_E_INVALID, and ret_why says what is wrong, to follow the text; -ENOMEM. Pure. */
PF_MUST_CHECK int label_selector_parse(const char *text, struct label_selector *ret_selector,
				       const char **ret_why);
