/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ship/event.h"

/* The bodies that receivers for people want: pure functions of event lines that were parsed. */

/* What a person needs: who, what, where to, how often, by what, and how to look further. */
void note_slack(struct json_object *const *trees, size_t n, struct buffer *body);
void note_dingtalk(struct json_object *const *trees, size_t n, const char *keyword,
		   struct buffer *body);
/* resend_usec: an alert is taken for resolved when it is not told again for so long. */
void note_alertmanager(struct json_object *const *trees, size_t n, const char *cluster,
		       uint64_t resend_usec, struct buffer *body);

/* An event of events.k8s.io/v1: a new one, or what is changed of one that is there. */
struct note_kubernetes {
	char path[512]; /* below the server's URL */
	bool is_patch;
};
enum {
	NOTE_E_NOT_FOR_IT = 1, /* is about nothing that has an object */
};
/* is_anew: what would be changed is not there. */
PF_MUST_CHECK int note_kubernetes(struct json_object *tree, bool is_anew,
				  struct note_kubernetes *ret_note, struct buffer *body);

/* DingTalk: base64(HMAC-SHA256(secret, "TIMESTAMP\nSECRET")), escaped for a URL. */
PF_MUST_CHECK int sign_dingtalk(const char *secret, uint64_t timestamp_ms, char sign[static 160]);
void sign_base64(const char *bytes, size_t length, char *text); /* 4 for 3, and a NUL */
/* "sha256=HEX" of HMAC-SHA256(secret, "TIMESTAMP.BODY"). */
PF_MUST_CHECK int sign_webhook(const char *secret, uint64_t timestamp, const char *body,
			       size_t length, char sign[static 72]);
