/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Vectors were computed with Python's hmac, by DingTalk's description of its robots. */
#include "ship/note.h"

#include "test.h"
#include "text.h"

static void dingtalk_vectors(void **state)
{
	static const struct {
		const char *secret;
		uint64_t timestamp;
		const char *sign;
	} vectors[] = {
		{"this is secret", 1577262236757,
		 "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"},
		{"SEC0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		 1700000000000, "bTgY2yDbep%2BwesS7jKiNj%2BsrsHoADES4%2BC4f8LCHFtU%3D"},
		{"SECa", 1, "AkGYpBDztuo7Fdxe3ZawsDNNFZuNVEE9EI0mvRI%2FtRc%3D"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char sign[160];
		assert_int_equal(sign_dingtalk(vectors[i].secret, vectors[i].timestamp, sign), 0);
		assert_string_equal(sign, vectors[i].sign);
	}
}

static void webhook_vectors(void **state)
{
	static const struct {
		const char *secret;
		uint64_t timestamp;
		const char *body, *sign;
	} vectors[] = {
		/* printf '1700000000.{}' | openssl dgst -sha256 -hmac key */
		{"key", 1700000000, "{}",
		 "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"},
		{"", 0, "",
		 "sha256=b849d5a581847b281957065739df36df2463d1977ea8d6e1e4e6cf33fadc68c3"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char sign[72];
		assert_int_equal(sign_webhook(vectors[i].secret, vectors[i].timestamp,
					      vectors[i].body, strlen(vectors[i].body), sign),
				 0);
		assert_string_equal(sign, vectors[i].sign);
	}
}

/* A secret longer than a block of SHA-256 is hashed first; the room for the sign is enough. */
static void a_long_secret(void **state)
{
	char *secret = text_repeat("", "s", 5000, "");
	char sign[160], hook[72];

	assert_int_equal(sign_dingtalk(secret, UINT64_MAX, sign), 0);
	assert_true(strlen(sign) >= 44 && strlen(sign) <= 44 * 3);
	assert_int_equal(sign_webhook(secret, UINT64_MAX, secret, 5000, hook), 0);
	assert_int_equal(strlen(hook), 71);
	free(secret);
}

static void base64_is_padded(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""}, {"i", "aQ=="}, {"id", "aWQ="}, {"id:", "aWQ6"}, {"id:key", "aWQ6a2V5"}};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char text[16];
		sign_base64(pairs[i][0], strlen(pairs[i][0]), text);
		assert_string_equal(text, pairs[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dingtalk_vectors),
		cmocka_unit_test(webhook_vectors),
		cmocka_unit_test(a_long_secret),
		cmocka_unit_test(base64_is_padded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
