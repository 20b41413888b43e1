/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "base/report.h"

/* Files of the state directory: one line that says what follows and its checksum, then the body. */
struct state_head {
	const char *magic; /* "last-known-good" */
	uint64_t version;
	const char *node;
	const char *boot; /* the kernel's boot id, for people who read the file; not looked at */
};

/* Pure. */
void state_format(const struct state_head *head, const struct buffer *body, struct buffer *text);
/* Pure. What is wrong with the file; NULL: nothing, and the body is set. */
const char *state_problem(const struct state_head *head, const char *text, size_t length,
			  const char **ret_body, size_t *ret_length);

/* Into `directory`, which is made where it is missing. Written whole beside it and renamed: a reader, or the
 * next start after a crash, sees the old or the new one. */
PF_MUST_CHECK int state_save(const char *directory, const char *name, const struct buffer *text);
/* The same for what means nothing after a crash of the machine: nobody waits for the disk. */
PF_MUST_CHECK int state_save_loosely(const char *directory, const char *name,
				     const struct buffer *text);
/* A damaged one becomes NAME.damaged, which the report says of `path`. */
PF_MUST_CHECK int state_set_aside(const char *directory, const char *name, const char *path,
				  struct report *report);

#define STATE_BOOT_MAX 40
/* The kernel's; "" where it cannot be read. */
void state_boot_id(char boot[static STATE_BOOT_MAX]);
