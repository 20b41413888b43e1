/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>

#include "base/buffer.h"
#include "http/client.h"
#include "ship/config.h"

/* The startup taint: whoever makes nodes gives them a taint (startupTaint.key), so that no pod is put
 * on a node before podfenced is ready there; here it is taken away. */
struct taint;

/* The configuration and the client outlive it. */
PF_MUST_CHECK int taint_new(const struct ship_config *config, struct http_client *http,
			    struct taint **ret_taint);
struct taint *taint_free(struct taint *taint);
/* podfenced is ready on this node. Called again and again; looks when it is time to, now is monotonic. */
void taint_look(struct taint *taint, const char *node, uint64_t now_usec);
/* Why it cannot be done; "": it can. */
const char *taint_problem(const struct taint *taint);

enum {
	TAINT_E_NONE = 1,	/* the node does not have it */
	TAINT_E_NOT_A_NODE = 2, /* the text is something else */
};
/* A Node object -> the JSON patch (RFC 6902) that takes away every taint of this key and nothing else: it
 * fails where somebody has changed the list meanwhile. Pure. Negative: -ENOMEM. */
PF_MUST_CHECK int taint_patch(const char *text, size_t length, const char *key,
			      struct buffer *patch);
