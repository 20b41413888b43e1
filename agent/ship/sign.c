/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "ship/note.h"

static int hmac(const char *secret, const char *text, size_t length,
		unsigned char digest[static 32])
{
	unsigned n = 0;

	return HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, length,
		    digest, &n) &&
			       n == 32
		       ? 0
		       : -ENOMEM;
}

void sign_base64(const char *bytes, size_t length, char *text)
{
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes, (int)length);
}

int sign_dingtalk(const char *secret, uint64_t timestamp_ms, char sign[static 160])
{
	unsigned char digest[32], encoded[48];
	struct buffer text = BUFFER_INIT;

	buffer_add_uint(&text, timestamp_ms);
	buffer_add_char(&text, '\n');
	buffer_add_text(&text, secret);
	int r = text.is_broken ? -ENOMEM : hmac(secret, text.bytes, text.length, digest);
	buffer_done(&text);
	if (r < 0)
		return r;
	EVP_EncodeBlock(encoded, digest, sizeof(digest));
	for (const unsigned char *c = encoded; *c; c++)
		sign += *c == '+' || *c == '/' || *c == '=' ? sprintf(sign, "%%%02X", *c)
							    : sprintf(sign, "%c", *c);
	return 0;
}

int sign_webhook(const char *secret, uint64_t timestamp, const char *body, size_t length,
		 char sign[static 72])
{
	unsigned char digest[32];
	struct buffer text = BUFFER_INIT;

	buffer_add_uint(&text, timestamp);
	buffer_add_char(&text, '.');
	buffer_add(&text, body, length);
	int r = text.is_broken ? -ENOMEM : hmac(secret, text.bytes, text.length, digest);
	buffer_done(&text);
	if (r < 0)
		return r;
	sign += sprintf(sign, "sha256=");
	for (size_t i = 0; i < sizeof(digest); i++)
		sign += sprintf(sign, "%02x", digest[i]);
	return 0;
}
