/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include <json-c/json.h>
#include <stdio.h>

#include "base/address_text.h"
#include "base/json.h"
#include "base/siphash.h"

#include "test.h"

static void structure_is_written(void **state)
{
	struct buffer buffer = BUFFER_INIT;
	struct json json;
	struct pf_address address;

	assert_int_equal(pf_address_parse("2001:db8::1", &address), 0);
	json_init(&json, &buffer);
	json_object_begin(&json, NULL);
	json_string(&json, "a", "x");
	json_string(&json, "none", NULL);
	json_object_begin(&json, "b");
	json_object_end(&json);
	json_array_begin(&json, "c");
	json_uint(&json, NULL, 0);
	json_uint(&json, NULL, UINT64_MAX);
	json_array_begin(&json, NULL);
	json_array_end(&json);
	json_boolean(&json, NULL, true);
	json_array_end(&json);
	json_raw(&json, NULL, "\"d\":1,\"e\":2", 11);
	json_raw(&json, NULL, NULL, 0);
	json_raw(&json, "f", "{}", 2);
	json_string_keyed(&json, "g\"\n", "y");
	json_string_keyed(&json, "none", NULL);
	json_address(&json, "h", &address);
	json_boolean(&json, "i", false);
	json_object_end(&json);
	buffer_add_char(&buffer, '\0');
	assert_false(buffer.is_broken);
	assert_string_equal(buffer.bytes,
			    "{\"a\":\"x\",\"b\":{},\"c\":[0,18446744073709551615,[],true],"
			    "\"d\":1,\"e\":2,\"f\":{},\"g\\\"\\n\":\"y\",\"h\":\"2001:db8::1\","
			    "\"i\":false}");
	buffer_done(&buffer);
}

#define FFFD "\xef\xbf\xbd"

static void strings_are_escaped(void **state)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"exactly8", "\"exactly8\""},
		{"more than eight bytes", "\"more than eight bytes\""},
		{"1234567\"", "\"1234567\\\"\""},
		{"12345678\"abcdefgh\\", "\"12345678\\\"abcdefgh\\\\\""},
		{"\"\\\b\f\n\r\t", "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
		{"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
		{"/ ~", "\"/ ~\""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xe2\x80\xa8\xe2\x80\xa9", "\"\xe2\x80\xa8\xe2\x80\xa9\""},
		{"\x80", "\"" FFFD "\""},
		{"a\xffz", "\"a" FFFD "z\""},
		{"\xc0\xaf", "\"" FFFD FFFD "\""},
		{"\xc3", "\"" FFFD "\""},
		{"\xc3(", "\"" FFFD "(\""},
		{"\xe2\x82", "\"" FFFD "\""},
		{"\xe2\x82\"", "\"" FFFD "\\\"\""},
		{"\xe0\x80\x80", "\"" FFFD FFFD FFFD "\""},
		{"\xed\xa0\x80", "\"" FFFD FFFD FFFD "\""},
		{"\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\""},
		{"\xf0\x80\x80\x80", "\"" FFFD FFFD FFFD FFFD "\""},
		{"\xf0\x9f\x98", "\"" FFFD "\""},
		{"\xf5\x80", "\"" FFFD FFFD "\""},
		{"\xef\xbf\xbf\xed\x9f\xbf", "\"\xef\xbf\xbf\xed\x9f\xbf\""},
	};
	struct buffer buffer = BUFFER_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json json;
		json_init(&json, &buffer);
		json_string(&json, NULL, cases[i].value);
		buffer_add_char(&buffer, '\0');
		assert_string_equal(buffer.bytes, cases[i].text);
		buffer_clear(&buffer);
	}
	buffer_done(&buffer);
}

/* Each byte at each place of a word: the fast path must see it, and json-c must read it back. */
static void every_byte_survives(void **state)
{
	struct buffer buffer = BUFFER_INIT;

	for (int byte = 0; byte < 256; byte++) {
		for (int place = 0; place < 17; place++) {
			char value[17];
			struct json json;
			memset(value, place % 2 ? ' ' : '~', sizeof(value));
			value[place] = (char)byte;
			json_init(&json, &buffer);
			json_string_n(&json, NULL, value, sizeof(value));
			buffer_add_char(&buffer, '\0');

			struct json_object *object = json_tokener_parse(buffer.bytes);
			assert_true(json_object_is_type(object, json_type_string));
			const char *back = json_object_get_string(object);
			if (byte < 0x80) {
				assert_int_equal(json_object_get_string_len(object), 17);
				assert_memory_equal(back, value, sizeof(value));
			} else {
				assert_int_equal(json_object_get_string_len(object), 19);
				assert_memory_equal(back + place, FFFD, 3);
			}
			json_object_put(object);
			buffer_clear(&buffer);
		}
	}
	buffer_done(&buffer);
}

