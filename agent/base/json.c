/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The writer knows one thing: whether a comma is due. It is due after every value, and not after an
 * opening bracket. Balanced begin and end calls are the caller's care.
 *
 * Strings are copied in runs: everything up to the next byte that JSON or UTF-8 says something
 * about is one memcpy. Plain ASCII, which nearly all names are, is looked at eight bytes at a time.
 * What is not UTF-8 (overlong forms and surrogates included) becomes U+FFFD, one per maximal
 * subpart as the Unicode standard recommends (chapter 3.9), so a reader in any language sees the
 * same. */
#include "base/json.h"

#include <string.h>

#include "base/address_text.h"

static const char replacement[] = "\xef\xbf\xbd";

void json_init(struct json *json, struct buffer *buffer)
{
	*json = (struct json){.buffer = buffer};
}

static void json_before(struct json *json, const char *key)
{
	size_t comma = json->needs_comma, length = key ? strlen(key) : 0;
	char *at = buffer_extend(json->buffer, comma + (key ? length + 3 : 0));

	json->needs_comma = true;
	if (!at)
		return;
	if (comma)
		*at++ = ',';
	if (!key)
		return;
	*at++ = '"';
	memcpy(at, key, length);
	memcpy(at + length, "\":", 2);
}

static void json_open(struct json *json, const char *key, char bracket)
{
	json_before(json, key);
	buffer_add_char(json->buffer, bracket);
	json->needs_comma = false;
}

static void json_close(struct json *json, char bracket)
{
	buffer_add_char(json->buffer, bracket);
	json->needs_comma = true;
}

void json_object_begin(struct json *json, const char *key)
{
	json_open(json, key, '{');
}

void json_object_end(struct json *json)
{
	json_close(json, '}');
}

void json_array_begin(struct json *json, const char *key)
{
	json_open(json, key, '[');
}

void json_array_end(struct json *json)
{
	json_close(json, ']');
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#define EACH_BYTE(value) (0x0101010101010101ull * (value))

/* Whether all eight bytes are plain. The usual borrow tricks: exact as long as no byte has its top
 * bit set, and one that has is not plain anyway. */
static bool are_plain(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');
	uint64_t odd = word | (word - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) |
		       (backslash - EACH_BYTE(1));
	return !(odd & EACH_BYTE(0x80));
}

static size_t plain_length(const char *bytes, size_t length)
{
	size_t n = 0;

	while (n + 8 <= length && are_plain(bytes + n))
		n += 8;
	while (n < length && is_plain((unsigned char)bytes[n]))
		n++;
	return n;
}

struct sequence {
	size_t length; /* bytes that belong together */
	bool is_valid;
};

/* The UTF-8 sequence that begins at bytes[0] >= 0x80; if it is none, its maximal subpart. */
static struct sequence sequence_read(const unsigned char *bytes, size_t length)
{
	unsigned char first = bytes[0], low = 0x80, high = 0xbf;
	size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

	if (first < 0xc2 || first > 0xf4)
		return (struct sequence){1, false};
	if (first == 0xe0)
		low = 0xa0; /* overlong */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90; /* overlong */
	else if (first == 0xf4)
		high = 0x8f; /* above U+10FFFF */
	for (size_t n = 1; n < wanted; n++, low = 0x80, high = 0xbf)
		if (n >= length || bytes[n] < low || bytes[n] > high)
			return (struct sequence){n, false};
	return (struct sequence){wanted, true};
}

static void escape_ascii(struct buffer *buffer, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 0xf]};

	switch (c) {
	case '"':
	case '\\': text[1] = (char)c; break;
	case '\n': text[1] = 'n'; break;
	case '\r': text[1] = 'r'; break;
	case '\t': text[1] = 't'; break;
	case '\b': text[1] = 'b'; break;
	case '\f': text[1] = 'f'; break;
	default: buffer_add(buffer, text, 6); return;
	}
	buffer_add(buffer, text, 2);
}

static void escape_add(struct buffer *buffer, const char *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t n = plain_length(bytes + at, length - at);
		buffer_add(buffer, bytes + at, n);
		at += n;
		if (at == length)
			return;
		if ((unsigned char)bytes[at] < 0x80) {
			escape_ascii(buffer, (unsigned char)bytes[at++]);
			continue;
		}
		struct sequence sequence = sequence_read((const unsigned char *)bytes + at,
							 length - at);
		if (sequence.is_valid)
			buffer_add(buffer, bytes + at, sequence.length);
		else
			buffer_add(buffer, replacement, sizeof(replacement) - 1);
		at += sequence.length;
	}
}

static void quoted_add(struct buffer *buffer, const char *value, size_t length)
{
	char *at = buffer_extend(buffer, length + 2);

	if (!at)
		return;
	at[0] = at[length + 1] = '"';
	memcpy(at + 1, value, length);
}

void json_string_n(struct json *json, const char *key, const char *value, size_t length)
{
	json_before(json, key);
	if (plain_length(value, length) == length) {
		quoted_add(json->buffer, value, length);
		return;
	}
	buffer_add_char(json->buffer, '"');
	escape_add(json->buffer, value, length);
	buffer_add_char(json->buffer, '"');
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (value)
		json_string_n(json, key, value, strlen(value));
}

void json_string_keyed(struct json *json, const char *foreign_key, const char *value)
{
	if (!value)
		return;
	json_string(json, NULL, foreign_key);
	buffer_add_char(json->buffer, ':');
	json->needs_comma = false;
	json_string(json, NULL, value);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
	json_before(json, key);
	buffer_add_uint(json->buffer, value);
}

void json_uint_text(struct json *json, const char *key, uint64_t value)
{
	json_before(json, key);
	buffer_add_char(json->buffer, '"');
	buffer_add_uint(json->buffer, value);
	buffer_add_char(json->buffer, '"');
}

void json_boolean(struct json *json, const char *key, bool value)
{
	json_before(json, key);
	buffer_add_text(json->buffer, value ? "true" : "false");
}

void json_address(struct json *json, const char *key, const struct pf_address *address)
{
	char text[PF_ADDRESS_TEXT];
	size_t length = address_text(address, text);

	json_string_n(json, key, text, length);
}

void json_raw(struct json *json, const char *key, const char *text, size_t length)
{
	if (!length)
		return;
	json_before(json, key);
	buffer_add(json->buffer, text, length);
}
