/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "base/report.h"
#include "kube/manifest_set.h"

/* What the files of policies.directory said when they were good, as a state file: one line that says what follows and
 * its checksum, then a line for each object. It is what the next agent starts from where a file is refused. */

#define MANIFEST_SAVED_NAME "last-good-policies.json"
#define MANIFEST_SAVED_MAX  (256u << 20)

enum {
	MANIFEST_SAVED_E_DAMAGED = 1, /* not to be used; the report says why */
};

/* Pure. `boot`: the kernel's boot id, for people who read the file. */
void manifest_saved_format(const char *boot, const char *node, const struct manifest_set *set,
			   struct buffer *buffer);
/* Pure. The set is not finished: it is there to be `before` of the next. */
PF_MUST_CHECK int manifest_saved_parse(const char *place, const char *text, size_t length,
				       const char *node, struct report *report,
				       struct manifest_set **ret_set);