static void a_buffer_grows(void **state)
{
	struct buffer buffer = BUFFER_INIT;

	for (unsigned i = 0; i < 10000; i++)
		buffer_add_uint(&buffer, i % 10);
	assert_int_equal(buffer.length, 10000);
	assert_true(buffer.capacity >= 10000);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(buffer.bytes[i], '0' + i % 10);
	size_t capacity = buffer.capacity;
	buffer_clear(&buffer);
	assert_int_equal(buffer.length, 0);
	assert_int_equal(buffer.capacity, capacity);
	buffer_done(&buffer);
	assert_null(buffer.bytes);
}

/* No allocator has SIZE_MAX / 4 bytes: the buffer breaks, says so, and clear mends it. */
static void a_failed_allocation_is_remembered(void **state)
{
	struct buffer buffer = BUFFER_INIT;

	buffer_add_text(&buffer, "begin");
	buffer.length = buffer.capacity = SIZE_MAX / 2 + 1; /* as if that much were there */
	buffer_add(&buffer, "x", 1);
	assert_true(buffer.is_broken);
	buffer_add_char(&buffer, 'x');
	buffer_add_uint(&buffer, 1);
	assert_int_equal(buffer.length, SIZE_MAX / 2 + 1);
	buffer.capacity = 0;
	buffer_clear(&buffer);
	buffer_add_text(&buffer, "again");
	assert_false(buffer.is_broken);
	assert_memory_equal(buffer.bytes, "again", 5);
	buffer_done(&buffer);
}

/* The quick text equals inet_ntop()'s for every pattern of zero groups, and for odd ones. */
static void addresses_are_spelled_as_elsewhere(void **state)
{
	static const uint16_t values[] = {1, 0xffff, 0xa0, 0xbcd, 0xdb8};
	char quick[PF_ADDRESS_TEXT], slow[PF_ADDRESS_TEXT];

	for (unsigned mask = 0; mask < 256; mask++) {
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			struct pf_address address = {.family = 10};
			for (unsigned group = 0; group < 8; group++) {
				uint16_t value = mask >> group & 1 ? values[v] : 0;
				address.bytes[2 * group] = (uint8_t)(value >> 8);
				address.bytes[2 * group + 1] = (uint8_t)value;
			}
			pf_address_format(&address, slow);
			assert_int_equal(address_text(&address, quick), strlen(slow));
			assert_string_equal(quick, slow);
		}
	}
	for (unsigned byte = 0; byte < 256; byte++) {
		struct pf_address address = {.family = 2, .bytes = {255 - byte, 0, 10, byte}};
		pf_address_format(&address, slow);
		assert_int_equal(address_text(&address, quick), strlen(slow));
		assert_string_equal(quick, slow);
	}
	address_text(&(struct pf_address){}, quick);
	assert_string_equal(quick, "none");
}

/* The first vectors of the reference implementation (vectors.h, vectors_sip128), and one longer
 * than a word. */
static void siphash_vectors_hold(void **state)
{
	static const struct {
		size_t length;
		const char *hash;
	} cases[] = {
		{0, "a3817f04ba25a8e66df67214c7550293"},
		{1, "da87c1d86b99af44347659119b22fc45"},
		{15, "5493e99933b0a8117e08ec0f97cfc3d9"},
	};
	uint8_t key[16], bytes[16];

	for (size_t i = 0; i < 16; i++)
		key[i] = bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct siphash128 hash = siphash128(key, bytes, cases[i].length);
		char text[33];
		for (size_t n = 0; n < 16; n++)
			snprintf(text + 2 * n, 3, "%02x", hash.bytes[n]);
		assert_string_equal(text, cases[i].hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure_is_written),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(every_byte_survives),
		cmocka_unit_test(a_buffer_grows),
		cmocka_unit_test(a_failed_allocation_is_remembered),
		cmocka_unit_test(addresses_are_spelled_as_elsewhere),
		cmocka_unit_test(siphash_vectors_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
