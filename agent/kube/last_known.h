/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "base/report.h"
#include "kube/cluster.h"

/* What the API said last, as a file: names only, no id of a kernel, so that it is true after a
 * reboot too. One line that says what follows and its checksum, then a List. */

#define LAST_KNOWN_NAME "last-known-good.json"
#define LAST_KNOWN_MAX	(256u << 20)

enum {
	LAST_KNOWN_E_DAMAGED = 1, /* not to be used; the report says why */
};

/* Pure. `boot`: the kernel's boot id, for people who read the file. */
void last_known_format(const char *boot, const struct cluster *cluster, struct buffer *buffer);
PF_MUST_CHECK int last_known_parse(const char *place, const char *text, size_t length,
				   const char *node, struct report *report,
				   struct cluster **ret_cluster);

/* The file in `directory`, which is made where it is missing. Written whole beside it and renamed:
 * a reader, or the next start after a crash, sees the old or the new one. */
PF_MUST_CHECK int last_known_save(const char *directory, const struct buffer *text);
/* -ENOENT: there is none. A damaged one is set aside as NAME.damaged, which the report says. */
PF_MUST_CHECK int last_known_load(const char *directory, const char *node, struct report *report,
				  struct cluster **ret_cluster);
