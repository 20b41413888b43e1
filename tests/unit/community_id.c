/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Every vector of the specification, from tests/unit/data/community-id. */
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "event/community_id.h"

#include "test.h"

static const char *text_of(struct json_object *vector, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(vector, key, &value));
	return json_object_get_string(value);
}

/* -1: null, which is how the tables say that there are none. */
static int number_of(struct json_object *vector, const char *key, const char *other_key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(vector, key, &value))
		assert_true(json_object_object_get_ex(vector, other_key, &value));
	return value ? json_object_get_int(value) : -1;
}

static struct pf_packet packet_of(struct json_object *vector)
{
	struct pf_packet packet = {
		.protocol = (uint8_t)number_of(vector, "proto", "proto"),
	};
	int from = number_of(vector, "sport", "sport_or_type");
	int to = number_of(vector, "dport", "dport_or_code");

	assert_int_equal(pf_address_parse(text_of(vector, "saddr"), &packet.source), 0);
	assert_int_equal(pf_address_parse(text_of(vector, "daddr"), &packet.destination), 0);
	if (packet.protocol == 1 || packet.protocol == 58) {
		packet.has_icmp = true;
		packet.icmp_type = (uint8_t)from;
		packet.icmp_code = (uint8_t)to;
	} else if (from >= 0 && to >= 0) {
		packet.has_ports = true;
		packet.source_port = (uint16_t)from;
		packet.destination_port = (uint16_t)to;
	}
	return packet;
}

static void hex(const uint8_t digest[static COMMUNITY_ID_DIGEST], char text[static 43])
{
	strcpy(text, "1:");
	for (size_t i = 0; i < COMMUNITY_ID_DIGEST; i++)
		sprintf(text + 2 + 2 * i, "%02x", digest[i]);
}

/* What is expected tells by its length how it is written; seed 1 has no text of ours. */
static void vector_check(struct json_object *vector, uint16_t seed, const char *expected)
{
	struct pf_packet packet = packet_of(vector);
	uint8_t digest[COMMUNITY_ID_DIGEST];
	unsigned char base64[32];
	char text[43];

	community_id_digest(&packet, seed, digest);
	if (strlen(expected) == 42) {
		hex(digest, text);
	} else if (seed == 0) {
		community_id_text(&packet, text);
	} else {
		EVP_EncodeBlock(base64, digest, sizeof(digest));
		snprintf(text, sizeof(text), "1:%s", (char *)base64);
	}
	assert_string_equal(text, expected);
}

static size_t table_check(const char *name, uint16_t seed)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/community-id/%s.json", getenv("TEST_DATA"), name);
	struct json_object *table = json_object_from_file(path);
	assert_non_null(table);
	size_t n = json_object_array_length(table);
	for (size_t i = 0; i < n; i++) {
		struct json_object *vector = json_object_array_get_idx(table, i), *value;
		if (json_object_object_get_ex(vector, "seed", &value))
			seed = (uint16_t)json_object_get_int(value);
		const char *key = json_object_object_get_ex(vector, "communityid", &value)
					  ? "communityid"
					  : "community_id";
		vector_check(vector, seed, text_of(vector, key));
	}
	json_object_put(table);
	return n;
}

static void vectors_of_the_specification(void **state)
{
	assert_int_equal(table_check("community_id_baseline_deflt", 0), 23);
	assert_int_equal(table_check("community_id_baseline_nob64", 0), 23);
	assert_int_equal(table_check("community_id_baseline_seed1", 1), 23);
	assert_int_equal(table_check("community_id_vectors", 0), 48);
}

/* UDP-Lite has ports, but none in this sense. */
static void other_protocols_have_no_ports(void **state)
{
	struct pf_packet packet = {.protocol = 136, .has_ports = true, .source_port = 1};
	char text[COMMUNITY_ID_TEXT], again[COMMUNITY_ID_TEXT];

	assert_int_equal(pf_address_parse("10.0.0.1", &packet.source), 0);
	assert_int_equal(pf_address_parse("203.0.113.9", &packet.destination), 0);
	community_id_text(&packet, text);
	packet.source_port = 2;
	community_id_text(&packet, again);
	assert_string_equal(text, again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_specification),
		cmocka_unit_test(other_protocols_have_no_ports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
